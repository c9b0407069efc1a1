"""Poly-1 softmax cross entropy."""

from torch import Tensor

from ._check import Reduction, check_positive, prepare
from ._log_softmax import log_softmax
from ._reduce import reduce_lists, weighted


def poly1_softmax_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    epsilon: float = 1.0,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Softmax cross entropy with the first term of its expansion weighted up.

        ℓ(s, y) = Σ_i w_i (− y_i log q_i + ε (y_i / Σ_j y_j) (1 − q_i)),   q = softmax(s)

    with y the labels clamped at 0. The second part keeps pulling at relevant documents that are
    already likely. It may be differentiated twice.

    Args:
        scores: (..., list), higher is better.
        labels: (..., list), negative labels count as 0; the leading axes broadcast with those
            of the scores.
        epsilon: Share of the second part.
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
        ValueError: Shapes that do not fit, an unknown reduction, or a bad `epsilon`.

    Examples:
        >>> import torch
        >>> poly1_softmax_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
        tensor(1.1931)

    References:
        Z. Leng et al., "PolyLoss: a polynomial expansion perspective of classification loss
        functions", ICLR 2022.
    """
    check_positive("epsilon", epsilon, zero=True)
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets)
    y = lists.labels.clamp(min=0.0)
    total = y.sum(-1, keepdim=True)
    share = y / total.clamp(min=1e-30)
    log_q = log_softmax(lists.scores, lists.mask)
    # 1 − q, without cancellation where q is close to 1.
    terms = -y * log_q - epsilon * share * log_q.expm1()
    terms = weighted(terms, lists)
    teaches = (lists.mask.sum(-1) >= 2) & (total.squeeze(-1) > 0)
    return reduce_lists(terms.sum(-1), teaches, lists, reduction)
