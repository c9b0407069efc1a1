"""Sets of points in objective space: what is accepted, in one place."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Array = NDArray[np.float64]
Points = ArrayLike | Tensor
Sense = bool | Sequence[bool]


def as_array(points: Points) -> Array:
    """The numbers as float64, on the CPU."""
    if isinstance(points, Tensor):
        points = points.detach().to("cpu", torch.float64).numpy()
    return np.asarray(points, dtype=np.float64)


def as_costs(points: Points, maximize: Sense, name: str = "points") -> Array:
    """The points (..., point, task) as costs to minimise."""
    array = as_array(points)
    if array.ndim < 2 or array.size == 0:
        raise ValueError(f"`{name}` must have shape (point, task), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite, got {array[~np.isfinite(array)][0]}")
    flags = np.asarray(maximize, dtype=bool)
    if flags.ndim and flags.shape != array.shape[-1:]:
        raise ValueError(
            f"the sense of each task must have one entry per task: got {flags.size} "
            f"entries for {array.shape[-1]} tasks"
        )
    return np.where(flags, -array, array)


def as_set(points: Points, maximize: Sense, name: str = "points") -> Array:
    """One set of points (point, task), as costs."""
    costs = as_costs(points, maximize, name)
    if costs.ndim != 2:
        raise ValueError(f"`{name}` must have shape (point, task), got {costs.shape}")
    return costs


def as_samples(samples: Points, maximize: Sense) -> Array:
    """Resampled sets of points (resample, point, task), as costs."""
    costs = as_costs(samples, maximize, "samples")
    if costs.ndim != 3:
        raise ValueError(f"`samples` must have shape (resample, point, task), got {costs.shape}")
    return costs


def as_corner(point: Points, maximize: Sense, tasks: int, name: str) -> Array:
    """A single point (task,), as costs."""
    corner: Array = as_set(np.atleast_2d(as_array(point)), maximize, name)[0]
    if len(corner) != tasks:
        raise ValueError(
            f"`{name}` must have one entry per task: got {len(corner)} entries for {tasks} tasks"
        )
    return corner


def as_box(
    reference: Points, ideal: Points | None, maximize: Sense, tasks: int
) -> tuple[Array, Array, Array]:
    """A reference point, and the shift and the scale that normalise by the ideal point."""
    corner = as_corner(reference, maximize, tasks, "reference")
    if ideal is None:
        return corner, np.zeros(tasks), np.ones(tasks)
    best = as_corner(ideal, maximize, tasks, "ideal")
    if not (best < corner).all():
        raise ValueError(
            f"`ideal` must be better than `reference` in every task, got {as_array(ideal)} "
            f"against {as_array(reference)}"
        )
    return np.ones(tasks), best, corner - best


def require_moocore(name: str) -> Any:
    """The module moocore, an extra.

    Raises:
        ImportError: It is not installed; the message says how it is.
    """
    try:
        import moocore
    except ImportError as error:
        raise ImportError(f"`{name}` needs moocore: pip install mtl-optim[pareto]") from error
    return moocore
