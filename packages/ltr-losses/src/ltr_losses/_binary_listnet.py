"""ListNet with binary relevance."""

from torch import Tensor

from ._check import Reduction, prepare
from ._log_softmax import log_softmax
from ._reduce import reduce_lists, weighted


def binary_listnet_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""ListNet whose target is spread evenly over the relevant documents.

        ℓ(s, y) = − 1/R Σ over y_i > 0 of  w_i log q_i,   q = softmax(s)

    with R the number of relevant documents. Its gradient, with weights of one, is q − [y > 0] / R.
    It may be differentiated twice.

    Args:
        scores: (..., list), higher is better.
        labels: (..., list), relevant above 0; the leading axes broadcast with those of the scores.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a document's weight multiplies its term.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists of two documents or more with a relevant one, "sum", both
            over the batch axis alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, or an unknown reduction.

    Examples:
        >>> import torch
        >>> binary_listnet_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[4.0, 0.0]]))
        tensor(0.6931)

    References:
        S. Bruch, X. Wang, M. Bendersky, M. Najork, "An analysis of the softmax cross entropy loss
        for learning-to-rank with binary relevance", ICTIR 2019.
    """
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets)
    relevant = (lists.labels > 0).to(lists.scores.dtype)
    count = relevant.sum(-1)
    terms = -relevant * log_softmax(lists.scores, lists.mask)
    terms = weighted(terms, lists)
    teaches = (lists.mask.sum(-1) >= 2) & (count > 0)
    return reduce_lists(terms.sum(-1) / count.clamp(min=1.0), teaches, lists, reduction)
