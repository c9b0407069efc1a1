"""The scaling that takes the norms out of a Gramian."""

import numpy as np

from .._checks import Array


def unit_diagonal(gramian: Array) -> tuple[Array, Array]:
    """Find the cosines C (task, task) and the norms s (task,) with G = diag(s) C diag(s).

    A row with s = 0 has zero cosines but for its 1 on the diagonal.

    Examples:
        >>> cosines, norms = unit_diagonal(np.array([[4.0, 1.0], [1.0, 1.0]]))
        >>> cosines.tolist(), norms.tolist()
        ([[1.0, 0.5], [0.5, 1.0]], [2.0, 1.0])
    """
    norms = np.sqrt(gramian.diagonal())
    safe = norms if np.count_nonzero(norms) == len(norms) else np.where(norms > 0, norms, 1.0)
    cosines = gramian / (safe[:, None] * safe)
    np.minimum(cosines, 1.0, out=cosines)
    np.maximum(cosines, -1.0, out=cosines)
    cosines.flat[:: len(norms) + 1] = 1.0
    return cosines, norms
