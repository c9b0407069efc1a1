"""The volume that a set of points dominates; computed by moocore."""

import numpy as np

from .._checks import Array, check_flag, check_length
from ._dominance import non_dominated
from ._points import Points, Sense, as_box, as_corner, as_samples, as_set, require_moocore


def hypervolume(
    points: Points, reference: Points, *, maximize: Sense = False, ideal: Points | None = None
) -> float:
    """Compute the volume that the points dominate within the reference point.

    Args:
        points: Points (point, task); those outside the reference count nothing.
        reference: Reference point (task,). Use one for all the sets that are compared.
        maximize: Whether larger is better, for all tasks or for each.
        ideal: Ideal point (task,). When given, each axis is divided by its distance from the
            reference, so that the whole box has volume 1.

    Raises:
        ImportError: moocore is not installed (`pip install mtl-optim[pareto]`).
        ValueError: A shape is wrong, an entry is not finite, or `ideal` is not better than
            `reference` in every task.

    Examples:
        The volume dominated by (0.5, 0) and (0, 0.5) within (1, 1) is 3/4.

        >>> hypervolume([[0.5, 0.0], [0.0, 0.5]], [1.0, 1.0])
        0.75

    References:
        Zitzler and Thiele, 1998; computed by moocore (Fonseca, Paquete and López-Ibáñez, 2006).
    """
    moocore = require_moocore("hypervolume")
    costs = as_set(points, maximize)
    corner, shift, scale = as_box(reference, ideal, maximize, costs.shape[1])
    return float(moocore.hypervolume((costs - shift) / scale, ref=corner))


def hypervolume_samples(
    samples: Points, reference: Points, *, maximize: Sense = False, ideal: Points | None = None
) -> Array:
    """Compute the hypervolumes of resampled sets, for a bootstrap over queries or seeds.

    Takes samples (resample, point, task); the other arguments and the errors are those of
    `hypervolume`.

    Returns:
        Hypervolumes (resample,).

    Examples:
        >>> hypervolume_samples([[[0.5, 0.0]], [[0.0, 0.25]]], [1.0, 1.0]).tolist()
        [0.5, 0.75]
    """
    moocore = require_moocore("hypervolume_samples")
    costs = as_samples(samples, maximize)
    corner, shift, scale = as_box(reference, ideal, maximize, costs.shape[2])
    volume = moocore.Hypervolume(ref=corner)
    return np.array([volume(one) for one in (costs - shift) / scale])


def hypervolume_contributions(
    points: Points, reference: Points, *, maximize: Sense = False, ideal: Points | None = None
) -> Array:
    """Compute what each point adds: the hypervolume less that of the set without the point.

    The arguments and the errors are those of `hypervolume`.

    Returns:
        Contributions (point,); 0 for dominated points and for copies.

    Examples:
        >>> hypervolume_contributions([[0.5, 0.0], [0.0, 0.5]], [1.0, 1.0]).tolist()
        [0.25, 0.25]
    """
    moocore = require_moocore("hypervolume_contributions")
    costs = as_set(points, maximize)
    corner, shift, scale = as_box(reference, ideal, maximize, costs.shape[1])
    found = moocore.hv_contributions((costs - shift) / scale, ref=corner, ignore_dominated=False)
    return np.asarray(found, dtype=np.float64)


def hypervolume_improvement(
    points: Points,
    front: Points,
    reference: Points,
    *,
    maximize: Sense = False,
    ideal: Points | None = None,
) -> float:
    """Compute what the points add to a front: HV(front ∪ points) − HV(front).

    Takes the new points (point, task) and the front (point, task) that is there already; the other
    arguments and the errors are those of `hypervolume`.

    Returns:
        The improvement, never negative.

    Examples:
        >>> hypervolume_improvement([[0.0, 0.5]], [[0.5, 0.0]], [1.0, 1.0])
        0.25
    """
    new, old = as_set(points, maximize), as_set(front, maximize, "front")
    check_length("front", old.shape[1], new.shape[1])
    corner, shift, scale = as_box(reference, ideal, maximize, new.shape[1])
    before = hypervolume((old - shift) / scale, corner)
    after = hypervolume((np.concatenate([old, new]) - shift) / scale, corner)
    return max(0.0, after - before)


def hypervolume_gradient(
    points: Points, reference: Points, *, maximize: Sense = False, by_front: bool = False
) -> Array:
    """Compute how the hypervolume changes with each point: ∂HV / ∂p_k.

    It is, up to the sign, the volume of the facet p_k of the dominated region: that of what p
    dominates in the other tasks, less what the points better in task k dominate there. A set of
    models that follows it spreads along the front: each descends Σ_k w_k L_k with w = −∂HV/∂L.

    Where the hypervolume has a kink, for points that are equal in a task, the slope is that of an
    improvement. A point that others dominate, or outside the reference, has 0.

    Args:
        points: Points (point, task), such as the losses of each model.
        reference: Reference point (task,), beyond the points.
        maximize: Whether larger is better, for all tasks or for each.
        by_front: Whether a dominated point sees those of its own front alone: the fronts are the
            points that none dominates, those that none dominates without them, and so on. Without
            it a dominated model learns nothing.

    Returns:
        Gradient (point, task), not positive where smaller is better.

    Raises:
        ImportError: moocore is not installed, and there are more than two tasks.
        ValueError: A shape is wrong or an entry is not finite.

    Examples:
        >>> hypervolume_gradient([[0.5, 0.0], [0.0, 0.5]], [1.0, 1.0]).tolist()
        [[-0.5, -0.5], [-0.5, -0.5]]

    References:
        Emmerich and Deutz, Time complexity and zeros of the hypervolume indicator gradient field,
        EVOLVE III, 2014; for models Deist et al., Multi-Objective Learning to Predict Pareto Fronts
        Using Hypervolume Maximization, arXiv 2102.04523.
    """
    costs = as_set(points, maximize)
    corner = as_corner(reference, maximize, costs.shape[1], "reference")
    facets = np.zeros_like(costs)
    left = np.ones(len(costs), dtype=np.bool_)
    while left.any():
        front = left.copy()
        if check_flag("by_front", by_front):
            front[left] = non_dominated(costs[left])
        for i in np.flatnonzero(front):
            for k in range(costs.shape[1]):
                facets[i, k] = _facet(costs[front], costs[i], corner, k)
        left &= ~front
    return np.where(np.asarray(maximize), 1.0, -1.0) * facets


def _facet(costs: Array, point: Array, corner: Array, task: int) -> float:
    """Compute what an improvement of the point in one task adds, per unit."""
    if (point > corner).any():
        return 0.0
    others = np.arange(len(corner)) != task
    better = np.maximum(costs[costs[:, task] < point[task]], point)[:, others]
    return _volume(point[None, others], corner[others]) - _volume(better, corner[others])


def _volume(costs: Array, corner: Array) -> float:
    """Compute the volume that costs (point, task) dominate, for any number of tasks."""
    if len(costs) == 0 or len(corner) == 0:
        return float(len(costs) > 0)
    if len(corner) == 1:
        return max(0.0, float(corner[0] - costs.min()))
    if len(costs) == 1:
        return float((corner - costs[0]).clip(min=0.0).prod())
    return float(require_moocore("hypervolume_gradient").hypervolume(costs, ref=corner))
