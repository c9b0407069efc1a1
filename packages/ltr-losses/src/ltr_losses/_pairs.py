"""Sums over the ordered pairs of each list, in blocks, with their gradient."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from ltr_losses._check import Lists

# Pairs per block. On the CPU what the second-level cache of a core holds; elsewhere enough to fill
# an accelerator, and few blocks to compile.
_BLOCK_CPU = 1 << 17
_BLOCK = 1 << 23

# exp(-1000) is 0 in float32 and in float64.
FAR_BELOW = 1000.0


class Block(NamedTuple):
    """The pairs of the rows start..stop with the columns start..list."""

    start: int
    stop: int

    def rows(self, x: Tensor) -> Tensor:
        """(..., list) -> (..., rows, 1)."""
        return x[..., self.start : self.stop].unsqueeze(-1)

    def cols(self, x: Tensor) -> Tensor:
        """(..., list) -> (..., 1, columns)."""
        return x[..., self.start :].unsqueeze(-2)


def upper_blocks(like: Tensor, k: int | None) -> Iterator[Block]:
    """Cuts the pairs i < j, i ≤ k of (..., list) into blocks of rows."""
    n = like.shape[-1]
    eager_cpu = like.device.type == "cpu" and not torch.compiler.is_compiling()
    budget = _BLOCK_CPU if eager_cpu else _BLOCK
    rows = n - 1 if k is None else min(k, n - 1)
    height = max(1, budget // max(1, like.numel()))
    for start in range(0, rows, height):
        yield Block(start, min(start + height, rows))


def row_blocks(like: Tensor) -> Iterator[tuple[int, int]]:
    """Cuts the rows of all (list, list) pairs into blocks: start, stop."""
    n = like.shape[-1]
    eager_cpu = like.device.type == "cpu" and not torch.compiler.is_compiling()
    height = max(1, (_BLOCK_CPU if eager_cpu else _BLOCK) // max(1, like.numel()))
    for start in range(0, n, height):
        yield start, min(start + height, n)


def row_of(x: Tensor, start: int, stop: int) -> Tensor:
    """(..., list) -> (..., rows, 1)."""
    # Not an index: of a whole axis that is an alias, for which `is_grads_batched` has no rule.
    return x.narrow(-1, start, stop - start).unsqueeze(-1)


def unequal(lists: Lists) -> Tensor:
    """Whether a list has two documents of different labels: (...)."""
    highest = torch.where(lists.mask, lists.labels, float("-inf")).amax(-1)
    lowest = torch.where(lists.mask, lists.labels, float("inf")).amin(-1)
    return highest > lowest


def count_pairs(labels: Tensor, mask: Tensor) -> Tensor:
    """The number of pairs y_i > y_j of each list: (..., list) -> (...)."""
    # NaN differs from all, itself included: the padding has no ties.
    y = torch.where(mask, labels, float("nan")).sort(-1).values
    group = pad((y[..., 1:] != y[..., :-1]).cumsum(-1), (1, 0))
    sizes = torch.zeros_like(y).scatter_add(-1, group, torch.ones_like(y))
    n = torch.where(mask, torch.ones_like(y), 0.0).sum(-1)
    padding = y.shape[-1] - n
    return (n.square() - (sizes.square().sum(-1) - padding)) / 2.0


def pair_sum(
    scores: Tensor,
    labels: Tensor,
    mask: Tensor,
    weights: Tensor | None,
    term: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> tuple[Tensor, Tensor]:
    """Σ over y_i > y_j of w_i φ(s_i − s_j, y_i − y_j), and its gradient.

    Args:
        scores: (..., list), without a gradient.
        labels: (..., list).
        mask: (..., list).
        weights: (..., list), (..., 1) or None.
        term: (score gaps, label gaps) -> (φ, dφ / d score gap).

    Returns:
        The sum, (...), and its gradient with respect to the scores, (..., list).
    """
    # The level of padding is NaN: it is neither above nor below any other.
    y = torch.where(mask, labels, float("nan"))
    like = scores * labels
    if weights is not None:
        like = like * weights
    value = torch.zeros_like(like[..., 0])
    lower = torch.zeros_like(like)
    upper: list[Tensor] = []
    for start, stop in row_blocks(like):
        rows = slice(start, stop)
        difference = y[..., rows].unsqueeze(-1) - y.unsqueeze(-2)
        counts = difference > 0
        phi, slope = term(scores[..., rows].unsqueeze(-1) - scores.unsqueeze(-2), difference)
        phi, slope = torch.where(counts, phi, 0.0), torch.where(counts, slope, 0.0)
        if weights is not None:
            w = weights.expand(like.shape)[..., rows].unsqueeze(-1)
            phi, slope = phi * w, slope * w
        value = value + phi.sum((-2, -1))
        upper.append(slope.sum(-1))
        lower = lower + slope.sum(-2)
    return value, torch.cat(upper, -1) - lower


def sink_padding(x: Tensor, mask: Tensor, depth: float = 0.0) -> Tensor:
    """Puts the padding at the lowest real value of its list, or below; a list without one is 0.

    It goes down by `depth`, and in proportion where `depth` would be rounded off.
    """
    lowest = torch.where(mask, x.detach(), float("inf")).amin(-1, keepdim=True)
    lowest = torch.where(mask.any(-1, keepdim=True), lowest, 0.0)
    return torch.where(mask, x, lowest - depth * (1.0 + lowest.abs()))


def logistic_pair_sum(
    z: Tensor,
    mask: Tensor,
    levels: Tensor,
    contrast: Callable[[Block, Tensor], Tensor],
    position_weight: Callable[[Block], Tensor],
    weights: Tensor | None,
    k: int | None,
) -> tuple[Tensor, Tensor]:
    """Σ over i < j of W (c⁺ softplus(z_j − z_i) + c⁻ softplus(z_i − z_j)), and its gradient.

    All lists are sorted by descending z with the padding last. The contrast c = c⁺ − c⁻ of a pair
    is positive where the upper document should be above, negative where the lower one should, and
    its size times the position weight W is the pair's weight. As z_i ≥ z_j there is one exponential
    per pair, of a number ≤ 0: nothing overflows or saturates, and it serves all tasks and both
    orders.

    Args:
        z: (..., list), sorted.
        mask: (..., list), sorted.
        levels: (..., list), sorted, with the task axis: what `contrast` compares.
        contrast: (block, levels) -> (..., rows, columns); has the sign of upper less lower level.
        position_weight: block -> (rows, columns), not negative: W.
        weights: (..., list), sorted, or None; a pair has the weight of the document that should be
            above.
        k: Pairs with either document in the first k; None: all.

    Returns:
        The sum, (...), and its gradient with respect to z, (..., list); zeros under
        `torch.no_grad`, where nobody asks for it.
    """
    n = z.shape[-1]
    slopes = torch.is_grad_enabled()
    # Padding becomes documents of the lowest level, infinitely far below where they belong: every
    # pair with them is worth exactly 0, and no block needs a mask.
    z = sink_padding(z, mask, FAR_BELOW)
    levels = sink_padding(levels, mask)
    index = torch.arange(n, device=z.device)
    below = torch.zeros_like(z * levels)
    value = torch.zeros_like(below[..., 0])
    above: list[Tensor] = []
    for block in upper_blocks(z, k):
        # Above 0 only beside the diagonal, where i > j is not counted but must not overflow.
        gap = (block.cols(z) - block.rows(z)).clamp(max=0.0)
        t = gap.exp()
        upper = block.rows(index) < block.cols(index)
        c = contrast(block, levels) * (position_weight(block) * upper)
        if weights is not None:
            c = c * torch.where(c > 0, block.rows(weights), block.cols(weights))
        size = c.abs()
        wrong = c.clamp(max=0.0)  # −c⁻
        # softplus(−gap) = softplus(gap) − gap
        value = value + torch.addcmul(size * t.log1p(), wrong, gap).sum((-2, -1))
        if not slopes:
            continue
        swapped = t / (1.0 + t)  # softplus'(gap)
        slope = torch.addcmul(wrong, size, swapped)
        above.append(slope.sum(-1))
        below = below + pad(slope.sum(-2), (block.start, 0))
    if not above:  # lists of one document have no pair
        return value, below
    rows = torch.cat(above, -1)
    return value, below - pad(rows, (0, n - rows.shape[-1]))
