"""Position-aware ListMLE."""

import torch
from torch import Tensor

from ._check import Reduction, prepare
from ._pairs import unequal
from ._plackett_luce import plackett_luce_terms
from ._reduce import reduce_lists


def p_listmle_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""ListMLE whose upper positions weigh more.

        ℓ(s, y) = Σ_i α_i w_{π(i)} (log Σ_{j ≥ i} exp s_{π(j)} − s_{π(i)}),   α_i = 2^(n − i) − 1

    with π the documents by descending label and n their number; equal labels stay in the order of
    their index. The α are divided by their sum, so that no list overflows. It may be differentiated
    twice.

    Args:
        scores: (..., list), higher is better.
        labels: (..., list), only their order counts; the leading axes broadcast with those
            of the scores.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a document's weight multiplies its term.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists of unequal labels, "sum", both over the batch axis alone,
            or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, or an unknown reduction.

    Examples:
        >>> import torch
        >>> p_listmle_loss(torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[2.0, 1.0, 0.0]]))
        tensor(0.9972)

    References:
        Y. Lan, Y. Zhu, J. Guo, S. Niu, X. Cheng, "Position-aware ListMLE: a sequential learning
        process for ranking", UAI 2014.

    Note:
        The paper does not normalise the α; in a list of 240 they would reach 2^239.
    """
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets)
    terms = plackett_luce_terms(lists)
    n = lists.mask.sum(-1, keepdim=True).to(terms.dtype)
    i = torch.arange(terms.shape[-1], 0, -1, dtype=terms.dtype, device=terms.device)
    # Over 2^n: 2^(−i) − 2^(−n), which sums to 1 − (n + 1) 2^(−n).
    alpha = (torch.exp2(-i) - torch.exp2(-n)).clamp(min=0.0)
    total = alpha.sum(-1, keepdim=True)
    alpha = alpha / torch.where(total > 0, total, 1.0)
    return reduce_lists((alpha * terms).sum(-1), unequal(lists), lists, reduction)
