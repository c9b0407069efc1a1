"""The pairwise logistic loss with any pair weights: its sum over the pairs, and its gradient."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ._analytic import batch_axis_first
from ._pairs import FAR_BELOW, Block, Workspace, row_of, sink_padding, upper_blocks

# Weights of positions that are made at once.
_BAND = 1 << 18

# Of the series of artanh(s), which for s ≤ 1/3 are enough for float32.
_TERMS = (13, 11, 9, 7, 5, 3, 1)

# Tasks that a compiled loop takes side by side; in blocks, at least so many one after the other.
_UNROLLED = 8

Contrast = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | None, Tensor | None], Tensor]
"""(features of the row's document, of the column's, upper, out) -> signed pair weight.

Positive where the row's document should be above the column's, negative where below it; of the
opposite sign for the pair the other way round. `upper` is positive where the row's document stands
above the column's, None where it does everywhere; the result is written to `out`, where given."""

Positions = Callable[[Tensor, Tensor], Tensor]
"""(positions of the rows (rows, 1), of the columns (1, columns)) -> weight, not negative. The
positions are consecutive, from 1; the weight is the same for the pair the other way round."""


def logistic_pair_sum(
    z: Tensor,
    mask: Tensor,
    features: Sequence[Tensor],
    contrast: Contrast,
    positions: Positions,
    weights: Tensor | None,
    k: int | None,
) -> tuple[Tensor, Tensor]:
    """Sum W |c| log(1 + exp(−gap)) over pairs; gap is how far a pair is in the right order.

    All tensors are (..., list), sorted by descending z with the padding last. c is the pair's
    `contrast` of the `features`, which have the task axis; documents of one level, the first
    feature, make no pair. W is its weight by position, times the weight of the document that should
    be above. With `k`, pairs count with either document among the first k.

    Return the sum (...) and its gradient with respect to z (..., list), which is zero under
    `torch.no_grad`.
    """
    # Padding becomes documents of the lowest level, infinitely far below where they belong: every
    # pair with them is worth exactly 0, and no block needs a mask.
    z = sink_padding(z, mask, FAR_BELOW)
    features = [sink_padding(x, mask) for x in features]
    slopes = torch.is_grad_enabled()
    if torch.compiler.is_compiling():
        return _fused(z, features, contrast, positions, weights, k)
    out: tuple[Tensor, Tensor] = _Blocks.apply(  # type: ignore[no-untyped-call]
        contrast, positions, k, slopes, z, weights, *features
    )
    return out


class _Blocks(torch.autograd.Function):
    """`_in_blocks`, with a rule for vmap, which cannot follow what is written in place."""

    @staticmethod
    def forward(
        contrast: Contrast,
        positions: Positions,
        k: int | None,
        slopes: bool,
        z: Tensor,
        weights: Tensor | None,
        *features: Tensor,
    ) -> tuple[Tensor, Tensor]:
        return _in_blocks(z, features, contrast, positions, weights, k, slopes)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(*output)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        moved = batch_axis_first(args[4:], in_dims[4:])
        return _Blocks.apply(*args[:4], *moved), (0, 0)  # type: ignore[no-untyped-call]


def _by_task(
    z: Tensor, features: Sequence[Tensor], weights: Tensor | None, limit: int
) -> tuple[Tensor, list[list[Tensor]], tuple[int, ...]]:
    """Separate the tasks that share z; tasks with their own z, or too many, become lists.

    Return z, each task's features (and weights) in the shape of z, and the leading axes of all.
    """
    own = [*features] if weights is None else [*features, weights]
    n = z.shape[-1]
    leading = tuple(torch.broadcast_shapes(*(x.shape[:-1] for x in (z, *own))))  # type: ignore[no-untyped-call]
    extra = len(leading) - (z.dim() - 1)
    if leading[extra:] != tuple(z.shape[:-1]) or math.prod(leading[:extra]) > limit:
        extra = 0
    tasks, lists = math.prod(leading[:extra]), leading[extra:]
    flat = [x.expand(*leading, n).reshape(tasks, *lists, n).unbind() for x in own]
    return z.expand(*lists, n), [list(task) for task in zip(*flat, strict=True)], leading


