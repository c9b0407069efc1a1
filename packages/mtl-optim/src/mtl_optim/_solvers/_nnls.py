"""Non-negative least squares."""

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
