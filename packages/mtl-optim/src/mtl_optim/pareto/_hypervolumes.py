"""The volume that a set of points dominates; computed by moocore."""

import numpy as np

from .._checks import Array, check_length
from ._points import Points, Sense, as_box, as_samples, as_set, require_moocore


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
