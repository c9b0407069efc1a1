"""The direction that makes equal angles with all gradients."""

import numpy as np
from scipy.linalg import lapack

from .._checks import Array
from ._cosines import cholesky, eigen, unit_diagonal


def equal_cosines(gramian: Array, ratio: Array | None = None) -> tuple[Array, Array]:
    """Solve C x = 1 on the cosines C, by the shortest least-squares solution x = C⁺ 1 if need be.

    With E the unit gradients, Eᵀ x has the inner product 1 with each of them; K r_k with a `ratio`
    r (task,) on the simplex, which then stands for 1.

    Returns:
        x (task,) and the norms s (task,), so that the weights of that direction are x / s. A
        gradient that vanishes has no angle and x = 0. Where 1 is orthogonal to the range of C (as
        with g_1 = −g_2: no direction has the same cosine with all but 0), x = 0.
    """
    cosines, norms = unit_diagonal(gramian)
    right = np.ones(len(norms)) if ratio is None else ratio * len(norms)
    moves = norms > 0
    present = np.count_nonzero(moves)
    triangle = cholesky(cosines) if present == len(norms) else None
    if triangle is not None:
        found, _ = lapack.dpotrs(triangle, right)
        return np.asarray(found, dtype=np.float64), norms
    x = np.zeros_like(norms)
    if present == 0:
        return x, norms
    values, vectors = eigen(cosines[np.ix_(moves, moves)])
    # What rounding leaves of an eigenvalue 0, and of a component 0 of the vector 1.
    lost = 16 * len(values) * np.finfo(np.float64).eps
    parts = vectors.T @ right[moves]
    kept = values > lost * values[-1]
    if float((parts[kept] ** 2).sum()) > lost:
        x[moves] = vectors[:, kept] @ (parts[kept] / values[kept])
    return x, norms
