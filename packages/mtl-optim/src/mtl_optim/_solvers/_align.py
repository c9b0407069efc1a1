"""The principal components of a Gramian."""

import numpy as np
from scipy.linalg import lapack

from .._checks import Array
from ._cosines import factor_of, unit_diagonal


def align(gramian: Array) -> tuple[Array, Array]:
    """Find the singular values σ > 0 (rank,) and vectors V (task, rank) with G = V σ² Vᵀ.

    Found on A S, where C = AᵀA and S holds the norms: small components keep the digits that a
    decomposition of G loses by squaring. The rank is that of the cosines, whatever the norms;
    it is 0 where all gradients vanish.
    """
    cosines, norms = unit_diagonal(gramian)
    moves = np.flatnonzero(norms > 0)
    if len(moves) == 0:
        return np.zeros(0), np.zeros((len(norms), 0))
    if len(moves) == len(norms):
        return _jacobi((factor_of(cosines) * norms).T)
    factor = factor_of(cosines[np.ix_(moves, moves)]) * norms[moves]
    values, right = _jacobi(factor.T)
    vectors = np.zeros((len(norms), len(values)))
    vectors[moves] = right
    return values, vectors


def _jacobi(columns: Array) -> tuple[Array, Array]:
    """Find the singular values and left vectors of a matrix (row, column) by one-sided Jacobi."""
    rows_and_columns, left_vectors, no_right_vectors = 2, 0, 3
    found = lapack.dgejsv(columns, joba=rows_and_columns, jobu=left_vectors, jobv=no_right_vectors)
    values, left, _, work, _, failed = found
    if failed:
        raise RuntimeError(f"the singular values of {columns.tolist()} were not found")
    lengths = values * (work[0] / work[1])
    return lengths, left[:, : len(lengths)]
