"""Dominance between points."""

import numpy as np
from numpy.typing import NDArray

from .._checks import Array
from ._points import Points, Sense, as_samples, as_set


def non_dominated(points: Points, *, maximize: Sense = False) -> NDArray[np.bool_]:
    """Find the points that no other point dominates.

    A point dominates another if it is nowhere worse and somewhere better. Equal points do not
    dominate one another: all copies stay.

    Args:
        points: Points (point, task).
        maximize: Whether larger is better, for all tasks or for each.

    Returns:
        Mask (point,).

    Raises:
        ValueError: `points` is not a finite matrix, or `maximize` does not have one entry per task.

    Examples:
        >>> non_dominated([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0]]).tolist()
        [True, True, False]
    """
    return _mask(as_set(points, maximize))


def probability_non_dominated(samples: Points, *, maximize: Sense = False) -> Array:
    """Compute how often each point is on the front, over resamples of what it was measured on.

    With the same resample of queries (or seeds) for all points this is the paired bootstrap: what
    the points have in common cancels.

    Args:
        samples: Points (resample, point, task).
        maximize: Whether larger is better, for all tasks or for each.

    Returns:
        Share of resamples (point,) in which no other point dominates.

    Raises:
        ValueError: `samples` has another shape or is not finite, or `maximize` has not one entry
            per task.

    Examples:
        >>> samples = [[[1.0, 2.0], [2.0, 2.0]], [[2.0, 2.0], [1.0, 3.0]]]
        >>> probability_non_dominated(samples).tolist()
        [1.0, 0.5]
    """
    costs = as_samples(samples, maximize)
    return np.asarray(np.mean([_mask(one) for one in costs], axis=0), dtype=np.float64)


def _mask(costs: Array) -> NDArray[np.bool_]:
    no_worse = (costs[:, None] <= costs).all(axis=2)
    better = (costs[:, None] < costs).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))
