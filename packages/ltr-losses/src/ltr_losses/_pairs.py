"""What pairwise losses share: counting, blocks of pairs, their sum, and where padding goes."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from ._analytic import with_gradient
from ._check import Lists, Reduction
from ._reduce import reduce_lists

# Pairs per block. On the CPU a call costs little beside the work on so many, and a handful of such
# tensors stays in the cache; elsewhere it is enough to fill an accelerator.
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
        return self.of(x).unsqueeze(-1)

    def cols(self, x: Tensor) -> Tensor:
        """(..., list) -> (..., 1, columns)."""
        return self.to_end(x).unsqueeze(-2)

    def of(self, x: Tensor) -> Tensor:
        """(..., list) -> (..., rows)."""
        return x.narrow(-1, self.start, self.stop - self.start)

    def to_end(self, x: Tensor) -> Tensor:
        """(..., list) -> (..., columns)."""
        return x.narrow(-1, self.start, x.shape[-1] - self.start)


def _budget(device: torch.device) -> int:
    return _BLOCK_CPU if device.type == "cpu" else _BLOCK


def upper_blocks(lists: int, n: int, k: int | None, device: torch.device) -> list[Block]:
    """Cuts the pairs i < j, i ≤ k of so many lists of n documents into blocks of rows."""
    blocks = []
    start, rows = 0, n - 1 if k is None else min(k, n - 1)
    while start < rows:
        height = max(1, _budget(device) // max(1, lists * (n - start)))
        stop = min(start + height, rows)
        blocks.append(Block(start, stop))
        start = stop
    return blocks


class Workspace:
    """Tensors of the size of a block, used again for each block, so that they stay in the cache."""

    def __init__(
        self, like: Tensor, leading: torch.Size, blocks: Sequence[Block], count: int
    ) -> None:
        self.leading = leading
        n = like.shape[-1]
        size = max(((b.stop - b.start) * (n - b.start) for b in blocks), default=0)
        self.memory = like.new_empty(count, leading.numel() * size)

    def of(self, rows: int, cols: int) -> tuple[Tensor, ...]:
        """Contiguous tensors (..., rows, columns)."""
        used = self.memory[:, : self.leading.numel() * rows * cols]
        return used.view(len(used), *self.leading, rows, cols).unbind()


def row_blocks(like: Tensor) -> Iterator[tuple[int, int]]:
    """Cut the rows of all (list, list) pairs into blocks: start, stop."""
    n = like.shape[-1]
    if torch.compiler.is_compiling():  # a compiler makes its own loops
        yield 0, n
        return
    height = max(1, _budget(like.device) // max(1, like.numel()))
    for start in range(0, n, height):
        yield start, min(start + height, n)


def row_of(x: Tensor, start: int, stop: int) -> Tensor:
    """(..., list) -> (..., rows, 1)."""
    # Not an index: of a whole axis that is an alias, for which `is_grads_batched` has no rule.
    return x.narrow(-1, start, stop - start).unsqueeze(-1)


def unequal(lists: Lists) -> Tensor:
    """Whether a list has two documents of different labels: (...)."""
    return unequal_levels(lists.labels, lists.mask)


def unequal_levels(levels: Tensor, mask: Tensor) -> Tensor:
    """Whether a list has two documents of different levels: (..., list) -> (...)."""
    highest = torch.where(mask, levels, float("-inf")).amax(-1)
    lowest = torch.where(mask, levels, float("inf")).amin(-1)
    return highest > lowest


def count_pairs(labels: Tensor, mask: Tensor) -> Tensor:
    """Count the pairs y_i > y_j of each list: (..., list) -> (...)."""
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
    """Sum w_i φ(s_i − s_j, y_i − y_j) over y_i > y_j; return it (...) and its gradient (..., list).

    `term` maps gaps of scores and of labels to φ and dφ / d score gap. The scores have no gradient.
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
        difference = row_of(y, start, stop) - y.unsqueeze(-2)
        counts = difference > 0
        phi, slope = term(row_of(scores, start, stop) - scores.unsqueeze(-2), difference)
        phi, slope = torch.where(counts, phi, 0.0), torch.where(counts, slope, 0.0)
        if weights is not None:
            w = row_of(weights.expand(like.shape), start, stop)
            phi, slope = phi * w, slope * w
        value = value + phi.sum(-1).sum(-1)
        upper.append(slope.sum(-1))
        lower = lower + slope.sum(-2)
    return value, torch.cat(upper, -1) - lower


def mean_over_pairs(
    lists: Lists, term: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], reduction: Reduction
) -> Tensor:
    """Reduce a pairwise loss: 1/|P| Σ over P of w_i φ(s_i − s_j, y_i − y_j), see `pair_sum`."""
    value, gradient = pair_sum(lists.scores.detach(), lists.labels, lists.mask, lists.weights, term)
    value = with_gradient(value, gradient, lists.scores)
    pairs = count_pairs(lists.labels, lists.mask).clamp(min=1.0)
    return reduce_lists(value / pairs, unequal(lists), lists, reduction)


def sink_padding(x: Tensor, mask: Tensor, depth: float = 0.0) -> Tensor:
    """Put the padding at the lowest real value of its list, or below; a list without one is 0.

    It goes down by `depth`, and in proportion where `depth` would be rounded off.
    """
    lowest = torch.where(mask, x.detach(), float("inf")).amin(-1, keepdim=True)
    lowest = torch.where(mask.any(-1, keepdim=True), lowest, 0.0)
    return torch.where(mask, x, lowest - depth * (1.0 + lowest.abs()))
