"""The Gramian of gradients that come in blocks, without the matrix J."""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

import numpy as np
import torch
from scipy.linalg import lapack
from torch import Tensor

from ._checks import Array
from ._gradients import as_matrix, in_pieces, real_numbers
from ._sparse import any_sparse, is_sparse, on_touched_rows

Blocks = Sequence[Sequence[Tensor | None]]

# On a CPU the columns pass in chunks of so many bytes, which stay in the cache of a core; on an
# accelerator in chunks of so many columns, since the number of kernel launches matters more there.
# The products are summed in float32 within a chunk, which is right to some tens of roundings, and
# over the chunks in float64.
_CACHE, _WIDEST, _WIDE = 2**21, 2**17, 2**18
# Of a few rows that are long a CPU takes single inner products, without a copy.
_DOT_ROWS, _LONG = 3, 2**14

# Squares that underflow in float32 lose less than a float32 rounding of a squared norm above this,
# for 10^11 columns.
_LEAST = 1e-20
# The smallest eigenvalue of the cosines, in units of K times a float32 rounding, above which that
# rounding neither invents nor hides a direction: what it changes there is below a hundredth at the
# worst, and nearer to 10⁻⁵ as a rule.
_ROUNDINGS = 2**12


def products_dtype(jacobian: Blocks) -> torch.dtype:
    """Choose the dtype of the first products: float32, unless a gradient has more digits.

    float64 too where PyTorch is set to take products of float32 with fewer digits (TF32, bfloat16),
    which would round the cosines.
    """
    dtypes = {(g.dtype, g.device.type) for row in jacobian for g in row if g is not None}
    for dtype, device in dtypes:
        if dtype in (torch.float64, torch.complex128) or _reduced_precision(device):
            return torch.float64
    return torch.float32


def resolved(gramian: Tensor) -> bool:
    """Return whether a Gramian of float32 products holds what one of float64 products would.

    It does not where a squared norm is 0, may have lost squares to underflow, or has overflowed,
    nor where the unit gradients are dependent up to float32 rounding: the smallest eigenvalue of
    their cosines is below 2¹² K ε. The check of K×K numbers costs microseconds; the exact products
    after it are the exception.
    """
    G = gramian.numpy()
    least = _ROUNDINGS * len(G) * np.finfo(np.float32).eps
    if len(G) == 2:  # the eigenvalues are 1 ± cos
        (one, inner), (_, other) = G.tolist()
        squares_hold = min(one, other) > _LEAST and max(one, other) < math.inf
        bound = (1 - float(least)) * math.sqrt(one) * math.sqrt(other) if squares_hold else 0.0
        return bool(abs(inner) < bound)
    squares = G.diagonal()
    if np.count_nonzero(np.isfinite(G)) < G.size or np.count_nonzero(squares <= _LEAST):
        return False
    norms = np.sqrt(squares)
    cosines = G / (norms[:, None] * norms)
    cosines.flat[:: len(G) + 1] -= least
    return bool(lapack.dpotrf(cosines)[1] == 0)  # positive definite


def gramian(jacobian: Blocks, dtype: torch.dtype = torch.float64) -> Tensor:
    """Compute G = J Jᵀ for a Jacobian given as one sequence of blocks per task.

    The blocks pass in chunks through one buffer that stays in the cache, and the sums over chunks
    are float64 whatever the products are. `jacobian[k][b]` is block b of the gradient of task k, of
    any shape; None is zero. Sparse gradients meet on the rows that they touch; of complex ones the
    product is Re Σ conj(a) b. G (task, task) is float64, on the device of the first block.
    """
    return _products(jacobian, len(jacobian), dtype)


def cross_gramian(one: Blocks, other: Blocks) -> Tensor:
    """Compute C = J J'ᵀ for two Jacobians of the same blocks, from float64 products."""
    return _products([*one, *other], len(one), torch.float64)


def _products(jacobian: Blocks, rows: int, dtype: torch.dtype) -> Tensor:
    """Multiply the first rows with the others, or with themselves if there are no others."""
    by_device: dict[torch.device, list[list[Tensor]]] = {}
    total: Tensor | None = None
    for gradients in zip(*jacobian, strict=True):
        block: Sequence[Tensor | None] = gradients
        if any_sparse(block):
            block, found = _with_sparse(block, rows, dtype)
            total = found if total is None else total + found.to(total.device)
        like = next((g for g in block if g is not None and g.numel() > 0), None)
        if like is not None:
            by_device.setdefault(like.device, []).append(_flat(block, like))
    for device, blocks in by_device.items():
        found = _on_one_device(blocks, device, rows, dtype)
        total = found if total is None else total + found.to(total.device)
    if total is None:
        columns = len(jacobian) - rows or rows
        return torch.zeros(rows, columns, dtype=torch.float64, device="cpu")
    return total


def _with_sparse(
    block: Sequence[Tensor | None], rows: int, dtype: torch.dtype
) -> tuple[list[Tensor | None], Tensor]:
    """Multiply the sparse gradients of a block with all, on the rows that they touch.

    The dense ones, which remain to be multiplied with one another, are returned first.
    """
    dense = [None if g is None or is_sparse(g) else g for g in block]
    _, touched = on_touched_rows(block)
    found = _products([[g] for g in touched], rows, dtype)
    both = torch.tensor([g is not None for g in dense], device=found.device)
    columns = len(block) - rows or rows
    return dense, found.masked_fill(both[:rows, None] & both[-columns:], 0.0)


def _flat(block: Sequence[Tensor | None], like: Tensor) -> list[Tensor]:
    """View the block's gradients as vectors, without a copy if all have one dense layout."""
    if like.is_complex():
        block = [None if g is None else real_numbers(g) for g in block]
        like = real_numbers(like)
    if all(g is not None and g.is_contiguous() for g in block):
        return [g if g.ndim == 1 else g.view(-1) for g in block if g is not None]
    zero = like.new_zeros(()).expand(like.shape)
    present = [zero if g is None else g for g in block]
    if all(g is None or g.stride() == like.stride() for g in block):
        order = sorted(range(like.ndim), key=like.stride, reverse=True)
        present = [g.permute(order) for g in present]
    return [g.reshape(-1) for g in present]


def _on_one_device(
    blocks: list[list[Tensor]], device: torch.device, rows: int, dtype: torch.dtype
) -> Tensor:
    tasks, cpu = len(blocks[0]), device.type == "cpu"
    columns = tasks - rows or rows
    # Not a power of two: rows at such distances fall on the same lines of the cache.
    width = min(_CACHE // (tasks * dtype.itemsize), _WIDEST) + 16 if cpu else _WIDE
    total = torch.zeros(rows, columns, dtype=torch.float64, device=device)
    if cpu and rows == tasks <= _DOT_ROWS:
        sums = total.numpy()
        blocks = [block for block in blocks if not _added_dots(block, dtype, sums)]
        if not blocks:
            return total
    part = torch.zeros_like(total, dtype=dtype)
    for chunk in _chunks(blocks, width, dtype):
        # `out=` keeps autocast away.
        total += torch.mm(chunk[:rows], chunk[-columns:].T, out=part)
    return total if tasks > rows else (total + total.T) / 2  # symmetric, whatever the rounding


def _is_long(block: list[Tensor], dtype: torch.dtype) -> bool:
    """Return whether the rows are worth a call each, and need no other dtype."""
    return block[0].numel() >= _LONG and all(row.dtype == dtype for row in block)


def _added_dots(block: list[Tensor], dtype: torch.dtype, sums: Array) -> bool:
    """Add the inner products of long rows to the sums, without a copy; return whether they are."""
    if not _is_long(block, dtype):
        return False
    for pieces in zip(*(in_pieces(row, _WIDE) for row in block), strict=True):
        for i, j in combinations_with_replacement(range(len(block)), 2):
            product = torch.dot(pieces[i], pieces[j]).item()
            sums[i, j] += product
            if i < j:
                sums[j, i] += product
    return True


def _chunks(blocks: list[list[Tensor]], width: int, dtype: torch.dtype) -> Iterator[Tensor]:
    """Yield the columns of all blocks in turn, in one buffer (task, column) of at most `width`."""
    width = min(width, sum(block[0].numel() for block in blocks))
    buffer: Tensor | None = None
    small: list[list[Tensor]] = []  # blocks that fill the buffer together
    filled = 0
    for block in blocks:
        size = block[0].numel()
        if _is_long(block, dtype) and (matrix := as_matrix(block)) is not None:
            yield from in_pieces(matrix, width)
            continue
        if buffer is None:
            buffer = block[0].new_empty(len(block), width, dtype=dtype)
        if size >= width:
            for pieces in zip(*(in_pieces(row, width) for row in block), strict=True):
                yield torch.stack(pieces, out=buffer[:, : pieces[0].numel()])
            continue
        if filled + size > width:
            yield _joined(small, buffer[:, :filled])
            small, filled = [], 0
        small.append(block)
        filled += size
    if small and buffer is not None:
        yield _joined(small, buffer[:, :filled])


def _joined(blocks: list[list[Tensor]], chunk: Tensor) -> Tensor:
    for k, row in enumerate(chunk):
        torch.cat([block[k] for block in blocks], out=row)
    return chunk


def _reduced_precision(device: str) -> bool:
    """Return whether PyTorch is set to round the factors of a float32 matrix product."""
    backend = torch.backends.cuda if device == "cuda" else torch.backends.mkldnn
    setting = getattr(getattr(backend, "matmul", None), "fp32_precision", None)
    if setting is None:  # before torch 2.9
        return torch.get_float32_matmul_precision() != "highest"
    return setting not in ("none", "ieee")
