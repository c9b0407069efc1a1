"""Projection onto the dual cone of the gradients."""

import numpy as np
from scipy.linalg import lapack

from .._checks import Array
from ._cosines import cholesky, factor_of, unit_diagonal
from ._nnls import nnls

_MAX_SUPPORTS = 10
_TOLERANCE = 1e-14  # of a slope, as rounding leaves it


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
    factor = None
    for row, slope in zip(scaled, slopes, strict=True):
        if np.count_nonzero(slope < 0) == 0:
            continue
        added = None if triangle is None else _exchange(cosines, slope)
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
