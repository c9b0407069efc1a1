"""A factor of the cosines."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def factor_of(cosines: Array) -> Array:
    """A (rank, task) with C = AᵀA, for cosines C (task, task) of dependent gradients too.

    An eigenvalue that rounding alone can leave of a 0 is one: its root, 1e-8, would be a direction
    that the gradients do not have.

    Examples:
        >>> factor_of(np.ones((3, 3))).shape
        (1, 3)
    """
    values, vectors = np.linalg.eigh(cosines)
    kept = values > 16 * len(values) * np.finfo(np.float64).eps
    return np.asarray(np.sqrt(values[kept])[:, None] * vectors[:, kept].T, dtype=np.float64)
