"""Expand a study into the list of its runs."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from mtl_optim.pareto import evenly_spaced, riesz

from ..config import DataConfig, MethodConfig, RunConfig, StudyConfig, StudyMethodConfig
from ..table import BASELINES, METHODS, MethodRow, did_you_mean, lookup
from ..training.build import build_loss, provisional
from ..training.learners import check_method

_MARGIN = 0.05  # smallest entry of evenly spread preferences

_DECIMALS = 4  # decimal places of evenly spread preferences


def plan(study: StudyConfig, labels: Sequence[str]) -> dict[str, RunConfig]:
    """Return the runs of a study by folder name, baselines first.

    A baseline is trained once per label, fold and seed, even if several task sets have the label.
    For every task set, fold and seed, a method that takes a preference is trained once per vector,
    and every other method once. A method with its own model is trained with that model. Every loss
    and method is built once, so that a mistake ends a study before its first run. `labels` are full
    names, from `Splits.tasks`.

    Raises:
        ValueError: A method, loss, option or label is unknown, a preference has the wrong length, a
            method has a model that takes none, or different runs would share a folder.
    """
    build_loss(study.loss)
    sets = task_sets(study, labels)
    planned = list(_baselines(study, sets))
    for tasks in sets:
        # A run's config without `tasks` means all labels.
        named = None if study.task_sets is None else tasks
        planned += [(named, method) for method in _methods(study, tasks)]
    for named, method in planned:
        tasks = named or tuple(labels)
        check_method(provisional(method, tasks), tasks)
    shared = {name: getattr(study, name) for name in ("loss", "train", "evaluation")}
    runs: dict[str, RunConfig] = {}
    for data in data_of_folds(study):
        for seed in study.seeds:
            for named, method in planned:
                for draw in range(seed, seed + _repeats(study, method)):
                    config = RunConfig(
                        **shared,
                        data=data,
                        model=method.model or study.model,
                        method=method.of_run(),
                        tasks=named,
                        seed=draw,
                    )
                    name = run_name(config, study)
                    if runs.setdefault(name, config) != config:
                        raise ValueError(
                            f"two different runs would have the name {name!r}: give one of their "
                            "methods a `variant`"
                        )
    return runs


def task_sets(study: StudyConfig, labels: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the sets of labels that are trained together, by full names.

    The study names its labels as in its ``data.tasks`` or by full names.

    Raises:
        ValueError: A label is not in the study's data, or is in a set twice.

    Examples:
        >>> study = StudyConfig(task_sets="pairs")
        >>> task_sets(study, ("relevance", "quality", "click"))
        [('relevance', 'quality'), ('relevance', 'click'), ('quality', 'click')]
    """
    if study.task_sets is None:
        return [tuple(labels)]
    if study.task_sets == "pairs":
        return list(combinations(labels, 2))
    aliases = zip(study.data.tasks, labels, strict=True)
    known = {name: name for name in labels}
    known |= {alias: name for alias, name in aliases if isinstance(alias, str)}
    sets = []
    for names in study.task_sets:
        for name in names:
            if name not in known:
                raise ValueError(
                    f"`task_sets` has {name!r}, which is not in `data.tasks`; "
                    f"{did_you_mean(name, list(labels))}"
                )
        found = tuple(known[name] for name in names)
        if not found or len(set(found)) < len(found):
            raise ValueError(f"`task_sets` must have distinct labels, got {list(names)}")
        sets.append(found)
    return list(dict.fromkeys(sets))


def data_of_folds(study: StudyConfig) -> list[DataConfig]:
    """Return the data config of every fold of a study."""
    if study.folds is None:
        return [study.data]
    return [study.data.model_copy(update={"fold": fold}) for fold in study.folds]


def preferences(study: StudyConfig, num_tasks: int) -> list[tuple[float, ...]]:
    """Return the study's preference vectors.

    A number of vectors is spread evenly over the simplex, for more than two tasks by minimal Riesz
    energy. They keep a distance from its edges: the corners are the baselines, and methods that aim
    at a ray divide by the entries.

    Raises:
        ValueError: The length of a vector differs from the number of tasks.

    Examples:
        >>> preferences(StudyConfig(preferences=3), 2)
        [(0.05, 0.95), (0.5, 0.5), (0.95, 0.05)]
    """
    if isinstance(study.preferences, int):
        if num_tasks == 2:
            spread = evenly_spaced(study.preferences, margin=_MARGIN)
        else:
            spread = _MARGIN + (1 - num_tasks * _MARGIN) * riesz(study.preferences, num_tasks)
        # Rounded, so that the name of the folder has the exact vector.
        return [tuple(row) for row in spread.round(decimals=_DECIMALS).tolist()]
    for vector in study.preferences:
        if len(vector) != num_tasks:
            raise ValueError(
                f"`preferences` must be vectors of {num_tasks} entries, one per task, "
                f"got {list(vector)}"
            )
    return list(study.preferences)


