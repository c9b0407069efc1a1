"""ListNet."""

from torch import Tensor

from ._check import Reduction, prepare
from ._log_softmax import log_softmax, softmax
from ._reduce import reduce_lists, weighted


def listnet_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Cross entropy between the top-one probabilities of the labels and those of the scores.

        ℓ(s, y) = − Σ_i w_i p_i log q_i,   p = softmax(y),   q = softmax(s)

    Its gradient, with weights of one, is q − p. It may be differentiated twice.

    Args:
        scores: (..., list), higher is better.
        labels: (..., list), any real numbers; the leading axes broadcast with those of the scores.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a document's weight multiplies its term.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists of two documents or more, "sum", both over the batch axis
            alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, or an unknown reduction.

    Examples:
        >>> import torch
        >>> scores = torch.tensor([[2.0, 1.0, 0.0]])
        >>> labels = torch.tensor([[1.0, 0.0, 0.0]])
        >>> listnet_loss(scores, labels)
        tensor(1.0434)

    References:
        Z. Cao, T. Qin, T.-Y. Liu, M.-F. Tsai, H. Li, "Learning to rank: from pairwise approach to
        listwise approach", ICML 2007, sections 4 (top-one probability) and 5 (ListNet).
    """
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets)
    terms = -softmax(lists.labels, lists.mask) * log_softmax(lists.scores, lists.mask)
    terms = weighted(terms, lists)
    teaches = lists.mask.sum(-1) >= 2
    return reduce_lists(terms.sum(-1), teaches, lists, reduction)
