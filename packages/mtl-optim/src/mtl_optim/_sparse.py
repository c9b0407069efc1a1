"""Sparse gradients, in coordinate form: the rows of a tensor that any task touches."""

from collections.abc import Sequence

import torch
from torch import Tensor


def is_sparse(gradient: Tensor) -> bool:
    """Return whether a gradient is sparse in coordinate form, as an embedding's may be."""
    return gradient.layout == torch.sparse_coo


def any_sparse(block: Sequence[Tensor | None]) -> bool:
    """Return whether a gradient of this block is sparse."""
    return any(g is not None and g.layout != torch.strided for g in block)


def on_touched_rows(block: Sequence[Tensor | None]) -> tuple[Tensor, list[Tensor | None]]:
    """Gather the rows of one tensor that a sparse gradient touches.

    Returns:
        The rows' places (axis, row), and the gradients there, dense: (row, *rest).
    """
    sparse = {k: g for k, g in enumerate(block) if g is not None and is_sparse(g)}
    places, found = _aligned(list(sparse.values()))
    rows = dict(zip(sparse, found, strict=True))
    at = tuple(places)
    return places, [
        None if g is None else rows[k] if k in rows else g[at] for k, g in enumerate(block)
    ]


def _aligned(gradients: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Return the places (axis, row) that any of the sparse gradients touches, and their values."""
    like = gradients[0]
    if all(g.is_coalesced() for g in gradients):
        places = like.indices()
        if all(g.indices().data_ptr() == places.data_ptr() for g in gradients):
            return places, [g.values() for g in gradients]
    sizes = like.shape[: like.sparse_dim()]
    indices = [g._indices() for g in gradients]  # an entry that comes twice is added below
    if all(torch.equal(own, indices[0]) for own in indices):  # each task looks up the same rows
        indices = indices[:1]
    numbers = [_numbers_of(own, sizes) for own in indices]
    touched, slots = torch.unique(torch.cat(numbers), return_inverse=True)
    own = list(torch.split(slots, [len(part) for part in numbers]))
    rows = []
    for g, slot in zip(gradients, own if len(own) > 1 else own * len(gradients), strict=True):
        values = g._values()
        total = values.new_zeros(len(touched), *values.shape[1:])
        rows.append(total.index_add_(0, slot, values))
    return torch.stack(torch.unravel_index(touched, sizes)), rows


def _numbers_of(indices: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the place of each entry as one number, for indices (axis, entry)."""
    numbers = torch.zeros_like(indices[0])
    for own, size in zip(indices, sizes, strict=True):
        numbers = numbers * size + own
    return numbers


def align_sparse(rows: list[list[Tensor | None]]) -> None:
    """Let the sparse gradients of each tensor touch the same rows, found once, in place."""
    for b in range(len(rows[0])):
        sparse = [(row, g) for row in rows if (g := row[b]) is not None and is_sparse(g)]
        if sparse:
            places, values = _aligned([g for _, g in sparse])
            for (row, g), own in zip(sparse, values, strict=True):
                row[b] = sparse_of(places, own, g)


def sparse_of(places: Tensor, rows: Tensor, like: Tensor) -> Tensor:
    """Make a sparse gradient of the rows at these places, as `on_touched_rows` gives them."""
    return torch.sparse_coo_tensor(
        places, rows, like.shape, device=rows.device, is_coalesced=True, check_invariants=False
    )
