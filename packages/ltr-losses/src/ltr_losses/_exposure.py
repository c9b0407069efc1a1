"""The exposure loss of DELTR."""

import torch
from torch import Tensor

from ._check import Reduction, check_mask, check_tensor, prepare
from ._log_softmax import softmax
from ._reduce import reduce_lists, weighted


def exposure_loss(
    scores: Tensor,
    group: Tensor,
    *,
    squared: bool = True,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""How much less a protected group is exposed than the others, in expectation.

        ℓ(s, g) = max(0, e(others) − e(group))²,   e(A) = Σ over i in A of w_i q_i / |A|

    with q = softmax(s), the chance of the first place. To be added to a ranking loss, with a factor
    that says how much fairness is worth; as a task of its own it is the second axis of a front. It
    may be differentiated twice.

    Args:
        scores: (..., list), higher is better.
        group: (..., list), above 0 at the protected documents.
        squared: Whether the difference is squared.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; that of a document multiplies its exposure,
            that of a list the loss (or its square, where squared).
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists with documents of both kinds, "sum", both over the batch
            axis alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, or an unknown reduction.

    Examples:
        >>> import torch
        >>> scores = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
        >>> exposure_loss(scores, torch.tensor([[0.0, 0.0, 1.0, 1.0]]), squared=False)
        tensor(0.2311)

    References:
        M. Zehlike, C. Castillo, "Reducing disparate exposure in ranking: a learning to rank
        approach", WWW 2020 (DELTR), with the place of q as in ListNet.
    """
    lists = prepare(scores, group, mask, weights, reduction, offsets=offsets)
    q = weighted(softmax(lists.scores, lists.mask), lists)
    gap, both = group_difference(q, lists.labels > 0, lists.mask)
    short = gap.relu()  # without a slope at parity
    return reduce_lists(short.square() if squared else short, both, lists, reduction)


def group_difference(exposure: Tensor, group: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean exposure of the others less the group's, and whether both have documents."""
    inside, outside = group & mask, ~group & mask
    sizes = inside.sum(-1), outside.sum(-1)
    mine = torch.where(inside, exposure, 0.0).sum(-1) / sizes[0].clamp(min=1)
    theirs = torch.where(outside, exposure, 0.0).sum(-1) / sizes[1].clamp(min=1)
    return theirs - mine, (sizes[0] > 0) & (sizes[1] > 0)


def amortised_exposure(exposure: Tensor, merit: Tensor, *, mask: Tensor | None = None) -> Tensor:
    r"""How far exposure strays from merit, summed over many rankings of the same documents.

        A = Σ_i | Σ_t e_ti / Σ_tj e_tj − Σ_t m_ti / Σ_tj m_tj |

    0 where each document was exposed in proportion to its merit, at most 2; lower is better.

    Args:
        exposure: (..., ranking, list), e: what each ranking gave each document, for instance the
            discount or the propensity of its position.
        merit: (..., ranking, list), m, not negative: for instance the relevance.
        mask: (..., ranking, list), bool, True where a document takes part.

    Returns:
        The leading axes; NaN where the exposures or the merits sum to 0.

    Raises:
        TypeError: Something that is no tensor.
        ValueError: Shapes that do not fit.

    Examples:
        >>> import torch
        >>> e = torch.tensor([[1.0, 0.5], [0.5, 1.0]])  # two rankings, each document first once
        >>> amortised_exposure(e, torch.ones(2, 2))
        tensor(0.)

    References:
        A. Biega, K. Gummadi, G. Weikum, "Equity of attention: amortizing individual fairness in
        rankings", SIGIR 2018.
    """
    check_tensor("exposure", exposure)
    check_tensor("merit", merit, exposure.shape[-1])
    if exposure.dim() < 2:
        raise ValueError(f"`exposure` must be (..., ranking, list), got {tuple(exposure.shape)}")
    if mask is not None:
        check_mask(mask, exposure.shape[-1])
        exposure, merit = torch.where(mask, exposure, 0.0), torch.where(mask, merit, 0.0)
    e, m = exposure.sum(-2), merit.sum(-2)
    return (e / e.sum(-1, keepdim=True) - m / m.sum(-1, keepdim=True)).abs().sum(-1)
