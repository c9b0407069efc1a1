"""What a study shows: fronts, their hypervolume, Δm, and whether they trade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mtl_optim.pareto import delta_m, hypervolume, non_dominated

from .results import Point, standard_error

__all__ = ["Analysis", "Box", "MethodSummary", "Trade", "analyse"]


@dataclass(frozen=True)
class Box:
    """In what hypervolumes are measured: one box for all methods, which none of them can move.

    With single-task baselines the ideal point is each task's own baseline, and the reference point
    lies a tenth of the range below the worst that a baseline of another task does (the nadir of
    the payoff table), so that the ends of a front count too. Without them, or where a baseline is
    no better than the others, the reference is the expected metric of a random order and nothing
    is scaled.

    Attributes:
        reference: (task,) the reference point.
        ideal: (task,) with `reference` the corners of a box of volume 1; None for no scaling.
    """

    reference: NDArray[np.float64]
    ideal: NDArray[np.float64] | None

    @classmethod
    def of(cls, payoff: NDArray[np.float64] | None, random_order: NDArray[np.float64]) -> Box:
        """The box of a payoff table (baseline, task)."""
        if payoff is not None:
            ideal, nadir = payoff.diagonal().copy(), payoff.min(axis=0)
            if (ideal > nadir).all():
                return cls(nadir - 0.1 * (ideal - nadir), ideal)
        return cls(random_order, None)


@dataclass(frozen=True)
class Trade:
    """How one task's metric moves along a method's preferences for it.

    Attributes:
        method: As in legends.
        task: The task.
        gain: Its metric at the largest preference for it less that at the smallest.
        gain_error: Standard error of `gain`, paired over queries.
        largest_drop: The largest drop of the metric from one preference to the next larger one;
            0 where it never drops.
        drop_error: The standard error of that difference, paired over queries.
    """

    method: str
    task: str
    gain: float
    gain_error: float
    largest_drop: float
    drop_error: float

    @property
    def is_monotone(self) -> bool:
        """Whether no drop is larger than two standard errors."""
        return self.largest_drop <= 2 * self.drop_error


@dataclass(frozen=True)
class MethodSummary:
    """A method's points as a whole.

    Attributes:
        method: As in legends.
        points: How many there are.
        hypervolume: Of its points, in the units of the analysis' box.
        best_delta_m: The smallest Δm% of its points; None without baselines.
        seconds: Mean time of a run.
    """

    method: str
    points: int
    hypervolume: float
    best_delta_m: float | None
    seconds: float


@dataclass(frozen=True)
class Analysis:
    """A study's points and what follows from them. Larger metrics are better.

    Attributes:
        tasks: Names.
        split: Which split the numbers are of.
        metric: Which metric.
        points: Methods at preferences, baselines among them.
        box: In what the hypervolume is measured, the same for all methods.
        delta_m: Δm% per point; empty without baselines.
        optimal: Whether a point is dominated by no other.
        methods: One summary a method, baselines left out, the largest hypervolume first.
        trades: One per method with several preferences and task.
    """

    tasks: tuple[str, ...]
    split: str
    metric: str
    points: tuple[Point, ...]
    box: Box
    delta_m: tuple[float, ...]
    optimal: tuple[bool, ...]
    methods: tuple[MethodSummary, ...]
    trades: tuple[Trade, ...]


def analyse(
    found: Sequence[Point],
    tasks: tuple[str, ...],
    split: str,
    metric: str,
    random_order: Mapping[str, float],
) -> Analysis:
    """Compares the points of a study.

    Args:
        found: From `mtl2r_bench.report.results.points`.
        tasks: Names.
        split: Which split the points are of.
        metric: Which metric.
        random_order: The expected metric of a random order by task.
    """
    payoff = _payoff(found, tasks)
    box = Box.of(payoff, np.array([random_order[task] for task in tasks]))
    deltas = (
        tuple(delta_m(point.values, payoff.diagonal()) for point in found)
        if payoff is not None
        else ()
    )
    values = np.stack([point.values for point in found])
    return Analysis(
        tasks=tasks,
        split=split,
        metric=metric,
        points=tuple(found),
        box=box,
        delta_m=deltas,
        optimal=tuple(bool(b) for b in non_dominated(values, maximize=True)),
        methods=_summaries(found, deltas, box),
        trades=tuple(_trades(found, tasks)),
    )


def _payoff(found: Sequence[Point], tasks: tuple[str, ...]) -> NDArray[np.float64] | None:
    """(baseline, task) metrics of the single-task baselines; None unless all are there."""
    baselines = {point.method: point.values for point in found if point.is_baseline}
    names = [f"stl {task}" for task in tasks]
    if not all(name in baselines for name in names):
        return None
    return np.stack([baselines[name] for name in names])


def _summaries(
    found: Sequence[Point], deltas: Sequence[float], box: Box
) -> tuple[MethodSummary, ...]:
    rows = []
    for method in dict.fromkeys(point.method for point in found if not point.is_baseline):
        mine = [i for i, point in enumerate(found) if point.method == method]
        front = np.stack([found[i].values for i in mine])
        rows.append(
            MethodSummary(
                method=method,
                points=len(mine),
                hypervolume=hypervolume(front, box.reference, maximize=True, ideal=box.ideal),
                best_delta_m=min(deltas[i] for i in mine) if deltas else None,
                seconds=float(np.mean([found[i].seconds for i in mine])),
            )
        )
    return tuple(sorted(rows, key=lambda row: -row.hypervolume))


def _trades(found: Sequence[Point], tasks: tuple[str, ...]) -> list[Trade]:
    trades = []
    for method in dict.fromkeys(point.method for point in found):
        mine = [point for point in found if point.method == method and point.preference]
        if len(mine) < 2 or len(tasks) != 2:
            continue  # With more tasks the vectors have no order.
        for index, task in enumerate(tasks):
            ordered = sorted(mine, key=lambda point: (point.preference or ())[index])
            steps = [b.queries[index] - a.queries[index] for a, b in pairwise(ordered)]
            means = [float(np.nanmean(step)) for step in steps]
            worst = int(np.argmin(means))
            whole = ordered[-1].queries[index] - ordered[0].queries[index]
            trades.append(
                Trade(
                    method=method,
                    task=task,
                    gain=float(np.nanmean(whole)),
                    gain_error=float(standard_error(whole)),
                    largest_drop=max(0.0, -means[worst]),
                    drop_error=float(standard_error(steps[worst])),
                )
            )
    return trades
