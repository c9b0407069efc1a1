"""Projection onto the dual cone of the gradients."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from .._checks import Array
from ._cosines import cholesky, factor_of, unit_diagonal
from ._nnls import nnls

_MAX_SUPPORTS = 10
_TOLERANCE = 1e-14  # of a slope, as rounding leaves it
_MANY = 16  # rows, from which on a guess for all of them saves exchanges
_GUESSES = 10


def project_onto_dual_cone(gramian: Array, combinations: Array) -> Array:
    """Find the weights of the nearest directions that conflict with no gradient.

    The projection of Jᵀ u onto {d : J d ≥ 0} is Jᵀ (u + v) for the v ≥ 0 that minimises
    ‖Jᵀ (u + v)‖². With G = S C S and C = AᵀA that is a non-negative least squares in S v on the
    factor A, whatever the norms.

    The rows of `combinations` are u, those of the result u + v, 0 where a gradient vanishes.
    """
    cosines, norms = unit_diagonal(gramian)
    moves = norms > 0
    scaled = combinations * norms
    sizes = np.abs(scaled).max(axis=1)  # the units of the rows, so that their scale plays no part
    scaled /= np.where(sizes > 0, sizes, 1.0)[:, None]
    slopes = scaled @ cosines  # ⟨e_k, d⟩ before the projection
    triangle = cholesky(cosines) if np.count_nonzero(moves) == len(norms) else None
    conflicts = np.flatnonzero((slopes < 0).any(axis=1))
    if triangle is not None and len(conflicts) >= _MANY:
        together, found = _exchange_together(cosines, triangle, scaled[conflicts])
        scaled[conflicts[found]] = together[found]
        conflicts = conflicts[~found]
    factor = None
    for task in conflicts:
        row = scaled[task]
        added = None if triangle is None else _exchange(cosines, slopes[task])
        if added is None:
            factor = factor_of(cosines, roundings=0.0)[:, moves] if factor is None else factor
            added = np.zeros_like(row)
            added[moves] = nnls(factor, -factor @ row[moves])
        row += added
    weights = scaled * sizes[:, None] / np.where(moves, norms, np.inf)
    return np.asarray(weights, dtype=np.float64)


def _exchange(C: Array, slope: Array) -> Array | None:
    """Find the v ≥ 0 with r = C v + slope ≥ 0 and vᵀ r = 0, if a few exchanges of support do."""
    support = slope < 0
    for _ in range(_MAX_SUPPORTS):
        inside = np.flatnonzero(support)
        v = np.zeros(len(C))
        if len(inside) == 1:
            v[inside] = -slope[inside]
        elif len(inside):
            v[inside] = lapack.dposv(C[inside][:, inside], -slope[inside])[1]
        wrong = np.where(support, v, C @ v + slope + _TOLERANCE) < 0
        if np.count_nonzero(wrong) == 0:
            return v
        support ^= wrong
    return None


def _exchange_together(C: Array, triangle: Array, rows: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Find the x = u + v of `_exchange` for many rows u at once, and which of them are found.

    With P = C⁻¹ and r = C x, each support has two systems: C_SS v_S = −(C u)_S inside, and
    P_TT r_T = u_T outside, where x = P r. The smaller one is solved, and all rows are then
    multiplied by P and C at once. K rows take K factorizations of min(|S|, |T|)³ / 3 operations
    and a few products of K×K.
    """
    lower, _ = lapack.dpotri(triangle)
    P = np.triu(lower) + np.triu(lower, 1).T
    support, x = _guess(C, rows), rows.copy()
    found = np.zeros(len(rows), dtype=np.bool_)
    for _ in range(_MAX_SUPPORTS):
        active = np.flatnonzero(~found)
        now, u = support[active], rows[active]
        slopes, r, v = u @ C, np.zeros_like(u), np.zeros_like(u)
        sizes = np.count_nonzero(now, axis=1)
        outer = 2 * sizes > len(C)
        for k, inner in enumerate(~outer):
            matrix, right, into = (C, -slopes[k], v) if inner else (P, u[k], r)
            part = np.flatnonzero(now[k] == inner)
            own = matrix[part].take(part, axis=1).T  # symmetric: in LAPACK's order without a copy
            into[k, part] = lapack.dposv(own, right[part], lower=True, overwrite_a=True)[1]
        v[outer] = np.where(now[outer], r[outer] @ P - u[outer], 0.0)
        x[active] = u + v
        wrong = np.where(now, v, x[active] @ C + _TOLERANCE) < 0
        support[active] ^= wrong
        found[active] = ~wrong.any(axis=1)
        if found.all():
            break
    # What the inverse costs in digits shows in the slopes inside: those rows are left to others.
    inside = np.abs(np.where(support, x @ C, 0.0)).max(axis=1)
    return x, found & (inside <= _TOLERANCE * np.abs(x).max(axis=1))


def _guess(C: Array, rows: Array) -> NDArray[np.bool_]:
    """Guess where x > u in the x ≥ u that minimises xᵀ C x, by accelerated projected steps."""
    low, u = C.astype(np.float32), rows.astype(np.float32)
    longest = np.ones(len(C), dtype=np.float32)
    for _ in range(_GUESSES):
        longest = low @ longest
        longest /= np.abs(longest).max()
    low /= np.abs(low @ longest).max()
    x, y, t = u, u.copy(), 1.0
    for _ in range(_GUESSES):
        before, x = x, np.maximum(y - y @ low, u)
        t, momentum = (1 + (1 + 4 * t * t) ** 0.5) / 2, t - 1
        y = x + np.float32(momentum / t) * (x - before)
    return x > u
