"""The terms of the Plackett-Luce likelihood."""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad, softplus

from ._check import Lists
from ._ranks import score_order, take

# Beside 1, exp(-40) is below the last bit of float64.
_FAR = 40.0
# So many times that, from one end to the other, is what exponents of float64 take in.
_WIDTH = 32
_LOWEST = -_FAR * _WIDTH / 2.0


def by_label(lists: Lists) -> tuple[Tensor, Tensor, Tensor]:
    """Sort the documents of each list by ascending label, of equal ones the last first.

    Returns:
        Their scores, the padding in front and as low as can be; whether they are real; their
        order. All (..., list).
    """
    order = score_order(lists.labels, lists.mask).flip(-1)
    real, s = take(lists.mask, order), take(lists.scores, order)
    return torch.where(real, s, torch.finfo(s.dtype).min), real, order


def plackett_luce_terms(lists: Lists) -> Tensor:
    """Return log Σ_{j ≤ i} exp s_j − s_i, weighted, with the documents in the order `by_label`.

    Returns:
        (..., list), zeros at the padding.
    """
    s, real, order = by_label(lists)
    return weighted_terms(log_odds(s), lists, real, order)


def weighted_terms(odds: Tensor, lists: Lists, real: Tensor, order: Tensor) -> Tensor:
    """Return log(1 + exp odds), weighted, with zeros at the padding: (..., list)."""
    # In float64 the default threshold of 20 would leave ten digits.
    terms = torch.where(real, softplus(odds, threshold=_FAR), 0.0)
    return terms if lists.weights is None else terms * take(lists.weights, order)


def log_odds(s: Tensor, below: Tensor | None = None) -> Tensor:
    """Return log Σ_{j < b_i} exp s_j − s_i, far below 0 where there is no such j.

    The logarithm is that of a sum relative to its own largest term, whatever stands above: a
    document far away costs the others no digit.

    Args:
        s: (..., list).
        below: (..., list), b_i; None: b_i = i.
    """
    # One place on, so that a document is not in its own sum; what is in front adds nothing.
    low = pad(s, (1, -1), value=torch.finfo(s.dtype).min)
    largest = low.detach().cummax(-1).values
    log_sum = decayed_sum((low - largest).exp(), largest).to(s.dtype).log()
    if below is not None:
        largest, log_sum = take(largest, below), take(log_sum, below)
    return largest - s + log_sum


def decayed_sum(x: Tensor, level: Tensor) -> Tensor:
    """Return Σ_{j ≤ i} x_j exp(level_j − level_i), in float64, for levels that do not decrease.

    A cumulative sum of x_j exp level_j would do, but for its range. In blocks of 32 it has enough
    of it: a step of the levels above 40 is as good as one of 40. What the blocks before add is such
    a sum over their ends.

    Args:
        x: (..., list).
        level: (..., list), without a gradient.
    """
    n = x.shape[-1]
    blocks = -(-n // _WIDTH)
    width = -(-n // blocks)
    fill, shape = blocks * width - n, (*x.shape[:-1], blocks, width)
    steps = pad((level[..., 1:] - level[..., :-1]).clamp(max=_FAR), (1, fill)).reshape(shape)
    scale = steps.cumsum(-1, dtype=torch.float64).add_(_LOWEST).exp_()
    sums = (pad(x, (0, fill)).reshape(shape) * scale).cumsum(-1)
    if blocks > 1:
        ends = sums[..., :-1, -1] / scale[..., :-1, -1]
        before = decayed_sum(ends, level[..., width - 1 : -1 : width])
        sums = sums + pad(before * math.exp(_LOWEST), (1, 0)).unsqueeze(-1)
    return (sums / scale).reshape(*x.shape[:-1], blocks * width)[..., :n]
