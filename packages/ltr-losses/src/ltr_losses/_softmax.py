"""Softmax cross entropy."""

from torch import Tensor

from ._check import Reduction, prepare
from ._log_softmax import log_softmax
from ._reduce import reduce_lists, weighted


def softmax_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Softmax cross entropy with the labels as they are.

        ℓ(s, y) = − Σ_i w_i max(y_i, 0) log q_i,   q = softmax(s)

    Its gradient, with weights of one, is q Σ_i y_i − y: relevant documents compete with all others.
    It may be differentiated twice.

    Args:
        scores: (..., list), higher is better.
        labels: (..., list), negative labels count as 0; the leading axes broadcast with those
            of the scores.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a document's weight multiplies its term.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists of two documents or more with a label above 0, "sum", both
            over the batch axis alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, or an unknown reduction.

    Examples:
        >>> import torch
        >>> softmax_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
        tensor(0.6931)

    References:
        S. Bruch, X. Wang, M. Bendersky, M. Najork, "An analysis of the softmax cross entropy loss
        for learning-to-rank with binary relevance", ICTIR 2019.

    Note:
        The paper divides the labels by their sum; here their scale is the list's weight.
    """
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets)
    terms = -lists.labels.clamp(min=0.0) * log_softmax(lists.scores, lists.mask)
    terms = weighted(terms, lists)
    teaches = (lists.mask.sum(-1) >= 2) & (lists.labels > 0).any(-1)
    return reduce_lists(terms.sum(-1), teaches, lists, reduction)
