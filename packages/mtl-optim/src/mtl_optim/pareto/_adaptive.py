"""Where the next point of a front should lie: its largest gap, or at equal lengths along it."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from .._checks import Array, check_count
from ._dominance import non_dominated
from ._points import Points, Sense, as_box, as_set


@dataclass(frozen=True)
class Gap:
    """Two neighbours on a front with nothing between them.

    Attributes:
        first: Index of one end among the points that were given.
        second: Index of the other.
        length: Their distance, each axis in units of its range.
        ray: Middle of the gap (task,) above the ideal point, in those units, as a ray on the
            simplex: aim at it by `preference_of_ray(ray, scale=nadir − ideal)`.
    """

    first: int
    second: int
    length: float
    ray: Tensor


def largest_gap(points: Points, *, ideal: Points, nadir: Points, maximize: Sense = False) -> Gap:
    """Find the longest stretch of a front that has no point.

    Two points are neighbours where no third lies in the ball whose diameter they are (the Gabriel
    graph): for two tasks those that follow one another on the front, and for more tasks the same
    idea. Dominated points are left out. Axes count in units of nadir − ideal.

    Args:
        points: Points (point, task).
        ideal: Best value of each task (task,).
        nadir: Worst value of each task (task,) on the front.
        maximize: Whether larger is better, for all tasks or for each.

    Raises:
        ValueError: A shape is wrong, `ideal` is not better than `nadir`, a point is better than
            `ideal`, or fewer than two different points are on the front.

    Examples:
        >>> front = [[0.0, 1.0], [0.1, 0.8], [0.9, 0.2], [1.0, 0.0]]
        >>> gap = largest_gap(front, ideal=[0.0, 0.0], nadir=[1.0, 1.0])
        >>> gap.first, gap.second, round(gap.length, 6), gap.ray.tolist()
        (1, 2, 1.0, [0.5, 0.5])

    References:
        Gabriel and Sokal, A new statistical approach to geographic variation analysis, 1969.
    """
    costs = as_set(points, maximize)
    _, best, scale = as_box(nadir, ideal, maximize, costs.shape[1], "nadir")
    normal = (costs - best) / scale
    if (normal < 0).any():
        raise ValueError("`ideal` must be nowhere worse than a point")
    kept = np.flatnonzero(non_dominated(normal))
    front = normal[kept]
    squared = cdist(front, front, "sqeuclidean")
    # A third point c is in the ball over ab exactly where |ac|² + |cb|² < |ab|².
    inside = (squared[:, :, None] + squared[:, None, :]) < squared[None, :, :] * (1 - 1e-12)
    neighbours = np.where(inside.any(axis=0), 0.0, squared)
    first, second = sorted(int(i) for i in np.unravel_index(neighbours.argmax(), squared.shape))
    length = float(np.sqrt(neighbours[first, second]))
    if length == 0:
        raise ValueError("`points` must hold two or more different points on the front")
    middle = torch.from_numpy((front[first] + front[second]) / 2)
    return Gap(int(kept[first]), int(kept[second]), length, middle / middle.sum())


def arc_spaced(points: Points, num: int, *, normals: Points | None = None) -> Array:
    """Find places at equal lengths along a front of two tasks.

    Between neighbours the front is taken for an arc of a circle where the normals at both ends are
    known (α of `kkt_residual`, which costs nothing at a certified point): a chord c between normals
    that turn by φ is an arc of length c (φ/2) / sin(φ/2). Without normals it is a straight line.

    Args:
        points: Points (point, 2) on the front, two or more, none dominated.
        num: Number of places, at least 2: both ends and num − 2 between.
        normals: α (point, 2) at each point.

    Returns:
        Places (num, 2) to aim at, from the least to the largest value of the first task.

    Raises:
        ValueError: There are not two tasks, a shape is wrong, a point is dominated, or `num` is
            below 2.

    Examples:
        >>> arc_spaced([[0.0, 3.0], [2.0, 1.0], [3.0, 0.0]], 4).round(12).tolist()
        [[0.0, 3.0], [1.0, 2.0], [2.0, 1.0], [3.0, 0.0]]
    """
    front = as_set(points, False)
    if front.shape[1] != 2 or len(front) < 2:
        raise ValueError(f"`points` must have shape (two or more, 2), got {front.shape}")
    check_count("num", num, 2)
    order = np.argsort(front[:, 0])
    front = front[order]
    if not (np.diff(front, axis=0) * [1, -1] > 0).all():
        raise ValueError("`points` must all be on the front: one dominates or equals another")
    turns = np.zeros(len(front) - 1)
    if normals is not None:
        alpha = as_set(normals, False, "normals")
        if alpha.shape != front.shape:
            raise ValueError(f"`normals` must have shape {front.shape}, got {alpha.shape}")
        turns = np.diff(np.arctan2(alpha[order, 1], alpha[order, 0]))
    chords = np.linalg.norm(np.diff(front, axis=0), axis=1)
    lengths = np.concatenate([[0.0], np.cumsum(chords / np.sinc(turns / 2 / np.pi))])
    places = np.linspace(0, lengths[-1], num)
    segment = np.clip(np.searchsorted(lengths, places, side="right") - 1, 0, len(chords) - 1)
    share = (places - lengths[segment]) / np.diff(lengths)[segment]
    return _on_arc(front[segment], front[segment + 1], turns[segment], share)


def _on_arc(start: Array, end: Array, turn: Array, share: Array) -> Array:
    """Return the point at a share of the length of an arc whose normal turns by `turn`."""
    chord = end - start
    # At angle ψ = (share − ½) turn from the middle normal, in a frame along and across the chord.
    half, angle = turn / 2, (share - 0.5) * turn
    straight = np.abs(turn) < 1e-9
    safe = np.where(straight, 1.0, np.sin(half))
    along = np.where(straight, share, 0.5 + np.sin(angle) / (2 * safe))
    across = np.where(straight, 0.0, (np.cos(angle) - np.cos(half)) / (2 * safe))
    # The normal points to larger losses; (−dy, dx) of a falling chord does too.
    outward = np.stack([-chord[:, 1], chord[:, 0]], axis=1)
    return np.asarray(start + along[:, None] * chord - across[:, None] * outward)
