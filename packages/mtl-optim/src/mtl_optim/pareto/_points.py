"""The checks of sets of points in objective space."""

import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from .._checks import Array, as_numbers, check_length
from .._preference import as_vector

Points = ArrayLike | Tensor
Sense = bool | Sequence[bool]


def as_costs(
    points: Points, maximize: Sense, name: str = "points", sense: str = "maximize"
) -> Array:
    """Read points (..., point, task) as costs; errors call them `name`, and `maximize` `sense`."""
    array = as_numbers(name, points)
    if array.ndim < 2 or array.size == 0:
        raise ValueError(f"`{name}` must have shape (point, task), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite, got {array[~np.isfinite(array)][0]}")
    flags = np.asarray(maximize)
    if flags.size and flags.dtype != bool:
        raise TypeError(f"`{sense}` must be a bool, or one per task, got {reprlib.repr(maximize)}")
    if flags.ndim and flags.shape != array.shape[-1:]:
        raise ValueError(
            f"`{sense}` must have one entry per task: got {flags.size} "
            f"entries for {array.shape[-1]} tasks"
        )
    return np.where(flags, -array, array)


def as_set(points: Points, maximize: Sense, name: str = "points") -> Array:
    """Read one set of points (point, task), as costs."""
    costs = as_costs(points, maximize, name)
    if costs.ndim != 2:
        raise ValueError(f"`{name}` must have shape (point, task), got {costs.shape}")
    return costs


def as_samples(samples: Points, maximize: Sense) -> Array:
    """Read resampled sets of points (resample, point, task), as costs."""
    costs = as_costs(samples, maximize, "samples")
    if costs.ndim != 3:
        raise ValueError(f"`samples` must have shape (resample, point, task), got {costs.shape}")
    return costs


def as_corner(point: Points, maximize: Sense, tasks: int, name: str) -> Array:
    """Read a single point (task,), as costs."""
    vector = as_vector(name, point)
    check_length(name, len(vector), tasks)
    corner: Array = as_set(vector[None], maximize, name)[0]
    return corner


def as_box(
    reference: Points, ideal: Points | None, maximize: Sense, tasks: int, name: str = "reference"
) -> tuple[Array, Array, Array]:
    """Read a reference point, and the shift and the scale that normalise by the ideal point.

    Without an ideal point nothing is normalised.
    """
    corner = as_corner(reference, maximize, tasks, name)
    if ideal is None:
        return corner, np.zeros(tasks), np.ones(tasks)
    best = as_corner(ideal, maximize, tasks, "ideal")
    if not (best < corner).all():
        found, against = as_numbers("ideal", ideal), as_numbers(name, reference)
        raise ValueError(
            f"`ideal` must be better than `{name}` in every task, got {found} against {against}"
        )
    return np.ones(tasks), best, corner - best


def require_moocore(name: str) -> Any:
    """Import moocore, which is an extra."""
    try:
        import moocore
    except ImportError as error:
        raise ImportError(f"`{name}` needs moocore: pip install mtl-optim[pareto]") from error
    return moocore
