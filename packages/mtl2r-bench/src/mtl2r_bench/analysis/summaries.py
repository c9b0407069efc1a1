"""A method's points as a whole: the hypervolume they reach, and the one that validation prefers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..table import BASELINES
from .bootstrap import IntervalEstimate, estimate
from .box import Box
from .points import PointSet, delta_m
from .resampled import Resampled


@dataclass(frozen=True)
class MethodSummary:
    """A method's points as a whole.

    Attributes:
        points: Places of its points in `Analysis.points`.
        hypervolume: Of its points, in the units of the analysis' box.
        improvement: How much hypervolume its points add to those of `Analysis.against`; None where
            these are missing.
        chosen: Place of the point that validation prefers: the smallest Δm there, or the largest
            mean metric without baselines.
        delta_m: Δm% of that point; None without baselines.
        hypervolumes: (resample,) `hypervolume` of each draw of lists.
        improvements: (resample,) `improvement` of each draw; None as that is.
        deltas: (resample,) `delta_m` of each draw; None as that is.
    """

    method: str
    points: tuple[int, ...]
    hypervolume: IntervalEstimate
    improvement: IntervalEstimate | None
    chosen: int
    delta_m: IntervalEstimate | None
    seconds: float
    hypervolumes: NDArray[np.float64]
    improvements: NDArray[np.float64] | None
    deltas: NDArray[np.float64] | None


def method_summaries(found: Resampled, box: Box, against: str) -> tuple[MethodSummary, ...]:
    """Summarise each method, in the order of `Analysis.methods`."""
    measured = found.measured
    points, values, drawn = measured.points, found.values, found.drawn
    named = measured.places(against)
    if against == BASELINES:
        named = [i for i, point in enumerate(points) if point.is_baseline]
    floor, floors = 0.0, np.zeros(len(drawn))
    if named:
        floor, floors = box.volume(values[named]), box.volumes(drawn[:, named])
    rows = []
    for method in dict.fromkeys(point.method for point in points if not point.is_baseline):
        mine = measured.places(method)
        volumes = box.volumes(drawn[:, mine])
        seeds = sorted(set.intersection(*(set(points[i].by_seed) for i in mine)))
        by_seed = [box.volume(np.stack([points[i].by_seed[s] for i in mine])) for s in seeds]
        improvement = improvements = None
        if named:
            both = [*mine, *named]
            improvements = box.volumes(drawn[:, both]) - floors
            added = box.volume(values[both]) - floor
            improvement = estimate(added, improvements, found.level, floor=0.0)
        chosen = _chosen(measured, mine)
        rows.append(
            MethodSummary(
                method=method,
                points=tuple(mine),
                hypervolume=estimate(
                    box.volume(values[mine]), volumes, found.level, by_seed, floor=0.0
                ),
                improvement=improvement,
                chosen=chosen,
                delta_m=found.deltas[chosen] if found.deltas else None,
                seconds=float(np.mean([points[i].seconds for i in mine])),
                hypervolumes=volumes,
                improvements=improvements,
                deltas=None if found.drawn_deltas is None else found.drawn_deltas[:, chosen],
            )
        )
    return tuple(sorted(rows, key=_order))


def _order(row: MethodSummary) -> tuple[bool, float]:
    """Sort fronts first, by hypervolume; then the others by Δm."""
    single = len(row.points) == 1
    by_delta = single and row.delta_m is not None
    return single, row.delta_m.value if by_delta and row.delta_m else -row.hypervolume.value


def _chosen(measured: PointSet, mine: Sequence[int]) -> int:
    """Find the point that validation prefers."""
    own = [measured.points[place].validation for place in measured.baselines or ()]
    scale = np.array([one[k] for k, one in enumerate(own) if one is not None])

    def merit(i: int) -> float:
        validation = measured.points[i].validation
        if validation is None:
            return 0.0
        if len(scale) == len(measured.tasks) and (scale > 0).all():
            return -float(delta_m(validation, scale))
        return float(validation.mean())

    return max(mine, key=merit)
