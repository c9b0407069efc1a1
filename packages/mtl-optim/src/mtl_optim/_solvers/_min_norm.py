"""The point of least norm in the convex hull of the gradients."""

import numpy as np
from scipy.linalg import lapack

from .._checks import Array
from ._cosines import cholesky, factor_of, unit_diagonal
from ._nnls import nnls


def min_norm_point(gramian: Array, normal: Array | None = None) -> Array:
    """Find the w ≥ 0 with nᵀ w = 1 that minimises wᵀ G w; with n = 1, on the simplex.

    With G = S C S, u = S w and a = S⁻¹ n (scaled to a largest entry of 1), w is proportional to
    S⁻¹ u for the u ≥ 0 that minimises uᵀ C u + (aᵀ u − 1)²: one non-negative least squares on a
    factor of C. The largest entry of a keeps aᵀ u in [1/2, 1], so that no norm ratio and no rank
    makes the system ill-scaled. Two gradients have a closed form (Désidéri, 2012).

    n (task,) ≥ 0 is not 0, and w (task,) is scaled to Σ w = 1 whatever n is. Where gradients of
    tasks with n > 0 vanish, w is uniform on those tasks: the least norm is 0 and theirs.
    """
    if len(gramian) == 2 and normal is None:
        (one, inner), (_, other) = gramian.tolist()
        return _between_two(one, other, inner)
    cosines, norms = unit_diagonal(gramian)
    zero = norms == 0 if normal is None else (norms == 0) & (normal > 0)
    if zero.any():
        return np.asarray(zero / zero.sum(), dtype=np.float64)
    inverse = norms[norms > 0].min() / np.where(norms > 0, norms, np.inf)
    a = inverse if normal is None else normal * inverse / (normal * inverse).max()
    factor = cholesky(cosines) if np.count_nonzero(norms) == len(norms) else None
    if factor is not None:
        # The multiple of C⁻¹ a is the solution where it is inside.
        w = lapack.dpotrs(factor, a)[0] * inverse
        if w.min() > 0:
            return np.asarray(w / w.sum(), dtype=np.float64)
    else:
        factor = factor_of(cosines, roundings=0.0)
    system = np.empty((len(factor) + 1, len(a)))
    system[:-1], system[-1] = factor, a
    target = np.zeros(len(system))
    target[-1] = 1.0
    w = nnls(system, target) * inverse
    return np.asarray(w / w.sum(), dtype=np.float64)


def _between_two(one: float, other: float, inner: float) -> Array:
    """Solve in closed form for the squared norms of two gradients and their inner product."""
    if inner >= min(one, other):  # the shorter one
        return np.array([one <= other, other <= one]) / (1.0 + (one == other))
    apart = (other - inner) + (one - inner)
    return np.array([(other - inner) / apart, (one - inner) / apart])