class _Bands:
    """Weights of positions, the same for all lists: made for many rows at once, but not for all."""

    def __init__(self, positions: Positions, n: int, like: Tensor) -> None:
        self.positions = positions
        self.index = torch.arange(1, n + 1, dtype=like.dtype, device=like.device)
        self.height = max(1, _BAND // n)
        self.start = self.stop = 0
        self.weights = like

    def of(self, block: Block) -> Tensor:
        """(rows, columns), zeros where the column is not below the row."""
        if block.stop > self.stop:
            stop = min(block.start + self.height, len(self.index))
            band = Block(block.start, max(block.stop, stop))
            self.weights = self.positions(band.rows(self.index), band.cols(self.index)).triu_(1)
            self.start, self.stop = band
        return self.weights[block.start - self.start : block.stop - self.start].narrow(
            -1, block.start - self.start, len(self.index) - block.start
        )


def _in_blocks(
    z: Tensor,
    features: Sequence[Tensor],
    contrast: Contrast,
    positions: Positions,
    weights: Tensor | None,
    k: int | None,
    slopes: bool,
) -> tuple[Tensor, Tensor]:
    """Each pair i < j once, with the transcendental functions once for all tasks and either order.

    As z_i ≥ z_j, they are of a gap ≤ 0: nothing overflows or saturates.
    """
    n = z.shape[-1]
    # Many tasks of few lists would be many calls for little.
    limit = max(_UNROLLED, z.shape[:-1].numel())
    z, tasks, leading = _by_task(z, features, weights, limit)
    # By row the sums of the values and of the slopes of its pairs, by column those of the slopes.
    sums, upper, lower = z.new_zeros(3, len(tasks), *z.shape)
    each = [*zip(tasks, sums, upper, lower, strict=True)]
    blocks = upper_blocks(z.shape[:-1].numel(), n, k, z.device)
    space = Workspace(z, z.shape[:-1], blocks, 6)
    bands = _Bands(positions, n, z)
    for block in blocks:
        rows, cols = block.stop - block.start, n - block.start
        gap, sigmoid, minus_softplus, c, wrong, out = space.of(rows, cols)
        torch.sub(block.cols(z), block.rows(z), out=gap)
        # Above 0 only beside the diagonal, where i > j is not counted but must not overflow.
        gap.narrow(-1, 0, rows).clamp_(max=0.0)
        torch.sigmoid(gap, out=sigmoid)
        # log(1 − σ(x)) = −log(1 + e^x), to the last bits as σ ≤ 1/2 is.
        torch.neg(sigmoid, out=minus_softplus).log1p_()
        band = bands.of(block)
        for own, value, slope, below in each:
            contrast([block.rows(x) for x in own], [block.cols(x) for x in own], None, c)
            c.mul_(band)
            torch.clamp(c, max=0.0, out=wrong)
            if weights is None:
                amount = c.abs_()
            else:
                wrong.mul_(block.cols(own[-1]))
                amount = c.clamp_(min=0.0).mul_(block.rows(own[-1])).sub_(wrong)
            if slopes:
                torch.addcmul(wrong, amount, sigmoid, out=out)
                torch.sum(out, -1, out=block.of(slope))
                block.to_end(below).add_(out.sum(-2))
            # softplus(−gap) = softplus(gap) − gap
            wrong.mul_(gap).addcmul_(amount, minus_softplus, value=-1.0)
            torch.sum(wrong, -1, out=block.of(value))
    return sums.sum(-1).reshape(leading), lower.sub_(upper).reshape(*leading, n)


def _log1p(t: Tensor) -> Tensor:
    """log(1 + t) at 0 ≤ t ≤ 1, to the last bits."""
    if t.dtype == torch.float64:
        return t.log1p()
    # 2 artanh(s), as a series: in a loop it costs a third of the logarithm, which half the loop is.
    s = t / (2.0 + t)
    square = s * s
    series = torch.full_like(t, 2.0 / _TERMS[0])
    for odd in _TERMS[1:]:
        series = series * square + 2.0 / odd
    return s * series


def _fused(
    z: Tensor,
    features: Sequence[Tensor],
    contrast: Contrast,
    positions: Positions,
    weights: Tensor | None,
    k: int | None,
) -> tuple[Tensor, Tensor]:
    """Each pair from both of its documents, as expressions that are summed over their last axis.

    A compiler makes one loop of them, of all tasks, which keeps nothing of the size of the pairs.
    """
    n = z.shape[-1]
    z, tasks, leading = _by_task(z, features, weights, _UNROLLED)
    # Stacked, they are in memory; the loop would look each up by its place in the order again.
    z, *rest = torch.stack([z, *itertools.chain(*tasks)]).unbind()
    per_task = len(rest) // len(tasks)
    tasks = [rest[i : i + per_task] for i in range(0, len(rest), per_task)]

    index = torch.arange(1, n + 1, dtype=z.dtype, device=z.device)
    # (rows, columns): with a k, the first k with all, and the others with the first k.
    areas = [((0, n), (0, n))]
    if k is not None and k < n:
        areas = [((0, k), (0, n)), ((k, n), (0, k))]
    values: list[list[Tensor]] = [[] for _ in tasks]
    slopes: list[list[Tensor]] = [[] for _ in tasks]
    for rows, cols in areas:
        i, j = row_of(index, *rows), row_of(index, *cols).mT
        # A view by strides must be of something in memory: made once for all lists and tasks.
        position_weight = positions(i, j).contiguous()
        position_weight = position_weight.as_strided(position_weight.shape, (cols[1] - cols[0], 1))
        gap = row_of(z, *rows) - row_of(z, *cols).mT
        t = torch.exp(-gap.abs())
        u = 1.0 + t
        softplus = _log1p(t) + (-gap).clamp(min=0.0)
        for task, value, slope in zip(tasks, values, slopes, strict=True):
            a = [row_of(x, *rows) for x in task]
            b = [row_of(x, *cols).mT for x in task]
            c = contrast(a, b, j - i, None) * position_weight
            if weights is not None:
                c = c * torch.where(c > 0, a[-1], b[-1])
            value.append((c.clamp(min=0.0) * softplus).sum(-1))
            slope.append((c * torch.where(c * gap > 0, t, 1.0) / u).sum(-1))
    sums = torch.stack([torch.cat(parts, -1).sum(-1) for parts in values])
    gradient = -torch.stack([torch.cat(parts, -1) for parts in slopes])
    return sums.reshape(leading), gradient.reshape(*leading, n)
