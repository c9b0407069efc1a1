"""Gradients in blocks, one per tensor, and their way into `.grad`."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from ._checks import check_finite

Block = list[Tensor | None]
Rows = list[Block]
Reduce = Callable[[Tensor], object]

# Elements that are added at once: their sum stays in the cache of a CPU core.
_PIECE = 131_072
_LARGE = 16_384


def average(gradients: Block, reduce: Reduce | None) -> Block:
    """Average the gradients over the processes."""
    if reduce is None:
        return gradients
    averaged: Block = []
    for gradient in gradients:
        if gradient is not None:
            # Autograd's result may be shared, expanded or of any layout.
            gradient = gradient.clone(memory_format=torch.contiguous_format)
            reduce(gradient)
        averaged.append(gradient)
    return averaged


def columns(rows: Rows) -> Iterable[list[Tensor | None]]:
    """Yield the blocks of J, each as one entry per task."""
    return ([row[b] for row in rows] for b in range(len(rows[0])))


def any_of(block: Sequence[Tensor | None]) -> bool:
    """Return whether any task reaches this block."""
    return any(g is not None for g in block)


def unique(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return the tensors in order, each once."""
    return list({id(tensor): tensor for tensor in tensors}.values())


def within_budget(tensors: list[Tensor], tasks: int, budget: int | None) -> list[list[Tensor]]:
    """Group the tensors so that K gradients of a group fit in the budget, or one by one."""
    groups: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        needed = tasks * tensor.numel() * tensor.element_size()
        if budget is not None and groups[-1] and size + needed > budget:
            groups.append([])
            size = 0
        groups[-1].append(tensor)
        size += needed
    return groups


