"""A method's points as a whole: the hypervolume they reach, and the one that validation prefers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bootstrap import Estimate, estimates
from .box import Box, payoff
from .delta import delta_m
from .points import Measured, Point


@dataclass(frozen=True)
class MethodSummary:
    """A method's points as a whole.

    Attributes:
        method: As in legends.
        points: Places of its points in `Analysis.points`.
        hypervolume: Of its points, in the units of the analysis' box.
        improvement: How much hypervolume its points add to the named set's, see `Analysis.against`;
            None where that set is not there.
        chosen: Place of the point that validation prefers: the smallest Δm there, or the largest
            mean metric without baselines.
        delta_m: Δm% of that point; None without baselines.
        seconds: Mean time of a run.
        improvements: (resample,) `improvement` of each draw of lists; None as that is.
        deltas: (resample,) `delta_m` of each draw; None as that is.
    """

    method: str
    points: tuple[int, ...]
    hypervolume: Estimate
    improvement: Estimate | None
    chosen: int
    delta_m: Estimate | None
    seconds: float
    improvements: NDArray[np.float64] | None
    deltas: NDArray[np.float64] | None


def summarise(
    measured: Measured,
    values: NDArray[np.float64],
    redrawn: NDArray[np.float64],
    deltas: Sequence[Estimate],
    redrawn_deltas: NDArray[np.float64] | None,
    box: Box,
    against: str,
    level: float,
) -> tuple[tuple[MethodSummary, ...], dict[str, NDArray[np.float64]]]:
    """One per method, and the hypervolumes of its resampled points."""
    points = measured.points
    named = [
        i
        for i, p in enumerate(points)
        if (p.is_baseline if against == "stl" else p.method == against)
    ]
    floor = box.volume(values[named]) if named else 0.0
    floors = box.volumes(redrawn[:, named]) if named else np.zeros(len(redrawn))
    rows, volumes = [], {}
    for method in dict.fromkeys(point.method for point in points if not point.is_baseline):
        mine = [i for i, point in enumerate(points) if point.method == method]
        volumes[method] = box.volumes(redrawn[:, mine])
        seeds = set.intersection(*(set(points[i].by_seed) for i in mine))
        by_seed = [
            box.volume(np.stack([points[i].by_seed[s] for i in mine])) for s in sorted(seeds)
        ]
        (volume,) = estimates(
            np.array([box.volume(values[mine])]),
            volumes[method][:, None],
            level,
            [by_seed],
            floor=0.0,
        )
        improvement = improvements = None
        if named:
            both = [*mine, *named]
            improvements = box.volumes(redrawn[:, both]) - floors
            (improvement,) = estimates(
                np.array([box.volume(values[both]) - floor]),
                improvements[:, None],
                level,
                floor=0.0,
            )
        chosen = _chosen(points, mine, measured.tasks)
        rows.append(
            MethodSummary(
                method=method,
                points=tuple(mine),
                hypervolume=volume,
                improvement=improvement,
                chosen=chosen,
                delta_m=deltas[chosen] if deltas else None,
                seconds=float(np.mean([points[i].seconds for i in mine])),
                improvements=improvements,
                deltas=None if redrawn_deltas is None else redrawn_deltas[:, chosen],
            )
        )
    rows.sort(key=_order)
    return tuple(rows), volumes


def _order(row: MethodSummary) -> tuple[bool, float]:
    """Fronts first, the largest hypervolume first; then the others by Δm."""
    single = len(row.points) == 1
    by_delta = single and row.delta_m is not None
    return single, row.delta_m.value if by_delta and row.delta_m else -row.hypervolume.value


def _chosen(points: Sequence[Point], mine: Sequence[int], tasks: tuple[str, ...]) -> int:
    """The point that validation prefers."""
    base = payoff(points, tasks)
    own = [points[place].validation for place in base or ()]
    scale = np.array([one[k] for k, one in enumerate(own) if one is not None])

    def merit(i: int) -> float:
        validation = points[i].validation
        if validation is None:
            return 0.0
        if len(scale) == len(tasks) and (scale > 0).all():
            return -float(delta_m(validation, scale))
        return float(validation.mean())

    return max(mine, key=merit)