def run_name(config: RunConfig, study: StudyConfig) -> str:
    """Return the name of a run's folder: tasks, method, variant, preference, options, fold, seed.

    The name has tasks and fold only if the study lists them, so a study can grow without new names
    for its runs.
    """
    method = config.method
    parts = [] if config.tasks is None else ["+".join(config.tasks)]
    parts.append(method.name)
    if method.task is not None:
        parts.append(method.task)
    if method.variant is not None:
        parts.append(method.variant)
    if method.preference is not None:
        parts.append("r" + "_".join(f"{value:.4g}" for value in method.preference))
    for key, value in sorted(method.options.items()):
        if key == "bounds":
            parts += [f"{task}{bound:.4g}" for task, bound in value.items()]
        else:
            parts.append(f"{key}{value}")
    if study.folds is not None:
        parts.append(f"f{config.data.fold}")
    parts.append(f"s{config.seed}")
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", "-".join(parts))


def _repeats(study: StudyConfig, method: MethodConfig) -> int:
    """Return the number of seeds that a method is trained with, per seed of the study."""
    one_of_many = method.preference is not None or "bounds" in method.options
    return 1 if one_of_many or _row(method).is_baseline else study.repeats


_Planned = tuple[tuple[str, ...] | None, StudyMethodConfig]


def _baselines(study: StudyConfig, sets: Sequence[tuple[str, ...]]) -> Iterator[_Planned]:
    """Yield a baseline for each label in a set; without baselines, for each set of one label."""
    wanted = sets if study.baselines else [tasks for tasks in sets if len(tasks) == 1]
    for task in dict.fromkeys(task for tasks in wanted for task in tasks):
        yield None, StudyMethodConfig(name=BASELINES, task=task)


def _entry(study: StudyConfig, entry: str | StudyMethodConfig) -> StudyMethodConfig:
    """Return a method of the study as a config, with the variant that its model implies."""
    if isinstance(entry, str):
        return StudyMethodConfig(name=entry)
    if entry.model is None:
        return entry
    row = _row(entry)
    if row.is_baseline:
        raise ValueError(
            f"method {entry.name!r} takes no `model`: baselines are of the study's model"
        )
    if not row.has_network:
        raise ValueError(f"method {entry.name!r} takes no `model`: it is boosted trees")
    if entry.model == study.model or entry.variant is not None:
        return entry
    return entry.model_copy(update={"variant": entry.model.label})


def _methods(study: StudyConfig, tasks: tuple[str, ...]) -> Iterator[StudyMethodConfig]:
    """Yield every method of the study for a task set, once per preference or set of bounds."""
    for method in (_entry(study, entry) for entry in study.methods):
        row = _row(method)
        if len(tasks) == 1:  # every method of networks is single-task training
            if not row.has_network:
                yield method.model_copy(update={"preference": (1.0,)})
            continue
        if row.is_baseline or method.preference is not None:
            yield method
            continue
        if row.takes_preference:
            for vector in preferences(study, len(tasks)):
                yield method.model_copy(update={"preference": vector})
        elif row.takes_bounds and "bounds" not in method.options:
            yield from _bounded(study, method, tasks)
        else:
            yield method


def _bounded(
    study: StudyConfig, method: StudyMethodConfig, tasks: tuple[str, ...]
) -> Iterator[StudyMethodConfig]:
    """Yield a method once per set of bounds: given for the task set, or else derived."""
    given = [bounds for bounds in study.bounds if set(bounds.tasks) == set(tasks)]
    if not given:
        if not study.baselines:
            raise ValueError(
                f"the bounds of method {method.name!r} for {', '.join(tasks)} are derived from the "
                "baselines: set `baselines`, or give them in `bounds`"
            )
        for vector in preferences(study, len(tasks)):
            yield method.model_copy(update={"preference": vector, "rule": "payoff"})
        return
    for entry in given:
        rows = [
            dict(zip(entry.values, row, strict=True))
            for row in zip(*entry.values.values(), strict=True)
        ]
        for i, row in enumerate(rows):
            yield method.model_copy(
                update={
                    "options": {**method.options, "bounds": row},
                    "rule": None if entry.unit == "loss" else entry.unit,
                    "position": i / max(len(rows) - 1, 1),
                }
            )


def _row(method: MethodConfig) -> MethodRow:
    return lookup(METHODS, method.name, "method")
