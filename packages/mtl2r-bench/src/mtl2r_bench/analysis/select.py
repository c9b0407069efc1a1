"""The ranker of a study that serves stated wishes best."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ltr_data.files import atomic_write
from mtl2r_models import Ranker

from ..config import EvaluationConfig
from ..runs.run_folder import TREES_COLUMNS_FILE
from ..runs.study_folder import StudyFolder
from ..study.plan import task_sets
from ..table import lookup
from .bootstrap import Bootstrap, IntervalEstimate, estimate, estimates
from .results import Result, collect

LEVEL = 0.95
"""Of the intervals."""

ROUNDING = 1e-12
"""Values that differ by less are equal: runs may have the same ranker."""


@dataclass(frozen=True)
class Choice:
    """The chosen run, its ranker's metrics, and how certain the choice is.

    Intervals are of 95 %, by the bootstrap over lists.

    Attributes:
        result: The run.
        tasks: The task set.
        metric: What was compared.
        value: The weighted mean of the tasks' metrics on validation.
        validation: (task,) the metric on validation, which decided.
        split: The split of `reported`: test, or validation where there is no test.
        reported: (task,) the metric there.
        change: (task,) its change there in per cent of the task's own baseline; None without one.
        runner_up: The next best run; None where there is no other.
        lead: By how much `value` exceeds the runner-up's, paired over lists; None without one.
        probability: In how many of the resamples no other run served the wish better, 0 to 1.
        candidates: The number of runs that keep the bounds.
    """

    result: Result
    tasks: tuple[str, ...]
    metric: str
    value: IntervalEstimate
    validation: tuple[IntervalEstimate, ...]
    split: str
    reported: tuple[IntervalEstimate, ...]
    change: tuple[IntervalEstimate | None, ...]
    runner_up: Result | None
    lead: IntervalEstimate | None
    probability: float
    candidates: int

    @property
    def verdict(self) -> str:
        """How certain the choice is, in words; empty where there was no other run."""
        if self.runner_up is None or self.lead is None:
            return ""
        ends = (self.lead.low, self.lead.high)
        if max(map(abs, ends)) < ROUNDING:
            return f"{self.runner_up.name} serves the wish exactly as well on validation."
        return (
            f"By the wish it leads {self.runner_up.name} by {self.lead.value:.4f} "
            f"[{ends[0]:.4f}, {ends[1]:.4f}] on validation; it is the best in "
            f"{self.probability:.0%} of the resamples. Brackets: 95 % intervals by the bootstrap "
            "over lists."
        )

    def export(self, folder: str | Path) -> None:
        """Copy the ranker to a folder of its own; of boosted trees, their file into it."""
        trees = self.result.folder.trees
        if trees.is_file():
            Path(folder).mkdir(parents=True, exist_ok=True)
            for path in (trees, trees.with_name(TREES_COLUMNS_FILE)):
                if path.is_file():
                    with atomic_write(Path(folder) / path.name) as file:
                        file.write(path.read_bytes())
            return
        Ranker.load(self.result.folder.ranker).save(folder)


def choose(
    path: str | Path,
    prefer: Mapping[str, float] | None = None,
    bounds: Mapping[str, float] | None = None,
    tasks: Sequence[str] | None = None,
    fold: int | None = None,
) -> Choice:
    """Choose the finished run of a study that serves a wish best, on the validation lists.

    The baselines of the task set are candidates, too.

    Args:
        path: The study's folder.
        prefer: Weights of the tasks; they are scaled to sum to 1. None weighs all alike, or, where
            there are bounds, those without one.
        bounds: The least value of a task's metric.
        tasks: The task set, where the study has several; None takes the one that holds all tasks of
            the wish, if there is only one.
        fold: The fold of the runs, where the study has several; None takes its first.

    Returns:
        The choice, by NDCG at the cut-off that chose the epochs.

    Raises:
        FileNotFoundError: When there is no study or no finished run in the folder.
        ValueError: For an unknown task, task set or fold, weights that are negative or all 0, or
            bounds that no run keeps; the message has the nearest run's values.
    """
    folder = StudyFolder(path)
    results = collect(folder)
    study, labels = folder.begun()
    bounds = bounds or {}
    wished = [*(prefer or ()), *bounds]
    _check_names(wished, labels)
    chosen = _task_set(task_sets(study, labels), wished, tasks)
    _check_names(wished, chosen)
    weights = _weights(prefer, bounds, chosen)
    runs = _runs(results, chosen, results[0].fold if fold is None else fold)
    means, drawn = _resample(runs, chosen, study.evaluation, "validation")
    kept = _keeping(runs, chosen, bounds, means)
    value, drawn_value = means @ weights, drawn @ weights  # of the wish
    best, *others = (int(i) for i in kept[np.argsort(-value[kept], kind="stable")])
    lead = None
    if others:
        gap = drawn_value[:, best] - drawn_value[:, others[0]]
        lead = estimate(value[best] - value[others[0]], gap, LEVEL)
    split = "test" if "test" in runs[best].record["metrics"] else "validation"
    there, drawn_there = _resample(runs, chosen, study.evaluation, split)

    def change(k: int) -> IntervalEstimate | None:
        """Return the change in per cent of the task's baseline, preferably of the same seed."""
        found = [i for i, other in enumerate(runs) if other.baseline_of == chosen[k]]
        if not found:
            return None
        base = next((i for i in found if runs[i].seed == runs[best].seed), found[0])
        relative = 100 * (there[best, k] / there[base, k] - 1)
        return estimate(
            relative, 100 * (drawn_there[:, best, k] / drawn_there[:, base, k] - 1), LEVEL
        )

    return Choice(
        result=runs[best],
        tasks=chosen,
        metric=f"ndcg@{study.evaluation.select_cutoff}",
        value=estimate(value[best], drawn_value[:, best], LEVEL),
        validation=estimates(means[best], drawn[:, best], LEVEL),
        split=split,
        reported=estimates(there[best], drawn_there[:, best], LEVEL),
        change=tuple(change(k) for k in range(len(chosen))),
        runner_up=runs[others[0]] if others else None,
        lead=lead,
        probability=float(
            (drawn_value[:, best] > drawn_value[:, kept].max(axis=1) - ROUNDING).mean()
        ),
        candidates=len(kept),
    )


