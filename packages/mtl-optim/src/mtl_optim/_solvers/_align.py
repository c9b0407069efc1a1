"""The principal components of a Gramian."""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ._factor import factor_of
from ._unit_diagonal import unit_diagonal

Array = NDArray[np.float64]


def align(gramian: Array) -> tuple[Array, Array]:
    """The singular values σ > 0 (rank,) and vectors V (task, rank) with G = V σ² Vᵀ.

    Found on A S, where C = AᵀA and S holds the norms: small components keep the digits that a
    decomposition of G loses by squaring. The rank is that of the cosines, whatever the norms.

    Args:
        gramian: G (task, task), positive semi-definite up to rounding.

    Returns:
        Values and vectors; of rank 0 where all gradients vanish.

    Examples:
        >>> values, _ = align(np.diag([1.0, 4.0, 0.0]))
        >>> values.tolist()
        [2.0, 1.0]
    """
    cosines, norms = unit_diagonal(gramian)
    moves = np.flatnonzero(norms > 0)
    if len(moves) == 0:
        return np.zeros(0), np.zeros((len(norms), 0))
    factor = factor_of(cosines[np.ix_(moves, moves)]) * norms[moves]
    # Rows sorted by a pivoted QR carry the scales apart, where Jacobi rotations keep them.
    _, triangle, order = linalg.qr(factor, mode="economic", pivoting=True)
    values, right = _jacobi(np.asarray(triangle, dtype=np.float64).T)
    vectors = np.zeros((len(norms), len(values)))
    vectors[moves[order]] = right
    return values, vectors


def _jacobi(columns: Array) -> tuple[Array, Array]:
    """Lengths and directions of the columns once one-sided Jacobi made them orthogonal."""
    X = columns.copy()
    for _ in range(30):
        rotated = False
        for p in range(X.shape[1] - 1):
            for q in range(p + 1, X.shape[1]):
                a, b, c = X[:, p] @ X[:, p], X[:, q] @ X[:, q], X[:, p] @ X[:, q]
                if abs(c) <= 4 * np.finfo(np.float64).eps * np.sqrt(a) * np.sqrt(b):
                    continue
                rotated = True
                zeta = (b - a) / (2 * c)
                t = (1.0 if zeta >= 0 else -1.0) / (abs(zeta) + np.hypot(1.0, zeta))
                cos = 1 / np.hypot(1.0, t)
                X[:, p], X[:, q] = (
                    cos * X[:, p] - cos * t * X[:, q],
                    cos * t * X[:, p] + cos * X[:, q],
                )
        if not rotated:
            break
    lengths = np.linalg.norm(X, axis=0)
    order = np.argsort(-lengths)
    return lengths[order], X[:, order] / lengths[order]
