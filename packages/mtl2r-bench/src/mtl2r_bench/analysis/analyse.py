"""What a task set shows: its points, fronts, hypervolumes, Δm, and which differences hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_optim.pareto import non_dominated, probability_non_dominated

from ..table import BASELINES
from .bootstrap import IntervalEstimate
from .box import Box, narrow_sides
from .compare import Family, compare
from .points import PointSet
from .resampled import Resampled
from .summaries import MethodSummary, method_summaries
from .trades import Trade, trades


@dataclass(frozen=True, kw_only=True)
class Analysis(PointSet):
    """The points of a task set and what follows from them. Larger metrics are better.

    Attributes:
        against: Method whose points `MethodSummary.improvement` is over; `BASELINES` are the
            single-task baselines.
        values: (point, task) metrics, as estimates.
        delta_m: Δm% per point; empty without baselines.
        probability_optimal: In how many of the resamples it was dominated by no other, 0 to 1.
        methods: One summary a method, baselines left out: those with several points first, the
            largest hypervolume first, then the others by Δm.
        families: Which methods differ: in hypervolume, those that have several points, and in Δm,
            all, each at its chosen point.
        draws: (resample,) which draws of the bootstrap were used, counted from 0.
    """

    box: Box
    against: str
    values: tuple[tuple[IntervalEstimate, ...], ...]
    delta_m: tuple[IntervalEstimate, ...]
    optimal: tuple[bool, ...]
    probability_optimal: tuple[float, ...]
    methods: tuple[MethodSummary, ...]
    families: tuple[Family, ...]
    trades: tuple[Trade, ...]
    draws: NDArray[np.int64]
    level: float

    @property
    def resamples(self) -> int:
        """How many draws of the bootstrap were used."""
        return len(self.draws)

    @property
    def seeds(self) -> int:
        """The largest number of seeds of a point."""
        return max(len(point.by_seed) for point in self.points)

    @property
    def over_baselines(self) -> bool:
        """Whether improvements are over the single-task baselines."""
        return self.against == BASELINES

    @property
    def narrow(self) -> tuple[tuple[str, float, float], ...]:
        """The sides of the box that are within the noise: task, width, standard error."""
        return narrow_sides(self) if self.box.ideal is not None else ()

    @property
    def pareto(self) -> tuple[MethodSummary, ...]:
        """The methods with several points: those that find a front."""
        return tuple(row for row in self.methods if len(row.points) > 1)


def analyse(
    measured: PointSet,
    random_order: Mapping[str, float],
    *,
    against: str = BASELINES,
    resamples: int = 1_000,
    level: float = 0.95,
) -> Analysis:
    """Compare the points of a task set.

    The box and its reference point are held at what the baselines give on the lists there are;
    everything else is computed again for each draw of lists, from the same draws.
    """
    found = Resampled.of(measured, resamples, level)
    base = measured.baselines
    payoff = None if base is None else found.values[base]
    box = Box.of(payoff, np.array([random_order[task] for task in measured.tasks]))
    summaries = method_summaries(found, box, against)
    return Analysis(
        **vars(measured),
        box=box,
        against=against,
        values=found.metrics(),
        delta_m=found.deltas,
        optimal=tuple(bool(b) for b in non_dominated(found.values, maximize=True)),
        probability_optimal=tuple(probability_non_dominated(found.drawn, maximize=True).tolist()),
        methods=summaries,
        families=tuple(_families(found, summaries)),
        trades=tuple(trades(measured)),
        draws=found.draws,
        level=level,
    )


def _families(found: Resampled, summaries: Sequence[MethodSummary]) -> Iterator[Family]:
    """Compare hypervolumes, and Δm (without baselines the mean metric)."""
    fronts = [row for row in summaries if len(row.points) > 1]
    if len(fronts) > 1:
        yield compare(
            "hypervolume",
            [row.method for row in fronts],
            np.array([row.hypervolume.value for row in fronts]),
            np.stack([row.hypervolumes for row in fronts], axis=1),
            larger_is_better=True,
            level=found.level,
        )
    if len(summaries) > 1:
        chosen = [row.chosen for row in summaries]
        # What a list adds to Δm, or to the mean metric of the tasks without baselines.
        points, counted = found.measured.points, found.measured.counted
        tasks = len(counted)
        scale = np.full(tasks, 1.0) if found.own is None else -100 / found.own
        weights = scale / tasks / counted.sum(axis=1)
        queries = np.stack([np.nan_to_num(points[i].queries) for i in chosen])
        scores = np.einsum("mkq,k->mq", queries, weights)
        deltas = found.drawn_deltas
        yield compare(
            "mean metric" if deltas is None else "Δm %",
            [row.method for row in summaries],
            scores.sum(axis=1),
            (found.drawn.mean(axis=-1) if deltas is None else deltas)[:, chosen],
            scores=scores,
            larger_is_better=deltas is None,
            level=found.level,
        )