def _resample(
    runs: Sequence[Result], tasks: tuple[str, ...], config: EvaluationConfig, split: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average over the lists of a split (run, task) and over resampled lists (draw, run, task)."""
    metric = f"ndcg@{config.select_cutoff}"
    values = np.stack([run.measured(split, tasks, config.empty)[1][metric] for run in runs])
    counted = ~np.isnan(values[0])
    bootstrap = Bootstrap(counted, np.zeros(counted.shape[1], dtype=int))
    return np.nanmean(values, axis=-1), bootstrap.means(values)


def _keeping(
    runs: Sequence[Result],
    tasks: Sequence[str],
    bounds: Mapping[str, float],
    means: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Find the runs that keep the bounds."""
    least = np.array([bounds.get(task, -np.inf) for task in tasks])
    kept = np.flatnonzero((means >= least).all(axis=1))
    if len(kept) == 0:
        nearest = int(np.argmin(np.maximum(least - means, 0).max(axis=1)))
        values = zip(tasks, means[nearest], strict=True)
        shown = ", ".join(f"{task} {mean:.4f}" for task, mean in values)
        raise ValueError(
            f"no run keeps the bounds; the nearest is {runs[nearest].name} with {shown}"
        )
    return kept


def _runs(results: Sequence[Result], tasks: tuple[str, ...], fold: int | None) -> list[Result]:
    """Select the runs of a task set and a fold, with the baselines of its tasks."""
    fits = [run for run in results if run.tasks == tasks or run.baseline_of in tasks]
    found = [run for run in fits if run.fold == fold]
    if not found:
        folds = sorted({run.fold for run in fits if run.fold is not None})
        if fold is not None and fits and not folds:
            raise ValueError(f"`fold` must be left out, the study has no folds; got {fold}")
        known = ", ".join(map(str, folds)) or "none"
        raise ValueError(
            f"no finished run of {', '.join(tasks)} in fold {fold}; folds with one: {known}"
        )
    return found


def _check_names(names: Sequence[str], labels: Sequence[str]) -> None:
    for name in names:
        lookup(dict.fromkeys(labels), name, "task")


def _task_set(
    sets: Sequence[tuple[str, ...]], wished: Sequence[str], tasks: Sequence[str] | None
) -> tuple[str, ...]:
    """Find the task set of the wish."""
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
    raise ValueError(f"several task sets fit the wish; choose one with `tasks`: {known}")


def parse_preference(text: str) -> dict[str, float]:
    """Parse weights like ``"relevance=0.7,click=0.3"``.

    Examples:
        >>> parse_preference("relevance=0.7, click=0.3")
        {'relevance': 0.7, 'click': 0.3}
    """
    return dict(_pair(part, "=") for part in text.split(","))


def parse_bound(text: str) -> tuple[str, float]:
    """Parse a bound like ``"click>=0.45"`` into task and value.

    Examples:
        >>> parse_bound("click>=0.45")
        ('click', 0.45)
    """
    return _pair(text, ">=")


def _pair(text: str, sign: str) -> tuple[str, float]:
    found = re.fullmatch(rf"\s*(\S+?)\s*{sign}\s*(\S+)\s*", text)
    try:
        if found is not None:
            return found[1], float(found[2])
    except ValueError:
        pass
    raise ValueError(f"expected a task and a number like click{sign}0.3, got {text!r}")


def _weights(
    prefer: Mapping[str, float] | None, bounds: Mapping[str, float], tasks: Sequence[str]
) -> NDArray[np.float64]:
    if prefer is None:
        prefer = dict.fromkeys([task for task in tasks if task not in bounds] or tasks, 1.0)
    weights = np.array([prefer.get(task, 0.0) for task in tasks])
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() == 0:
        raise ValueError(
            f"`prefer` must be non-negative weights, at least one positive, got {dict(prefer)}"
        )
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised
