"""Δm% of many points at once, and by seed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .points import Point


def delta_m(values: NDArray[np.float64], base: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute Δm% over the last axis (lower is better), as `mtl_optim.pareto.delta_m` does.

    Args:
        values: (..., task).
        base: (..., task) that broadcasts against it: each baseline's metric of its own task.

    Examples:
        >>> delta_m(np.array([[0.55, 0.40], [0.5, 0.5]]), np.array([0.5, 0.5])).round(6).tolist()
        [5.0, 0.0]
    """
    delta: NDArray[np.float64] = 100 * ((base - values) / base).mean(axis=-1)
    return delta


def delta_by_seed(point: Point, base: Sequence[Point]) -> list[float]:
    """Compute Δm% for each seed, against the baselines (one per task) of that seed.

    A baseline that was not trained with the seed has its mean over seeds. A seed for which some
    baseline is 0 is left out.
    """
    found = []
    for seed, values in point.by_seed.items():
        own = np.array([one.by_seed.get(seed, one.values)[k] for k, one in enumerate(base)])
        if (own > 0).all():
            found.append(float(delta_m(values, own)))
    return found
