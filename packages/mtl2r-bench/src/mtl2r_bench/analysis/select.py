"""Which of a study's rankers to take, for stated wishes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ltr_data.files import atomic_write
from mtl2r_models import Ranker

from ..config import EvaluationConfig
from ..runs.study_folder import StudyFolder
from ..study.plan import task_sets
from ..table import did_you_mean
from .bootstrap import Bootstrap, Estimate, estimates
from .results import Result, collect

LEVEL = 0.95
"""Of the intervals."""

ROUNDING = 1e-12
"""Values that differ by less are the same: runs may have the same ranker."""


@dataclass(frozen=True)
class Choice:
    """A run that was chosen, what its ranker gives for what, and how sure that is.

    Intervals are of 95 %, by the bootstrap over lists.

    Attributes:
        result: The run.
        tasks: The task set.
        metric: What was compared.
        value: Of the wish on validation: the weighted mean of the tasks' metrics.
        validation: (task,) the metric on validation, which the choice was made by.
        split: Which split `reported` is of: test, or validation where there is no test.
        reported: (task,) the metric there.
        change: (task,) its change there, in per cent of the task's own baseline; None without one.
        runner_up: The next best run; None where there is no other.
        lead: How much `value` is above the next best's, paired over lists; None without one.
        probability: In how many of the resamples no other run served the wish better, 0 to 1.
        candidates: How many runs there were to choose from, the bounds kept.
    """

    result: Result
    tasks: tuple[str, ...]
    metric: str
    value: Estimate
    validation: tuple[Estimate, ...]
    split: str
    reported: tuple[Estimate, ...]
    change: tuple[Estimate | None, ...]
    runner_up: Result | None
    lead: Estimate | None
    probability: float
    candidates: int

    @property
    def verdict(self) -> str:
        """How sure the choice is, in words; empty where there was no other run."""
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
    fold: int | None = None,
) -> Choice:
    """The finished run of a study that serves a wish best, on the validation lists.

    The baselines of the task set are among those to choose from.

    Args:
        path: The study's folder.
        prefer: Weights of the tasks; they are scaled to sum to 1. None weighs all alike, or, where
            there are bounds, those without one.
        bounds: The least value of a task's metric.
        tasks: The task set, where the study has several; None takes the one that holds all tasks of
            the wish, if there is only one.
        fold: Whose runs, where the study has several folds; None takes its first.

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
    _check_names([*(prefer or ()), *bounds], labels)
    chosen = _task_set(task_sets(study, labels), [*(prefer or ()), *bounds], tasks)
    weights = _weights(prefer, bounds, chosen)
    runs = _runs(results, chosen, results[0].fold if fold is None else fold)
    validation = _Lists.of(runs, chosen, study.evaluation, "validation")
    least = np.array([bounds.get(task, -np.inf) for task in chosen])
    kept = np.flatnonzero((validation.means >= least).all(axis=1))
    if len(kept) == 0:
        nearest = int(np.argmin(np.maximum(least - validation.means, 0).max(axis=1)))
        values = zip(chosen, validation.means[nearest], strict=True)
        shown = ", ".join(f"{task} {mean:.4f}" for task, mean in values)
        raise ValueError(
            f"no run keeps the bounds; the nearest is {runs[nearest].name} with {shown}"
        )
    value, drawn = validation.means @ weights, validation.drawn @ weights  # of the wish
    order = kept[np.argsort(-value[kept], kind="stable")]
    best, others = int(order[0]), order[1:]
    lead = None
    if len(others) > 0:
        gap = drawn[:, [best]] - drawn[:, [others[0]]]
        (lead,) = estimates(value[[best]] - value[others[0]], gap, LEVEL)
    split = "test" if "test" in runs[best].record["metrics"] else "validation"
    reported = _Lists.of(runs, chosen, study.evaluation, split)
    return Choice(
        result=runs[best],
        tasks=chosen,
        metric=f"ndcg@{study.evaluation.select_cutoff}",
        value=estimates(value[[best]], drawn[:, [best]], LEVEL)[0],
        validation=estimates(validation.means[best], validation.drawn[:, best], LEVEL),
        split=split,
        reported=estimates(reported.means[best], reported.drawn[:, best], LEVEL),
        change=tuple(_change(reported, runs, best, k) for k in range(len(chosen))),
        runner_up=runs[others[0]] if len(others) > 0 else None,
        lead=lead,
        probability=float((drawn[:, best] > drawn[:, kept].max(axis=1) - ROUNDING).mean()),
        candidates=len(kept),
    )


@dataclass(frozen=True)
class _Lists:
    """Runs on the lists of one split.

    Attributes:
        tasks: Names.
        means: (run, task).
        drawn: (resample, run, task), means over lists drawn again and again.
    """

    tasks: tuple[str, ...]
    means: NDArray[np.float64]
    drawn: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        runs: Sequence[Result],
        tasks: tuple[str, ...],
        config: EvaluationConfig,
        split: str,
    ) -> Self:
        values = np.stack(
            [
                run.query_values(split, f"ndcg@{config.select_cutoff}")[
                    [list(run.record["labels"]).index(task) for task in tasks]
                ]
                for run in runs
            ]
        )
        if not isinstance(config.empty, str):
            values = np.where(np.isnan(values), config.empty, values)
        counted = ~np.isnan(values[0])
        bootstrap = Bootstrap(counted, np.zeros(counted.shape[1], dtype=int))
        return cls(tasks, np.nanmean(values, axis=-1), bootstrap.means(values))


def _change(lists: _Lists, runs: Sequence[Result], run: int, task: int) -> Estimate | None:
    """A run's change in per cent of the baseline of a task, of its own seed where there is one."""
    found = [
        i
        for i, other in enumerate(runs)
        if other.is_baseline and other.tasks == (lists.tasks[task],)
    ]
    if not found:
        return None
    base = next((i for i in found if runs[i].seed == runs[run].seed), found[0])
    relative = 100 * (lists.means[[run], task] / lists.means[[base], task] - 1)
    drawn = 100 * (lists.drawn[:, [run], task] / lists.drawn[:, [base], task] - 1)
    return estimates(relative, drawn, LEVEL)[0]


def _runs(results: Sequence[Result], tasks: tuple[str, ...], fold: int | None) -> list[Result]:
    """The runs of a task set and a fold, with the baselines of its tasks."""
    fits = [
        run
        for run in results
        if run.tasks == tasks or (run.is_baseline and set(run.tasks) <= set(tasks))
    ]
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
