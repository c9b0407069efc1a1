"""Pairwise quantile regression."""

from functools import partial

from torch import Tensor

from ._check import Reduction, prepare
from ._pairs import mean_over_pairs


def _term(gap: Tensor, difference: Tensor, tau: float, squared: bool) -> tuple[Tensor, Tensor]:
    """Return a pair's loss and its derivative with respect to the gap of the scores."""
    short = (difference - gap).clamp(min=0.0)
    long = (gap - difference).clamp(min=0.0)
    if squared:
        slope = 2.0 * ((1.0 - tau) * long - tau * short)
        return tau * short * short + (1.0 - tau) * long * long, slope
    slope = (1.0 - tau) * (long > 0).to(gap.dtype) - tau * (short > 0).to(gap.dtype)
    return tau * short + (1.0 - tau) * long, slope


def pairwise_quantile_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    tau: float = 0.5,
    squared: bool = False,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Quantile regression of the differences of the labels by those of the scores.

        ℓ(s, y) = 1/|P| Σ over P of  w_i (τ max(0, e_ij)^p + (1 − τ) max(0, −e_ij)^p)

    with P the pairs y_i > y_j of the list, e_ij = (y_i − y_j) − (s_i − s_j), and p = 1, or 2 with
    `squared`. A pair that is too close pulls with τ, one too far apart with 1 − τ. It cannot be
    differentiated twice: that raises RuntimeError. Memory is O(batch · list).

    Args:
        scores: (..., list), in the unit of the labels.
        labels: (..., list); the leading axes broadcast with those of the scores.
        tau: The quantile, in 0..1.
        squared: Whether the errors are squared (expectiles).
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a pair has the weight of its document with
            the larger label.
        reduction: "mean" over the lists of unequal labels, "sum", both over the batch axis alone,
            or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown reduction, or a `tau` outside 0..1.

    Examples:
        >>> import torch
        >>> pairwise_quantile_loss(torch.tensor([[0.2, 0.0]]), torch.tensor([[1.0, 0.0]]), tau=0.9)
        tensor(0.7200)

    References:
        R. Koenker, G. Bassett, "Regression quantiles", Econometrica 46, 1978, applied to pairs.
    """
    if not 0.0 <= tau <= 1.0:
        raise ValueError(f"`tau` must be in 0..1, got {tau}")
    lists = prepare(scores, labels, mask, weights, reduction)
    return mean_over_pairs(lists, partial(_term, tau=tau, squared=squared), reduction)
