"""Gradients in blocks, one per tensor, and their way into `.grad`.

A gradient may be sparse in coordinate form, of complex numbers, or in half precision.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from ._checks import check_finite
from ._sparse import any_sparse, is_sparse, on_touched_rows, sparse_of

Block = list[Tensor | None]
Rows = list[Block]
Reduce = Callable[[Tensor], object]

# Elements that are added at once: their sum stays in the cache of a CPU core.
_PIECE = 131_072
_LARGE = 16_384
# Weighted gradients so many times as long as their sum, all together, are summed in float64: below,
# float32 rounds the sum by 2⁷ roundings of its own length at most, for each task.
_CANCELLED = 2.0**7


def average(gradients: Block, reduce: Reduce | None) -> Block:
    """Average the gradients over the processes."""
    if reduce is None:
        return gradients
    averaged: Block = []
    for gradient in gradients:
        if gradient is not None:
            # Autograd's result may be shared, expanded or of any layout.
            if is_sparse(gradient):
                gradient = gradient.coalesce().clone()
            else:
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
    return b + a if is_sparse(a) else a + b  # PyTorch adds a sparse tensor to a dense one alone


def real_numbers(gradient: Tensor) -> Tensor:
    """View complex numbers as pairs (*shape, 2), whose inner products are Re Σ conj(a) b."""
    return torch.view_as_real(gradient.resolve_conj()) if gradient.is_complex() else gradient


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
    sums = [real_numbers(g.sum()).sum() for row in rows for g in row if g is not None]
    if not sums or bool(torch.isfinite(torch.stack([s.to(sums[0]) for s in sums])).all()):
        return torch.ones(len(rows), dtype=torch.bool, device="cpu")
    return torch.tensor(
        [all(_finite(g) for g in row if g is not None) for row in rows], device="cpu"
    )


def _finite(gradient: Tensor) -> bool:
    numbers = gradient.coalesce().values() if is_sparse(gradient) else gradient
    return bool(torch.isfinite(numbers).all())


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


def combine(block: list[Tensor | None], weights: Tensor, *, exact: bool = False) -> Tensor | None:
    """Return Σ w_k g_k for one block, or None if no task reaches it; in float64 if `exact`.

    It is sparse where all its summands are.
    """
    pairs = [(g, w) for g, w in zip(block, weights.tolist(), strict=True) if g is not None]
    if not pairs:
        return None
    parts, numbers = map(list, zip(*pairs, strict=True))
    if not any_sparse(parts):
        total = torch.empty_like(parts[0])
        _add(total, parts, numbers, fresh=True, exact=exact)
        return total
    places, rows = on_touched_rows(parts)
    there = combine(rows, torch.tensor(numbers, dtype=weights.dtype, device="cpu"), exact=exact)
    assert there is not None  # noqa: S101 - there is a sparse gradient
    dense = combine([None if g is None or is_sparse(g) else g for g in block], weights, exact=exact)
    if dense is None:
        return sparse_of(places, there, parts[0])
    dense[tuple(places)] = there
    return dense


def cancels(weights: Tensor, gramian: Tensor) -> bool:
    """Return whether Σ w_k g_k is so short beside its summands that float32 would not resolve it.

    Gradients that are opposed up to rounding have weights of up to 10⁸, in the units of the sum.
    """
    w, G = weights.numpy(), gramian.numpy()
    square = float(w @ G @ w)
    return float(abs(w) @ G.diagonal() ** 0.5) > _CANCELLED * math.sqrt(max(square, 0.0))


def apply_to_block(
    function: Callable[[Tensor], Tensor], block: list[Tensor | None]
) -> Tensor | None:
    """Return a function of the gradients (task, *shape) of one tensor, of their shape.

    It sees the touched rows of sparse gradients, and complex numbers as pairs.
    """
    like = next((g for g in block if g is not None), None)
    if like is None:
        return None
    if any_sparse(block):
        places, rows = on_touched_rows(block)
        dense = [None if g is None or is_sparse(g) else g for g in block]
        if any_of(dense):
            return apply_to_block(function, [g if g is None else g.to_dense() for g in block])
        found = apply_to_block(function, rows)
        assert found is not None  # noqa: S101 - there is a sparse gradient
        return sparse_of(places, found, like)
    found = function(
        stacked([real_numbers(torch.zeros_like(like) if g is None else g) for g in block])
    )
    return torch.view_as_complex(found.contiguous()) if like.is_complex() else found


def fits(weight: float, dtype: torch.dtype) -> bool:
    """Return whether a finite weight is finite in a dtype too."""
    return not abs(weight) > torch.finfo(dtype).max  # NaN, of a step that overflowed, does


def _sum_dtype(dtype: torch.dtype, weights: list[float], *, exact: bool) -> torch.dtype:
    """Choose the dtype of a sum: float32 at least, float64 if `exact` or if a weight needs it."""
    least = torch.promote_types(dtype, torch.float32)
    if not exact and all(fits(weight, least) for weight in weights):
        return least
    return torch.promote_types(dtype, torch.float64)


@torch.no_grad()
def accumulate_combined(
    tensors: list[Tensor],
    rows: Rows,
    weights: Tensor,
    *,
    release: bool = False,
    exact: bool = False,
) -> None:
    """Add Jᵀ w to `.grad`, with no other memory, in pieces that stay in the cache of a CPU core.

    With `release` the rows are emptied on the way, so that new `.grad` tensors take their memory.
    With `exact` the sums are float64.
    """
    for b, tensor in enumerate(tensors):
        block = [row[b] for row in rows]
        parts = [g for g in block if g is not None]
        if release:
            for row in rows:
                row[b] = None
        if not parts:
            continue
        if any_sparse([*parts, tensor.grad]):
            accumulate([tensor], [combine(block, weights, exact=exact)])
            continue
        w = weights
        if len(parts) < len(block):
            w = weights[torch.tensor([g is not None for g in block], device="cpu")]
        total = torch.empty_like(tensor) if tensor.grad is None else tensor.grad
        if total.numel() < _LARGE or not total.is_contiguous() or total.device.type != "cpu":
            _add(total, parts, w.tolist(), fresh=tensor.grad is None, exact=exact)
        else:
            _add_in_pieces(total, parts, w, fresh=tensor.grad is None, exact=exact)
        if tensor.grad is None:
            tensor.grad = total
        run_hooks(tensor)


def _add(
    total: Tensor, parts: Sequence[Tensor], weights: list[float], *, fresh: bool, exact: bool
) -> None:
    """Add Σ w_k g_k to the total, or put it there where that holds nothing yet."""
    wide = _sum_dtype(total.dtype, weights, exact=exact)
    if wide != total.dtype:
        summed = torch.zeros_like(total, dtype=wide)
        for part, weight in zip(parts, weights, strict=True):
            summed.add_(part, alpha=weight)
        if fresh:
            total.copy_(summed)
        else:
            total.add_(summed)
        return
    for k, (part, weight) in enumerate(zip(parts, weights, strict=True)):
        if k == 0 and fresh:
            torch.mul(part, weight, out=total)
        else:
            total.add_(part, alpha=weight)


def _add_in_pieces(
    total: Tensor, parts: list[Tensor], weights: Tensor, *, fresh: bool, exact: bool
) -> None:
    """Do the same for a contiguous total, in pieces that stay in the cache of a CPU core."""
    total = total.view(-1)
    flat = [part if part.ndim == 1 else part.reshape(-1) for part in parts]
    numbers = weights.tolist()
    same = total.dtype in (torch.float32, torch.float64) and flat[0].dtype == total.dtype
    same = same and _sum_dtype(total.dtype, numbers, exact=exact) == total.dtype
    matrix = as_matrix(flat) if same else None
    if matrix is not None:
        vector = weights.to(total.dtype)
        width = 4 * _PIECE  # a product reads its rows side by side
        for target, chunk in zip(in_pieces(total, width), in_pieces(matrix, width), strict=True):
            torch.addmv(target, chunk.T, vector, beta=0 if fresh else 1, out=target)
        return
    targets = in_pieces(total, _PIECE)
    for target, *pieces in zip(targets, *(in_pieces(g, _PIECE) for g in flat), strict=True):
        _add(target, pieces, numbers, fresh=fresh, exact=exact)


@torch.no_grad()
def accumulate(
    tensors: list[Tensor], gradients: list[Tensor | None], *, hooks: bool = True
) -> None:
    """Add the gradients to `.grad`, where None leaves it, and call the hooks after that."""
    for tensor, gradient in zip(tensors, gradients, strict=True):
        if gradient is None:
            continue
        if tensor.grad is None:
            # A copy in the parameter's layout: autograd's result may be shared or expanded.
            sparse = is_sparse(gradient)
            tensor.grad = gradient.clone() if sparse else torch.empty_like(tensor).copy_(gradient)
        elif is_sparse(tensor.grad) and not is_sparse(gradient):
            tensor.grad = gradient + tensor.grad
        else:
            tensor.grad.add_(gradient)
        if hooks:
            run_hooks(tensor)


def hooks_of(tensor: Tensor) -> list[Callable[[Tensor], object]]:
    """Return what `register_post_accumulate_grad_hook` has registered."""
    return list((tensor._post_accumulate_grad_hooks or {}).values())


def run_hooks(tensor: Tensor) -> None:
    """Call the hooks after accumulation, as `loss.backward()` does where it writes `.grad`."""
    for hook in hooks_of(tensor):
        hook(tensor)
