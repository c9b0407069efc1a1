"""Projection onto the dual cone of the gradients."""

import numpy as np
from numpy.typing import NDArray

from ._factor import factor_of
from ._nnls import nnls
from ._unit_diagonal import unit_diagonal

Array = NDArray[np.float64]


def project_onto_dual_cone(gramian: Array, combinations: Array) -> Array:
    """Weights of the nearest directions that conflict with no gradient.

    The projection of Jᵀ u onto {d : J d ≥ 0} is Jᵀ (u + v) for the v ≥ 0 that minimises
    ‖Jᵀ (u + v)‖². With G = S C S and C = AᵀA that is a non-negative least squares in S v on the
    factor A, whatever the norms.

    Args:
        gramian: G (task, task), positive semi-definite up to rounding.
        combinations: Rows u (row, task) of the combinations Jᵀ u to project.

    Returns:
        Weights u + v (row, task); 0 where a gradient vanishes.

    Examples:
        >>> G = np.array([[1.0, -0.5], [-0.5, 1.0]])
        >>> project_onto_dual_cone(G, np.array([[1.0, 0.0]])).round(12).tolist()
        [[1.0, 0.5]]
    """
    cosines, norms = unit_diagonal(gramian)
    factor = factor_of(cosines, roundings=0.0)
    projected = np.zeros_like(combinations)
    moves = norms > 0
    factor = factor[:, moves]
    for row, combination in zip(projected, combinations, strict=True):
        scaled = (combination * norms)[moves]
        size = np.abs(scaled).max(initial=0.0)
        if size > 0:  # the unit of the row, so that its scale plays no part
            scaled /= size
            added = nnls(factor, -factor @ scaled)
            row[moves] = (scaled + added) * size / norms[moves]
    return projected
