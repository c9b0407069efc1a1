"""The Gramian of gradients that come in blocks, without the matrix J."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations_with_replacement

import numpy as np
import torch
from scipy.linalg import lapack
from torch import Tensor

from ._checks import Array
from ._gradients import as_matrix, in_pieces

Blocks = Sequence[Sequence[Tensor | None]]

# On a CPU the columns pass in chunks of so many bytes, which stay in the cache of a core; on an
# accelerator in chunks of so many columns, since the number of kernel launches matters more there.
# Sums in float32 of the widest's many products are right to some tens of roundings; the sums over
# the chunks are in float64.
_CACHE, _WIDEST, _WIDTH_ACCELERATOR = 2**21, 2**17, 2**18
# Where nothing is copied, products of strips are quicker with more columns.
_STRIP_WIDTH = 2**15 + 16
_LARGE = 2**14
# Of a symmetric product a CPU takes the upper triangle: single inner products for a few rows,
# matrix-vector products from each row on for some, products of strips of rows for more.
_DOT_ROWS, _VECTOR_ROWS, _STRIP = 3, range(5, 13), 8

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
        if dtype == torch.float64 or _reduced_precision(device):
            return torch.float64
    return torch.float32


def resolved(gramian: Tensor) -> bool:
    """Return whether a Gramian of float32 products holds what one of float64 products would.

    It does not where a squared norm is 0, may have lost squares to underflow, or has overflowed,
    nor where the unit gradients are dependent up to float32 rounding: the smallest eigenvalue of
    their cosines is below 2¹² K ε. The check of K×K numbers costs microseconds; the exact products
    after it are the exception.

    Args:
        gramian: Gramian (task, task), float64, on the CPU.
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
    are float64 whatever the products are.

    Args:
        jacobian: `jacobian[k][b]` is block b of the gradient of task k, of any shape; None is zero.
        dtype: Of the products: float64, or float32 where `resolved` tells that it was enough.

    Returns:
        Gramian (task, task), float64, on the device of the first block.
    """
    return _products(jacobian, len(jacobian), dtype)


def cross_gramian(one: Blocks, other: Blocks) -> Tensor:
    """Compute C = J J'ᵀ for two Jacobians of the same blocks, from float64 products."""
    return _products([*one, *other], len(one), torch.float64)


def _products(jacobian: Blocks, rows: int, dtype: torch.dtype) -> Tensor:
    """The products of the first rows with the others; with themselves where there are no others."""
    by_device: dict[torch.device, list[list[Tensor]]] = {}
    for b in range(len(jacobian[0])):
        block = [row[b] for row in jacobian]
        like = next((g for g in block if g is not None and g.numel() > 0), None)
        if like is not None:
            by_device.setdefault(like.device, []).append(_flat(block, like))
    columns = len(jacobian) - rows or rows
    total: Tensor | None = None
    for device, blocks in by_device.items():
        found = _on_one_device(blocks, device, rows, columns, dtype)
        total = found if total is None else total + found.to(total.device)
    return torch.zeros(rows, columns, dtype=torch.float64) if total is None else total


def _flat(block: list[Tensor | None], like: Tensor) -> list[Tensor]:
    """View the block's gradients as vectors, without a copy if all have one dense layout."""
    if all(g is not None and g.is_contiguous() for g in block):
        return [g if g.ndim == 1 else g.view(-1) for g in block if g is not None]
    zero = like.new_zeros(()).expand(like.shape)
    present = [zero if g is None else g for g in block]
    if all(g is None or g.stride() == like.stride() for g in block):
        order = sorted(range(like.ndim), key=like.stride, reverse=True)
        present = [g.permute(order) for g in present]
    return [g.reshape(-1) for g in present]


