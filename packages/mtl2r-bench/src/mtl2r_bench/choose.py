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

from .config import StudyConfig, did_you_mean, load_study, validate
from .folder import StudyFolder
from .report.results import Result, collect, standard_error

__all__ = ["Choice", "choose", "parse_bound", "parse_preference"]


@dataclass(frozen=True)
class Choice:
    """A run that was chosen, and by how much.

    Attributes:
        result: The run.
        metric: What was compared, on the validation lists.
        value: Of the wish: the weighted mean of the tasks' metrics.
        means: (task,) its metric on validation.
        errors: (task,) their standard errors over queries.
        runner_up: The next best run; None where there is no other.
        lead: How much `value` is above the next best's.
        lead_error: Its standard error, paired over queries.
        candidates: How many runs there were to choose from, the bounds kept.
    """

    result: Result
    metric: str
    value: float
    means: NDArray[np.float64]
    errors: NDArray[np.float64]
    runner_up: Result | None
    lead: float
    lead_error: float
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
) -> Choice:
    """The finished run of a study that serves a wish best, on the validation lists.

    Args:
        path: The study's folder.
        prefer: Weights of the tasks; they are scaled to sum to 1. None weighs all alike, or, where
            there are bounds, those without one.
        bounds: The least value of a task's metric.

    Returns:
        The choice, by NDCG at the cut-off that chose the epochs.

    Raises:
        FileNotFoundError: When there is no study or no finished run in the folder.
        ValueError: For an unknown task, weights that are negative or all 0, or bounds that no run
            keeps; the message has the nearest run's values.
    """
    folder = StudyFolder(path)
    results = collect(folder)
    study = validate(StudyConfig, load_study(folder.study), str(folder.study))
    metric = f"ndcg@{study.evaluation.select_cutoff}"
    tasks = tuple(results[0].record["labels"])
    bounds = bounds or {}
    weights = _weights(prefer, bounds, tasks)
    means = np.array([_means(result, metric, tasks) for result in results])
    least = np.array([bounds.get(task, -np.inf) for task in tasks])
    kept = np.flatnonzero((means >= least).all(axis=1))
    if len(kept) == 0:
        nearest = int(np.argmin(np.maximum(least - means, 0).max(axis=1)))
        shown = ", ".join(f"{t} {m:.4f}" for t, m in zip(tasks, means[nearest], strict=True))
        raise ValueError(
            f"no run keeps the bounds; the nearest is {results[nearest].name} with {shown}"
        )
    order = kept[np.argsort(-(means[kept] @ weights), kind="stable")]
    best = results[order[0]]
    values = best.query_values("validation", metric)
    second = results[order[1]] if len(order) > 1 else None
    lead, error = 0.0, 0.0
    if second is not None:
        difference = values - second.query_values("validation", metric)
        lead = float((means[order[0]] - means[order[1]]) @ weights)
        error = float(np.sqrt((weights**2) @ standard_error(difference) ** 2))
    return Choice(
        best,
        metric,
        float(means[order[0]] @ weights),
        means[order[0]],
        standard_error(values),
        second,
        lead,
        error,
        len(kept),
    )


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
    for name in [*(prefer or ()), *bounds]:
        if name not in tasks:
            raise ValueError(f"unknown task {name!r}; {did_you_mean(name, list(tasks))}")
    if prefer is None:
        free = [task for task in tasks if task not in bounds] or list(tasks)
        prefer = dict.fromkeys(free, 1.0)
    weights = np.array([prefer.get(task, 0.0) for task in tasks])
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() == 0:
        raise ValueError(f"`prefer` must be weights from 0, one above it, got {dict(prefer)}")
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def _means(result: Result, metric: str, tasks: Sequence[str]) -> list[float]:
    values = result.record["metrics"]["validation"][metric]
    return [values[task] for task in tasks]
