"""Methods at preferences, measured on the same lists: what a report compares."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..config import EvaluationConfig
from .results import Result


@dataclass(frozen=True)
class Point:
    """A method at a preference: its runs over folds and seeds.

    Attributes:
        queries: (task, query) means over seeds, the lists of all folds one after the other; NaN
            where a list does not count for a task.
        position: Its place in its method's sweep: the weight of the first of two tasks.
        validation: (task,) means of the same metric over validation lists.
        by_seed: (task,) means over lists for each seed that has a run in every fold.
        metrics: The values like `queries` for every metric that was measured.
        baseline_of: The task of a single-task baseline; None for a method.
    """

    method: str
    preference: tuple[float, ...] | None
    queries: NDArray[np.float64]
    position: float | None = None
    validation: NDArray[np.float64] | None = None
    by_seed: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    metrics: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    runs: tuple[Result, ...] = ()
    baseline_of: str | None = None

    @property
    def values(self) -> NDArray[np.float64]:
        """(task,) means over the lists of all folds."""
        means: NDArray[np.float64] = np.nanmean(self.queries, axis=1)
        return means

    @property
    def vector(self) -> str:
        """The preference as text."""
        return "" if self.preference is None else " ".join(f"{v:.3g}" for v in self.preference)

    @property
    def has_epochs(self) -> bool:
        """Whether its runs have epochs, with losses and weights; boosted trees have none."""
        return bool(self.losses)

    @property
    def is_baseline(self) -> bool:
        """Whether it was trained on a single task."""
        return self.baseline_of is not None

    @property
    def losses(self) -> Mapping[str, float]:
        """Training losses at the chosen epochs by trained task: means of runs."""
        names = self.runs[0].record["loss"] if self.runs else ()
        return {task: float(np.mean([r.record["loss"][task] for r in self.runs])) for task in names}

    @property
    def seconds(self) -> float:
        """Mean time of a run."""
        return float(np.mean([run.record["seconds"] for run in self.runs])) if self.runs else 0.0


@dataclass(frozen=True)
class PointSet:
    """The points of one task set on one split.

    Attributes:
        points: Baselines among them.
        strata: (query,) the number of the fold a list belongs to.
        folds: The folds, in that order.
        left_out: Points that lack a run in some fold, as text.
    """

    tasks: tuple[str, ...]
    split: str
    metric: str
    points: tuple[Point, ...]
    strata: NDArray[np.int64]
    folds: tuple[int | None, ...] = (None,)
    left_out: tuple[str, ...] = ()

    @property
    def counted(self) -> NDArray[np.bool_]:
        """(task, query), whether a list counts for a task."""
        return ~np.isnan(self.points[0].queries)

    def places(self, method: str) -> list[int]:
        """Return where the points of a method are among the points."""
        return [i for i, point in enumerate(self.points) if point.method == method]

    @property
    def baselines(self) -> list[int] | None:
        """Where each task's single-task baseline is among the points; None unless all are there.

        Row k of `points[baselines]` is the baseline of task k: with its metrics of all tasks, the
        payoff table.
        """
        places = {point.baseline_of: i for i, point in enumerate(self.points)}
        return [places[task] for task in self.tasks] if set(self.tasks) <= set(places) else None


_Key: TypeAlias = tuple[str, tuple[float, ...] | None, float | None]  # method, preference, position


def gather(
    results: Sequence[Result], tasks: tuple[str, ...], evaluation: EvaluationConfig, split: str
) -> PointSet:
    """Collect the points of a task set: its methods, and the baselines of its tasks.

    A fold takes part when at least half as many points have a run in it as in the fold with the
    most; a point takes part when it has a run in each of these.

    Raises:
        ValueError: When two runs of a fold were measured on different lists, or no list counts for
            a task.
    """
    groups: dict[_Key, list[Result]] = {}
    for result in results:
        fits = result.tasks == tasks if result.baseline_of is None else result.tasks[0] in tasks
        if fits:
            key = (result.method, result.preference, result.position)
            groups.setdefault(key, []).append(result)
    folds = _folds(groups.values())
    lists: dict[int | None, NDArray[np.str_]] = {}
    points, left_out = [], []
    for (method, preference, _), runs in groups.items():
        missing = [fold for fold in folds if fold not in {run.fold for run in runs}]
        if missing:
            vector = "" if preference is None else f" {preference}"
            left_out.append(f"{method}{vector} (no run in fold {', '.join(map(str, missing))})")
            continue
        by_fold = [
            _fold([run for run in runs if run.fold == fold], lists, tasks, evaluation, split)
            for fold in folds
        ]
        kept = tuple(run for run in runs if run.fold in folds)
        points.append(_point(kept, by_fold, tasks, f"ndcg@{evaluation.select_cutoff}"))
    return PointSet(
        tasks,
        split,
        f"ndcg@{evaluation.select_cutoff}",
        tuple(points),
        np.repeat(np.arange(len(folds)), [len(lists[fold]) for fold in folds]),
        folds,
        tuple(left_out),
    )


def _folds(groups: Iterable[Sequence[Result]]) -> tuple[int | None, ...]:
    """Return the folds that take part."""
    having = Counter(fold for runs in groups for fold in {run.fold for run in runs})
    most = max(having.values(), default=0)
    return tuple(sorted((f for f, n in having.items() if 2 * n >= most), key=lambda f: f or 0))


def _fold(
    runs: Sequence[Result],
    lists: dict[int | None, NDArray[np.str_]],
    tasks: tuple[str, ...],
    evaluation: EvaluationConfig,
    split: str,
) -> dict[str, dict[int, NDArray[np.float64]]]:
    """Return the values (task, query) of one point in one fold, by metric and seed."""
    found: dict[str, dict[int, NDArray[np.float64]]] = {}
    for run in runs:
        names, metrics = run.measured(split, tasks, evaluation.empty)
        if not np.array_equal(lists.setdefault(run.fold, names), names):
            raise ValueError(
                f"{run.name}: measured on other lists than the runs beside it; were the data "
                f"changed? Remove {run.folder.path} to train it again"
            )
        for name, values in metrics.items():
            found.setdefault(name, {})[run.seed] = values
    return found


def _point(
    runs: tuple[Result, ...],
    by_fold: Sequence[Mapping[str, Mapping[int, NDArray[np.float64]]]],
    tasks: tuple[str, ...],
    metric: str,
) -> Point:
    """Make a point from the values of its runs, by fold, metric and seed."""
    metrics = {
        name: np.concatenate(
            [np.mean(list(fold[name].values()), axis=0) for fold in by_fold], axis=-1
        )
        for name in by_fold[0]
    }
    for task, values in zip(tasks, metrics[metric], strict=True):
        if np.isnan(values).all():
            raise ValueError(f"no list has a relevant document for task {task!r}")
    seeds = set.intersection(*(set(fold[metric]) for fold in by_fold))
    by_seed = {
        seed: np.nanmean(np.concatenate([f[metric][seed] for f in by_fold], axis=-1), axis=-1)
        for seed in sorted(seeds)
    }
    recorded = [run.record["metrics"]["validation"][metric] for run in runs]
    return Point(
        method=runs[0].method,
        preference=runs[0].preference,
        queries=metrics[metric],
        position=runs[0].position,
        validation=np.mean([[one[task] for task in tasks] for one in recorded], axis=0),
        by_seed=by_seed,
        metrics=metrics,
        runs=runs,
        baseline_of=runs[0].baseline_of,
    )


def delta_m(values: NDArray[np.float64], base: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute Δm% over the last axis (lower is better), as `mtl_optim.pareto.delta_m` does.

    Args:
        values: (..., task).
        base: (..., task) that broadcasts against it: each baseline's metric of its own task.

    Examples:
        >>> delta_m(np.array([[0.55, 0.40], [0.5, 0.5]]), np.array([0.5, 0.5])).round(6).tolist()
        [5.0, 0.0]
    """
    delta: NDArray[np.float64] = 100 * ((base - values) / base).mean(axis=-1)
    return delta


def delta_by_seed(point: Point, base: Sequence[Point]) -> list[float]:
    """Compute Δm% for each seed, against the baselines (one per task) of that seed.

    A baseline that was not trained with the seed has its mean over seeds. A seed for which some
    baseline is 0 is left out.
    """
    found = []
    for seed, values in point.by_seed.items():
        own = np.array([one.by_seed.get(seed, one.values)[k] for k, one in enumerate(base)])
        if (own > 0).all():
            found.append(float(delta_m(values, own)))
    return found