def _on_one_device(
    blocks: list[list[Tensor]], device: torch.device, rows: int, columns: int, dtype: torch.dtype
) -> Tensor:
    tasks, cpu = len(blocks[0]), device.type == "cpu"
    triangle = cpu and tasks == rows
    # Not a power of two: rows at such distances fall on the same lines of the cache.
    width = min(_CACHE // (tasks * dtype.itemsize), _WIDEST) + 16 if cpu else _WIDTH_ACCELERATOR
    dots: list[list[Tensor]] = []
    copied: list[list[Tensor]] = []
    matrices: list[Tensor] = []
    for block in blocks:
        large = len(block[0]) >= _LARGE and all(row.dtype == dtype for row in block)
        if large and triangle and tasks <= _DOT_ROWS:
            dots.append(block)
        elif large and (matrix := as_matrix(block)) is not None:
            matrices.append(matrix)
        else:
            copied.append(block)

    wide = max(width, _STRIP_WIDTH)
    views = (chunk for matrix in matrices for chunk in in_pieces(matrix, wide))
    chunks = chain(views, _chunks(copied, width, dtype) if copied else ())
    if triangle:
        sums = np.zeros((tasks, tasks))
        if dots:
            sums += _dots(dots, tasks)
        if matrices or copied:
            sums += _triangle(chunks, tasks, dtype)
        return torch.from_numpy(sums)
    total = torch.zeros(rows, columns, dtype=torch.float64, device=device)
    part = torch.zeros_like(total, dtype=dtype)
    for chunk in chunks:
        # `out=` keeps autocast away.
        torch.mm(chunk[:rows], chunk[-columns:].T, out=part)
        total += part
    return total


def _triangle(chunks: Iterable[Tensor], tasks: int, dtype: torch.dtype) -> Array:
    """The Gramian of all rows, from the products of its upper triangle."""
    sums, part = np.zeros((tasks, tasks)), torch.zeros(tasks, tasks, dtype=dtype)
    from_diagonal = [part[k, k:] for k in range(tasks)]
    for chunk in chunks:
        if tasks in _VECTOR_ROWS:
            for k, (row, products) in enumerate(zip(chunk.unbind(0), from_diagonal, strict=True)):
                torch.mv(chunk[k:], row, out=products)
        else:
            for k in range(0, tasks, _STRIP):
                strip = slice(k, k + _STRIP)
                torch.mm(chunk[strip], chunk[k:].T, out=part[strip, k:])
        sums += part.numpy()
    if tasks not in _VECTOR_ROWS:
        sums = np.triu(sums)  # the strips have lower triangles of their own
    sums = sums + sums.T
    sums.flat[:: tasks + 1] /= 2
    return sums


def _dots(blocks: list[list[Tensor]], tasks: int) -> Array:
    """The Gramian of few rows, without a copy."""
    sums = np.zeros((tasks, tasks))
    for block in blocks:
        for pieces in zip(*(in_pieces(row, 2 * _WIDEST) for row in block), strict=True):
            for i, j in combinations_with_replacement(range(tasks), 2):
                product = torch.dot(pieces[i], pieces[j]).item()
                sums[i, j] += product
                if i < j:
                    sums[j, i] += product
    return sums


def _chunks(blocks: list[list[Tensor]], width: int, dtype: torch.dtype) -> Iterator[Tensor]:
    """The columns of all blocks in turn, in one buffer (task, column) of so many columns."""
    width = min(width, sum(len(block[0]) for block in blocks))
    buffer = blocks[0][0].new_empty(len(blocks[0]), width, dtype=dtype)
    small: list[list[Tensor]] = []  # blocks that fill one buffer together
    filled = 0
    for block in blocks:
        size = len(block[0])
        if size >= width:
            for pieces in zip(*(in_pieces(row, width) for row in block), strict=True):
                yield torch.stack(pieces, out=buffer[:, : len(pieces[0])])
            continue
        if filled + size > width:
            yield _joined(small, buffer[:, :filled])
            small, filled = [], 0
        small.append(block)
        filled += size
    if small:
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
