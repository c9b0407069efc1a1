"""What a task set shows: its points, fronts, hypervolumes, Δm, and which differences hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_optim.pareto import non_dominated, probability_non_dominated

from .bootstrap import Bootstrap, Estimate, estimates
from .box import Box, narrow_sides, payoff
from .compare import Family, compare
from .delta import delta_by_seed, delta_m, own_baselines
from .points import Measured, Point
from .summaries import MethodSummary, summarise
from .trades import Trade, trades


@dataclass(frozen=True)
class Analysis:
    """The points of a task set and what follows from them. Larger metrics are better.

    Attributes:
        measured: The points, baselines among them, and what they were measured on.
        box: In what the hypervolume is measured, the same for all methods.
        against: Method whose points `MethodSummary.improvement` is over; "stl" are the single-task
            baselines.
        values: (point, task) metrics, as estimates.
        delta_m: Δm% per point; empty without baselines.
        optimal: Whether a point is dominated by no other.
        probability_optimal: In how many of the resamples it was dominated by no other, 0 to 1.
        methods: One summary a method, baselines left out: those with several points first, the
            largest hypervolume first, then the others by Δm.
        families: Which methods differ: in hypervolume, those that have several points, and in Δm,
            all, each at its chosen point.
        trades: One per method with several preferences and task.
        draws: (resample,) which draws of the bootstrap were used, counted from 0.
        level: Of the intervals.
    """

    measured: Measured
    box: Box
    against: str
    values: tuple[tuple[Estimate, ...], ...]
    delta_m: tuple[Estimate, ...]
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
    def points(self) -> tuple[Point, ...]:
        """The points."""
        return self.measured.points

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return self.measured.tasks

    @property
    def split(self) -> str:
        """Which split the numbers are of."""
        return self.measured.split

    @property
    def metric(self) -> str:
        """Which metric."""
        return self.measured.metric

    @property
    def narrow(self) -> tuple[tuple[str, float, float], ...]:
        """The sides of the box that are within the noise: task, width, standard error."""
        return narrow_sides(self.points, self.tasks) if self.box.ideal is not None else ()

    @property
    def pareto(self) -> tuple[MethodSummary, ...]:
        """The methods with several points: those that find a front."""
        return tuple(row for row in self.methods if len(row.points) > 1)


def analyse(
    measured: Measured,
    random_order: Mapping[str, float],
    *,
    against: str = "stl",
    resamples: int = 1_000,
    level: float = 0.95,
) -> Analysis:
    """Compares the points of a task set.

    The box and its reference point are held at what the baselines give on the lists there are;
    everything else is computed anew for each draw of lists, from the same draws.

    Args:
        measured: From `mtl2r_bench.analysis.points.gather`.
        random_order: The expected metric of a random order by task.
        against: Method over whose points hypervolume is to improve.
        resamples: Draws of the bootstrap.
        level: Of the intervals.
    """
    points, tasks = measured.points, measured.tasks
    values = np.stack([point.values for point in points])
    bootstrap = Bootstrap(measured.counted, measured.strata, resamples=resamples)
    redrawn = bootstrap.means(np.stack([point.queries for point in points]))
    base = payoff(points, tasks)
    table = values[base] if base is not None else None
    box = Box.of(table, np.array([random_order[task] for task in tasks]))
    draws = np.arange(resamples)
    deltas = tuple[Estimate, ...]()
    redrawn_deltas = None
    if base is not None and len(tasks) > 1 and (values[base].diagonal() > 0).all():
        # Δm is relative: a draw in which some baseline is 0 is left out, of everything.
        kept = (own_baselines(redrawn[:, base])[:, 0] > 0).all(axis=1)
        redrawn, draws = redrawn[kept], draws[kept]
        redrawn_deltas = delta_m(redrawn, own_baselines(redrawn[:, base]))
        by_seed = [delta_by_seed(point, [points[i] for i in base]) for point in points]
        own = values[base].diagonal()
        deltas = estimates(delta_m(values, own), redrawn_deltas, level, by_seed)
    summaries, volumes = summarise(
        measured, values, redrawn, deltas, redrawn_deltas, box, against, level
    )
    return Analysis(
        measured=measured,
        box=box,
        against=against,
        values=tuple(
            estimates(
                values[i],
                redrawn[:, i],
                level,
                [[seed[k] for seed in point.by_seed.values()] for k in range(len(tasks))],
            )
            for i, point in enumerate(points)
        ),
        delta_m=deltas,
        optimal=tuple(bool(b) for b in non_dominated(values, maximize=True)),
        probability_optimal=tuple(probability_non_dominated(redrawn, maximize=True).tolist()),
        methods=summaries,
        families=_families(
            measured, summaries, volumes, redrawn, redrawn_deltas, table if deltas else None, level
        ),
        trades=tuple(trades(measured)),
        draws=draws,
        level=level,
    )


def _families(
    measured: Measured,
    summaries: Sequence[MethodSummary],
    volumes: Mapping[str, NDArray[np.float64]],
    redrawn: NDArray[np.float64],
    redrawn_deltas: NDArray[np.float64] | None,
    table: NDArray[np.float64] | None,
    level: float,
) -> tuple[Family, ...]:
    found = []
    fronts = [row for row in summaries if len(row.points) > 1]
    if len(fronts) > 1:
        found.append(
            compare(
                "hypervolume",
                [row.method for row in fronts],
                np.array([row.hypervolume.value for row in fronts]),
                np.stack([volumes[row.method] for row in fronts], axis=1),
                larger_is_better=True,
                level=level,
            )
        )
    if len(summaries) > 1:
        chosen = [row.chosen for row in summaries]
        # What a list adds to Δm, or to the mean metric of the tasks without baselines.
        tasks = len(measured.tasks)
        scale = np.full(tasks, 1.0) if table is None else -100 / table.diagonal()
        weights = scale / tasks / measured.counted.sum(axis=1)
        queries = np.stack([np.nan_to_num(measured.points[i].queries) for i in chosen])
        scores = np.einsum("mkq,k->mq", queries, weights)
        found.append(
            compare(
                "mean metric" if redrawn_deltas is None else "Δm %",
                [row.method for row in summaries],
                scores.sum(axis=1),
                (redrawn.mean(axis=-1) if redrawn_deltas is None else redrawn_deltas)[:, chosen],
                scores=scores,
                larger_is_better=redrawn_deltas is None,
                level=level,
            )
        )
    return tuple(found)
