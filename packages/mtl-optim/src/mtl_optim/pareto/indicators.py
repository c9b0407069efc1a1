"""Indicators of a set of points in objective space."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Points = ArrayLike | Tensor


def non_dominated(points: Points, *, maximize: bool | Sequence[bool] = False) -> NDArray[np.bool_]:
    """Which points no other point dominates.

    A point dominates another if it is nowhere worse and somewhere better. Equal points do not
    dominate one another: all copies stay.

    Args:
        points: Points (point, task).
        maximize: Whether larger is better, for all tasks or for each.

    Returns:
        Mask (point,).

    Raises:
        ValueError: `points` is no finite matrix, or `maximize` has not one entry per task.

    Examples:
        >>> non_dominated([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0]]).tolist()
        [True, True, False]
    """
    costs = _costs(points, maximize)
    no_worse = (costs[:, None] <= costs).all(axis=2)
    better = (costs[:, None] < costs).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))


def hypervolume(
    points: Points,
    reference: Points,
    *,
    maximize: bool | Sequence[bool] = False,
    ideal: Points | None = None,
) -> float:
    """The volume that the points dominate within the reference point.

    Args:
        points: Points (point, task); those outside the reference count nothing.
        reference: Reference point (task,). Use one for all the sets that are compared.
        maximize: Whether larger is better, for all tasks or for each.
        ideal: Ideal point (task,). When given, each axis is divided by its distance from the
            reference, so that the whole box has volume 1.

    Returns:
        The exact hypervolume.

    Raises:
        ImportError: moocore is not installed (`pip install mtl-optim[pareto]`).
        ValueError: A shape is wrong, an entry is not finite, or `ideal` is not better than
            `reference` in every task.

    Examples:
        The volume dominated by (0.5, 0) and (0, 0.5) within (1, 1) is 3/4.

        >>> hypervolume([[0.5, 0.0], [0.0, 0.5]], [1.0, 1.0])
        0.75

    Reference:
        Zitzler and Thiele, 1998; computed by moocore (Fonseca, Paquete and López-Ibáñez, 2006).
    """
    try:
        import moocore
    except ImportError as error:
        raise ImportError("`hypervolume` needs moocore: pip install mtl-optim[pareto]") from error
    costs = _costs(points, maximize)
    corner = _costs(np.atleast_2d(_array(reference)), maximize, "reference")[0]
    if len(corner) != costs.shape[1]:
        raise ValueError(
            f"`reference` must have one entry per task: got {len(corner)} "
            f"entries for {costs.shape[1]} tasks"
        )
    if ideal is not None:
        best = _costs(np.atleast_2d(_array(ideal)), maximize, "ideal")[0]
        if best.shape != corner.shape or not (best < corner).all():
            raise ValueError(
                f"`ideal` must be better than `reference` in every task, got {_array(ideal)} "
                f"against {_array(reference)}"
            )
        costs = (costs - best) / (corner - best)
        corner = np.ones_like(corner)
    return float(moocore.hypervolume(costs, ref=corner))


def delta_m(
    metrics: Points, baselines: Points, *, higher_is_better: bool | Sequence[bool] = True
) -> float:
    """Mean relative change against single-task baselines, in percent; lower is better.

    Δm% = 100/K Σ_k (−1)^δ_k (M_k − B_k) / B_k, δ_k = 1 where higher is better: a gain over the
    baselines is negative.

    Args:
        metrics: Metrics M (task,).
        baselines: Metrics B (task,) of a model trained for that task alone.
        higher_is_better: δ, for all tasks or for each.

    Returns:
        Δm in percent.

    Raises:
        ValueError: Shapes differ, an entry is not finite, or a baseline is 0.

    Examples:
        >>> round(delta_m([0.55, 0.40], [0.50, 0.50]), 6)
        5.0

    Reference:
        Maninis, Radosavovic and Kokkinos, Attentive Single-Tasking of Multiple Tasks, CVPR 2019,
        with the sign of Liu et al., FAMO, NeurIPS 2023.
    """
    found = _costs(np.atleast_2d(_array(metrics)), higher_is_better, "metrics")[0]
    base = _array(baselines)
    if base.shape != found.shape or not np.isfinite(base).all() or (base == 0).any():
        raise ValueError(
            f"`baselines` must be finite, not 0, and one per task, got {base} "
            f"for {len(found)} tasks"
        )
    signed = _costs(np.atleast_2d(base), higher_is_better, "baselines")[0]
    return float(100 * np.mean((found - signed) / base))


def _array(points: Points) -> NDArray[np.float64]:
    if isinstance(points, Tensor):
        points = points.detach().to("cpu", torch.float64).numpy()
    return np.asarray(points, dtype=np.float64)


def _costs(
    points: Points, maximize: bool | Sequence[bool], name: str = "points"
) -> NDArray[np.float64]:
    """The points as costs to minimise."""
    array = _array(points)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"`{name}` must have shape (point, task), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite, got {array[~np.isfinite(array)][0]}")
    flags = np.asarray(maximize, dtype=bool)
    if flags.ndim and flags.shape != array.shape[1:]:
        raise ValueError(
            f"the sense of each task must have one entry per task: got {flags.size} "
            f"entries for {array.shape[1]} tasks"
        )
    return np.where(flags, -array, array)
