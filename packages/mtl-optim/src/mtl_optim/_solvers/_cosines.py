"""The cosines of a Gramian, and a factor of them."""

import numpy as np
from scipy.linalg import lapack

from .._checks import Array

_CLEAR = 1e-8  # a squared pivot that rounding is far from: the root of float64's


def unit_diagonal(gramian: Array) -> tuple[Array, Array]:
    """Find the cosines C (task, task) and the norms s (task,) with G = diag(s) C diag(s).

    A row with s = 0 has zero cosines but for its 1 on the diagonal.
    """
    norms = np.sqrt(gramian.diagonal())
    safe = norms if np.count_nonzero(norms) == len(norms) else np.where(norms > 0, norms, 1.0)
    cosines = gramian / (safe[:, None] * safe)
    np.minimum(cosines, 1.0, out=cosines)
    np.maximum(cosines, -1.0, out=cosines)
    cosines.flat[:: len(norms) + 1] = 1.0
    return cosines, norms


def cholesky(cosines: Array) -> Array | None:
    """Factor C = RᵀR, R (task, task); None unless the gradients are clearly independent."""
    triangle, failed = lapack.dpotrf(cosines)
    if failed or triangle.diagonal().min() ** 2 < _CLEAR:
        return None
    return np.asarray(triangle, dtype=np.float64)


def eigen(cosines: Array) -> tuple[Array, Array]:
    """Find the eigenvalues λ (task,), ascending, and vectors V (task, task): C = V λ Vᵀ."""
    values, vectors, failed = lapack.dsyevd(cosines)
    if failed:
        raise RuntimeError(f"the eigenvalues of {cosines.tolist()} were not found")
    return values, vectors


def factor_of(cosines: Array, *, roundings: float = 16.0) -> Array:
    """Factor C = AᵀA, A (rank, task), for cosines C (task, task) of dependent gradients too.

    An eigenvalue that rounding alone can leave of a 0 is one: its root, 1e-8, would be a direction
    that the gradients do not have. Those up to `roundings` K ε are 0.
    """
    triangle = cholesky(cosines)
    if triangle is not None:
        return triangle
    values, vectors = eigen(cosines)
    kept = values > roundings * len(values) * np.finfo(np.float64).eps
    return np.asarray(np.sqrt(values[kept])[:, None] * vectors[:, kept].T, dtype=np.float64)