def add(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Add two gradients, where None is 0, as a new tensor: autograd's results may share memory."""
    if a is None or b is None:
        return b if a is None else a
    return a + b


def as_matrix(block: list[Tensor]) -> Tensor | None:
    """View vectors as the rows of one matrix, if they lie evenly spaced in one piece of memory."""
    first, size = block[0], len(block[0])
    storage, start = first.untyped_storage().data_ptr(), first.storage_offset()
    spacing = block[1].storage_offset() - start if len(block) > 1 else size
    if spacing < size or not all(
        row.stride() == (1,)
        and row.storage_offset() == start + k * spacing
        and row.untyped_storage().data_ptr() == storage
        for k, row in enumerate(block)
    ):
        return None
    return first.as_strided((len(block), size), (spacing, 1))


def finite_rows(rows: Rows) -> Tensor:
    """Return which tasks' gradients are finite throughout: (task,), bool, on the CPU."""
    # A sum of numbers is finite only where all are; one that is not may have overflowed.
    sums = [g.sum() for row in rows for g in row if g is not None]
    if not sums or bool(torch.isfinite(torch.stack([s.to(sums[0]) for s in sums])).all()):
        return torch.ones(len(rows), dtype=torch.bool)
    return torch.tensor(
        [all(bool(torch.isfinite(g).all()) for g in row if g is not None) for row in rows]
    )


def check_finite_rows(rows: Rows) -> None:
    """Raise for the first task with a gradient that is not finite."""
    check_finite(torch.where(finite_rows(rows), 0.0, torch.nan), "`losses`: the gradient")


def stacked(block: list[Tensor]) -> Tensor:
    """Stack gradients of one shape (task, *shape): a view, if they lie in one tensor."""
    if all(g.is_contiguous() for g in block) and block[0].numel() > 0:
        matrix = as_matrix([g.view(-1) for g in block])
        if matrix is not None:
            return matrix.view(len(block), *block[0].shape)
    return torch.stack(block)


def in_pieces(tensor: Tensor, width: int) -> Sequence[Tensor]:
    """Cut the last axis into views of at most `width` columns each."""
    return [tensor] if tensor.shape[-1] <= width else torch.split(tensor, width, dim=-1)


def combine(block: list[Tensor | None], weights: Tensor) -> Tensor | None:
    """Return Σ w_k g_k for one block, or None if no task reaches it."""
    total: Tensor | None = None
    for weight, gradient in zip(weights.tolist(), block, strict=True):
        if gradient is not None:
            fresh, total = total is None, torch.empty_like(gradient) if total is None else total
            _add(total, [gradient], [weight], fresh=fresh)
    return total


def fits(weight: float, dtype: torch.dtype) -> bool:
    """Return whether a finite weight is finite in a dtype too."""
    return not abs(weight) > torch.finfo(dtype).max  # NaN, of a step that overflowed, does


@torch.no_grad()
def accumulate_combined(
    tensors: list[Tensor], rows: Rows, weights: Tensor, *, release: bool = False
) -> None:
    """Add Jᵀ w to `.grad`, with no other memory, in pieces that stay in the cache of a CPU core.

    With `release` the rows are emptied on the way, so that new `.grad` tensors take their memory.
    """
    for b, tensor in enumerate(tensors):
        block = [row[b] for row in rows]
        parts = [g for g in block if g is not None]
        if release:
            for row in rows:
                row[b] = None
        if not parts:
            continue
        w = weights
        if len(parts) < len(block):
            w = weights[torch.tensor([g is not None for g in block])]
        total = torch.empty_like(tensor) if tensor.grad is None else tensor.grad
        if total.numel() < _LARGE or not total.is_contiguous() or total.device.type != "cpu":
            _add(total, parts, w.tolist(), fresh=tensor.grad is None)
        else:
            _add_in_pieces(total, parts, w, fresh=tensor.grad is None)
        if tensor.grad is None:
            tensor.grad = total


def _add(total: Tensor, parts: Sequence[Tensor], weights: list[float], *, fresh: bool) -> None:
    """Add Σ w_k g_k to the total, or put it there where that holds nothing yet."""
    for k, (part, weight) in enumerate(zip(parts, weights, strict=True)):
        if not fits(weight, total.dtype):  # the product may fit where the weight does not
            part, weight = part.double().mul_(weight).to(total.dtype), 1.0
        if k == 0 and fresh:
            torch.mul(part, weight, out=total)
        else:
            total.add_(part, alpha=weight)


def _add_in_pieces(total: Tensor, parts: list[Tensor], weights: Tensor, *, fresh: bool) -> None:
    """Do the same for a contiguous total, in pieces that stay in the cache of a CPU core."""
    total = total.view(-1)
    flat = [part if part.ndim == 1 else part.reshape(-1) for part in parts]
    same = total.dtype in (torch.float32, torch.float64) and flat[0].dtype == total.dtype
    same = same and all(fits(weight, total.dtype) for weight in weights.tolist())
    matrix = as_matrix(flat) if same else None
    if matrix is not None:
        vector = weights.to(total.dtype)
        width = 4 * _PIECE  # a product reads its rows side by side
        for target, chunk in zip(in_pieces(total, width), in_pieces(matrix, width), strict=True):
            torch.addmv(target, chunk.T, vector, beta=0 if fresh else 1, out=target)
        return
    numbers, targets = weights.tolist(), in_pieces(total, _PIECE)
    for target, *pieces in zip(targets, *(in_pieces(g, _PIECE) for g in flat), strict=True):
        _add(target, pieces, numbers, fresh=fresh)


@torch.no_grad()
def accumulate(tensors: list[Tensor], gradients: list[Tensor | None]) -> None:
    """Add the gradients to `.grad`; None leaves it."""
    for tensor, gradient in zip(tensors, gradients, strict=True):
        if gradient is None:
            continue
        if tensor.grad is None:
            # A copy in the parameter's layout: autograd's result may be shared or expanded.
            tensor.grad = torch.empty_like(tensor).copy_(gradient)
        else:
            tensor.grad.add_(gradient)
