"""Gains of labels and discounts of positions."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Gain = Literal["exp2", "linear"]
Discount = Literal["log2"]
OwnFunction = Callable[[Tensor], Tensor]
GAINS = ("exp2", "linear")


def largest_label(labels: Tensor, mask: Tensor) -> Tensor:
    """Return the largest label of each list, at least 0: (..., list) -> (..., 1)."""
    return torch.where(mask, labels, 0.0).amax(-1, keepdim=True).clamp(min=0.0)


def shifted_gain(labels: Tensor, mask: Tensor, gain: str) -> Tensor:
    """Return gains up to one factor per list, chosen so that no label overflows.

    "exp2" is 2^(y − m) − 2^(−m) with m the list's largest label: (2^y − 1) / 2^m. "linear" is y.
    Negative labels and padding have gain 0. Every quantity that is normalised within its list is
    the same as with the plain gain. Labels more than about 149 (float32) below the largest have
    gain 0: beside it they could not change a single bit of a sum.
    """
    y = torch.where(mask, labels, 0.0).clamp(min=0.0)
    if gain == "linear":
        return y
    # 2^(y−m) (1 − 2^(−y)): one rounding at small labels, no overflow at large ones.
    return -torch.exp2(y - largest_label(labels, mask)) * torch.expm1(-y * math.log(2.0))


def own_values(name: str, function: OwnFunction, given: Tensor) -> Tensor:
    """Apply a user's own gain or discount to labels or positions.

    Raises:
        TypeError: The function returns no tensor.
        ValueError: It does not return one number for each.
    """
    found = function(given)
    if not isinstance(found, Tensor):
        raise TypeError(f"`{name}` must return a tensor, got {type(found).__name__}")
    if found.shape != given.shape:
        raise ValueError(
            f"`{name}` must return one number per input, of shape {tuple(given.shape)}, "
            f"got {tuple(found.shape)}"
        )
    return found.to(given.dtype)


def log2_discount(n: int, like: Tensor) -> Tensor:
    """Return 1 / log2(1 + i) at the positions i = 1..n, with the dtype and device of `like`."""
    positions = torch.arange(1, n + 1, dtype=like.dtype, device=like.device)
    return 1.0 / torch.log2(1.0 + positions)


def cut(discount: Tensor, k: int | None) -> Tensor:
    """Set the discounts below position `k` to zero."""
    if k is None or k >= discount.shape[-1]:
        return discount
    keep = torch.arange(discount.shape[-1], device=discount.device) < k
    return torch.where(keep, discount, 0.0)


def _ideal_dcg_at(gains: Tensor, k: int | None) -> Tensor:
    n = gains.shape[-1]
    best = gains if k is None or k >= n else gains.topk(k, -1, sorted=False).values
    best = best.sort(-1, descending=True).values
    return (best * log2_discount(best.shape[-1], gains)).sum(-1, keepdim=True)


def normalised_gain(labels: Tensor, mask: Tensor, gain: str, k: int | None = None) -> Tensor:
    """Divide gains by the list's ideal DCG at `k`; zeros where no document is relevant."""
    gains = shifted_gain(labels, mask, gain)
    ideal = _ideal_dcg_at(gains, k)
    return gains / torch.where(ideal > 0, ideal, 1.0)
