"""Which of a study's rankers to take, for stated wishes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltr_data import atomic_write
from mtl2r_models import Ranker

from .config import did_you_mean
from .folder import StudyFolder
from .report.bootstrap import Bootstrap, Estimate, estimates
from .report.points import Measured, Point, gather
from .report.results import Result, collect
from .study import task_sets

__all__ = ["Choice", "choose", "parse_bound", "parse_preference"]

LEVEL = 0.95
"""Of the intervals."""


@dataclass(frozen=True)
class Choice:
    """A ranker that was chosen, what it gives for what, and how sure that is.

    Intervals are of 95 %, by the bootstrap over lists.

    Attributes:
        point: The method at its preference: the mean of its runs over folds and seeds.
        result: The one of its runs that serves the wish best, whose ranker is taken.
        tasks: The task set.
        metric: What was compared.
        value: Of the wish on validation: the weighted mean of the tasks' metrics.
        validation: (task,) the metric on validation, which the choice was made by.
        split: Which split `reported` is of: test, or validation where there is no test.
        reported: (task,) the metric there.
        change: (task,) its change there, in per cent of the task's own baseline; None without one.
        runner_up: The next best point; None where there is no other.
        lead: How much `value` is above the next best's, paired over lists; None without one.
        probability: In how many of the resamples no other point served the wish better, 0 to 1.
        candidates: How many points there were to choose from, the bounds kept.
    """

    point: Point
    result: Result
    tasks: tuple[str, ...]
    metric: str
    value: Estimate
    validation: tuple[Estimate, ...]
    split: str
    reported: tuple[Estimate, ...]
    change: tuple[Estimate | None, ...]
    runner_up: Point | None
    lead: Estimate | None
    probability: float
    candidates: int

    def export(self, folder: str | Path) -> None:
        """Copies the ranker to a folder of its own; of boosted trees, their file into it."""
        trees = self.result.folder.trees
        if trees.is_file():
            Path(folder).mkdir(parents=True, exist_ok=True)
            with atomic_write(Path(folder) / trees.name) as file:
                file.write(trees.read_bytes())
            return
        Ranker.load(self.result.folder.ranker).save(folder)


def choose(
    path: str | Path,
    prefer: Mapping[str, float] | None = None,
    bounds: Mapping[str, float] | None = None,
    tasks: Sequence[str] | None = None,
) -> Choice:
    """The method and preference of a study that serve a wish best, on the validation lists.

    The baselines of the task set are among those to choose from.

    Args:
        path: The study's folder.
        prefer: Weights of the tasks; they are scaled to sum to 1. None weighs all alike, or, where
            there are bounds, those without one.
        bounds: The least value of a task's metric.
        tasks: The task set, where the study has several; None takes the one that holds all tasks of
            the wish, if there is only one.

    Returns:
        The choice, by NDCG at the cut-off that chose the epochs.

    Raises:
        FileNotFoundError: When there is no study or no finished run in the folder.
        ValueError: For an unknown task or task set, weights that are negative or all 0, or bounds
            that no run keeps; the message has the nearest run's values.
    """
    folder = StudyFolder(path)
    results = collect(folder)
    study, labels = folder.begun()
    bounds = bounds or {}
    _check_names([*(prefer or ()), *bounds], labels)
    chosen = _task_set(task_sets(study, labels), [*(prefer or ()), *bounds], tasks)
    weights = _weights(prefer, bounds, chosen)
    measured = gather(results, chosen, study.evaluation, "validation")
    means = np.stack([point.values for point in measured.points])
    least = np.array([bounds.get(task, -np.inf) for task in chosen])
    kept = np.flatnonzero((means >= least).all(axis=1))
    if len(kept) == 0:
        nearest = int(np.argmin(np.maximum(least - means, 0).max(axis=1)))
        shown = ", ".join(f"{t} {m:.4f}" for t, m in zip(chosen, means[nearest], strict=True))
        raise ValueError(
            f"no run keeps the bounds; the nearest is {measured.points[nearest].runs[0].name} "
            f"with {shown}"
        )
    order = kept[np.argsort(-(means[kept] @ weights), kind="stable")]
    drawn = _resampled(measured)  # (resample, point, task)
    wishes = drawn @ weights
    best, second = int(order[0]), int(order[1]) if len(order) > 1 else None
    point = measured.points[best]
    lead = None
    if second is not None:
        gap = np.array([(means[best] - means[second]) @ weights])
        (lead,) = estimates(gap, (wishes[:, best] - wishes[:, second])[:, None], LEVEL)
    (value,) = estimates(means[[best]] @ weights, wishes[:, [best]], LEVEL)
    split = "test" if "test" in point.runs[0].record["metrics"] else "validation"
    there = measured
    if split != "validation":
        there = gather(results, chosen, study.evaluation, split)
    reported, change = _reported(there, point)
    return Choice(
        point=point,
        result=_best_run(point, measured.metric, chosen, weights),
        tasks=chosen,
        metric=measured.metric,
        value=value,
        validation=estimates(means[best], drawn[:, best], LEVEL),
        split=split,
        reported=reported,
        change=change,
        runner_up=None if second is None else measured.points[second],
        lead=lead,
        probability=float((wishes[:, kept].argmax(axis=1) == np.flatnonzero(kept == best)).mean()),
        candidates=len(kept),
    )


def _resampled(measured: Measured) -> NDArray[np.float64]:
    """(resample, point, task) means over lists drawn again and again."""
    bootstrap = Bootstrap(measured.counted, measured.strata)
    return bootstrap.means(np.stack([point.queries for point in measured.points]))


def _reported(
    measured: Measured, point: Point
) -> tuple[tuple[Estimate, ...], tuple[Estimate | None, ...]]:
    """A point's metric on a split, and its change in per cent of each task's own baseline."""
    names = [(p.method, p.preference, p.position) for p in measured.points]
    here = names.index((point.method, point.preference, point.position))
    drawn = _resampled(measured)
    values = np.stack([p.values for p in measured.points])
    change: list[Estimate | None] = []
    for k, task in enumerate(measured.tasks):
        if (f"stl {task}", None, None) not in names:
            change.append(None)
            continue
        base = names.index((f"stl {task}", None, None))
        relative = 100 * (values[here, k] / values[base, k] - 1)
        resampled = 100 * (drawn[:, here, k] / drawn[:, base, k] - 1)
        change += estimates(np.array([relative]), resampled[:, None], LEVEL)
    return estimates(values[here], drawn[:, here], LEVEL), tuple(change)


def _best_run(
    point: Point, metric: str, tasks: Sequence[str], weights: NDArray[np.float64]
) -> Result:
    """The run of a point that serves the wish best on its own validation lists."""

    def wish(run: Result) -> float:
        values = run.record["metrics"]["validation"][metric]
        return float(weights @ [values[task] for task in tasks])

    return max(point.runs, key=wish)


def _check_names(names: Sequence[str], labels: Sequence[str]) -> None:
    for name in names:
        if name not in labels:
            raise ValueError(f"unknown task {name!r}; {did_you_mean(name, list(labels))}")


def _task_set(
    sets: Sequence[tuple[str, ...]], wished: Sequence[str], tasks: Sequence[str] | None
) -> tuple[str, ...]:
    """The one task set that is meant."""
    if tasks is not None:
        fits = [one for one in sets if set(one) == set(tasks)]
    else:
        fits = [one for one in sets if set(wished) <= set(one)]
        fits = [one for one in fits if set(wished) == set(one)] or fits
    if len(fits) == 1:
        return fits[0]
    known = "; ".join(",".join(one) for one in sets)
    if tasks is not None:
        raise ValueError(f"`tasks` must be one of the study's task sets ({known}), got {[*tasks]}")
    if not fits:
        raise ValueError(f"no task set has {', '.join(wished)} together; there are {known}")
    raise ValueError(f"several task sets fit the wish; say which by `tasks`: {known}")


def parse_preference(text: str) -> dict[str, float]:
    """``"relevance=0.7,click=0.3"`` as a mapping.

    Examples:
        >>> parse_preference("relevance=0.7, click=0.3")
        {'relevance': 0.7, 'click': 0.3}
    """
    return dict(_pair(part, "=") for part in text.split(","))


def parse_bound(text: str) -> tuple[str, float]:
    """``"click>=0.45"`` as task and value.

    Examples:
        >>> parse_bound("click>=0.45")
        ('click', 0.45)
    """
    return _pair(text, ">=")


def _pair(text: str, sign: str) -> tuple[str, float]:
    found = re.fullmatch(rf"\s*(\S+?)\s*{sign}\s*(\S+)\s*", text)
    try:
        return (found[1], float(found[2])) if found else _malformed(text, sign)
    except ValueError:
        return _malformed(text, sign)


def _malformed(text: str, sign: str) -> tuple[str, float]:
    raise ValueError(f"expected a task and a number like click{sign}0.3, got {text!r}")


def _weights(
    prefer: Mapping[str, float] | None, bounds: Mapping[str, float], tasks: Sequence[str]
) -> NDArray[np.float64]:
    _check_names([*(prefer or ()), *bounds], tasks)
    if prefer is None:
        free = [task for task in tasks if task not in bounds] or list(tasks)
        prefer = dict.fromkeys(free, 1.0)
    weights = np.array([prefer.get(task, 0.0) for task in tasks])
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() == 0:
        raise ValueError(f"`prefer` must be weights from 0, one above it, got {dict(prefer)}")
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised
