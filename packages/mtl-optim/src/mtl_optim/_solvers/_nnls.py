"""Least squares over non-negative vectors, and the nearest point of the simplex."""

import numpy as np
from scipy import optimize

from .._checks import Array


def nnls(matrix: Array, target: Array) -> Array:
    """Find the x ≥ 0 that minimises ‖A x − b‖².

    An active-set method (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23):
    exact up to rounding and finite, since no set of active constraints comes back.

    Where rounding makes it cycle, more than 50 passes per column, it raises RuntimeError.
    """
    solution, _ = optimize.nnls(matrix, target, maxiter=50 * matrix.shape[1])
    return np.asarray(solution, dtype=np.float64)


def project_onto_simplex(vector: Array) -> Array:
    """Find the nearest point of {x ≥ 0, Σ x = 1}: max(v − τ, 0) with the τ that makes the sum 1.

    References:
        Held, Wolfe and Crowder, Validation of subgradient optimization, Mathematical Programming 6,
        1974.
    """
    # Where the entries stay positive when a common τ is taken from them, that is the projection.
    moved = vector - (vector.sum() - 1.0) / len(vector)
    if np.count_nonzero(moved < 0) == 0:
        return np.asarray(moved, dtype=np.float64)
    ordered = np.sort(vector)[::-1]
    thresholds = (np.cumsum(ordered) - 1.0) / np.arange(1, len(vector) + 1)
    last = int(np.flatnonzero(ordered > thresholds)[-1])
    return np.asarray(np.maximum(vector - thresholds[last], 0.0), dtype=np.float64)
