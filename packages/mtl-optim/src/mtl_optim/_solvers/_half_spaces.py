"""Projection onto half-spaces whose normals are the gradients."""

import numpy as np

from .._checks import Array
from ._cosines import factor_of
from ._nnls import nnls

_LEAST = 1e-14  # of a slack, relative to its summands, that rounding is far from


def project_onto_half_spaces(cosines: Array, start: Array, floors: Array) -> Array | None:
    """Find the weights of the direction nearest to a first one that meets floors of its slopes.

    The nearest point to Aᵀ u with A d ≥ c, for unit rows A with the cosines C = A Aᵀ, is Aᵀ (u + v)
    with v ≥ 0. With h = c − C u, a least distance program, it comes from one non-negative least
    squares: v = x / (1 − hᵀ x) for the x ≥ 0 that minimises ‖Aᵀ x‖² + (hᵀ x − 1)². The result
    (task,) is u + v; None where no direction meets the floors. A floor of −∞ asks for nothing.

    References:
        Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23, problem LDP.
    """
    short = floors - cosines @ start
    if short.max() <= 0:
        return start
    held = np.isfinite(floors)
    factor = factor_of(cosines)[:, held]
    size = short.max()
    h = short[held] / size
    target = np.zeros(len(factor) + 1)
    target[-1] = 1.0
    x = nnls(np.vstack([factor, h]), target)
    slack = 1.0 - h @ x
    if slack <= _LEAST * (1.0 + np.abs(h) @ x):
        return None
    found = start.copy()
    found[held] += x * (size / slack)
    return found
