"""Sums over the ordered pairs of each list, in blocks, with their gradient."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

# Pairs per block: what the second-level cache of a core holds, and enough to fill an accelerator.
_BLOCK_CPU = 1 << 17
_BLOCK_ELSEWHERE = 1 << 25


class Block(NamedTuple):
    """The pairs of the rows start..stop with the columns start..n of the sorted lists."""

    start: int
    stop: int
    n: int

    def rows(self, x: Tensor) -> Tensor:
        """(..., list) -> (..., rows, 1)."""
        return x[..., self.start : self.stop].unsqueeze(-1)

    def cols(self, x: Tensor) -> Tensor:
        """(..., list) -> (..., 1, columns)."""
        return x[..., self.start :].unsqueeze(-2)


def blocks(n: int, k: int | None, like: Tensor) -> Iterator[Block]:
    """Cuts the upper triangle of the (list, list) pairs, of `k` rows, into blocks of rows."""
    budget = _BLOCK_CPU if like.device.type == "cpu" else _BLOCK_ELSEWHERE
    rows = n - 1 if k is None else min(k, n - 1)
    height = max(1, budget // max(1, like.numel()))
    for start in range(0, rows, height):
        yield Block(start, min(start + height, rows), n)


def logistic_pair_sum(
    z: Tensor,
    mask: Tensor,
    contrast: Callable[[Block], Tensor],
    position_weight: Callable[[Block], Tensor],
    weights: Tensor | None,
    k: int | None,
) -> tuple[Tensor, Tensor]:
    """Σ over i < j of W_ij · (c⁺ softplus(z_j − z_i) + c⁻ softplus(z_i − z_j)), and its gradient.

    All lists are sorted by descending z with the padding last. c is the contrast of a pair:
    positive where the upper document should be above, negative where the lower one should, and
    c = c⁺ − c⁻. As z_i ≥ z_j there is one exponential per pair, of a number ≤ 0: nothing overflows
    or saturates, and it serves all tasks and both orders.

    Args:
        z: (..., list), sorted.
        mask: (..., list), sorted.
        contrast: Block -> (..., rows, columns), with the task axis.
        position_weight: Block -> (rows, columns), not negative.
        weights: (..., list), sorted, or None; a pair has the weight of the document that should be
            above.
        k: Pairs with either document in the first k; None: all.

    Returns:
        The sum, (...), and its gradient with respect to z, (..., list).
    """
    n = z.shape[-1]
    # Padding takes the lowest score, so that every difference has the sign that sorting promises.
    lowest = torch.where(mask, z, float("inf")).amin(-1, keepdim=True)
    z = torch.where(mask, z, torch.where(mask.any(-1, keepdim=True), lowest, 0.0))
    index = torch.arange(n, device=z.device)
    real = mask.to(z.dtype)
    value: Tensor | None = None
    above: list[Tensor] = []
    below: Tensor | None = None
    for block in blocks(n, k, z):
        # A real lower document implies a real upper one.
        upper = (block.rows(index) < block.cols(index)).to(z.dtype) * position_weight(block)
        w = upper * block.cols(real)
        gap = block.cols(z) - block.rows(z)
        t = gap.exp()
        p = w * t / (1.0 + t)
        concordant = w * t.log1p()
        discordant = concordant - w * gap
        c = contrast(block)
        c_plus = c.clamp(min=0.0)
        c_minus = c_plus - c
        if weights is not None:
            c_plus = c_plus * block.rows(weights)
            c_minus = c_minus * block.cols(weights)
        part = (c_plus * concordant + c_minus * discordant).sum((-2, -1))
        slope = c_minus * (w - p) - c_plus * p
        lower = pad(slope.sum(-2), (block.start, 0))
        value = part if value is None else value + part
        above.append(slope.sum(-1))
        below = lower if below is None else below + lower
    if value is None or below is None:  # lists of one document
        return torch.zeros_like(z[..., 0]), torch.zeros_like(z)
    rows = torch.cat(above, -1)
    return value, pad(rows, (0, n - rows.shape[-1])) - below
