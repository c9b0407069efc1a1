"""From a study to the list of its runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mtl_optim.pareto import evenly_spaced

from .config import MethodConfig, RunConfig, StudyConfig
from .tables import METHODS, build_loss, build_method, lookup

__all__ = ["plan", "preferences", "run_name"]

_MARGIN = 0.05
"""Distance of evenly spaced preferences from the corners, which the baselines are."""


def plan(study: StudyConfig, tasks: tuple[str, ...]) -> dict[str, RunConfig]:
    """The runs of a study by the names of their folders, baselines first.

    Every method that takes a preference is trained once per vector and seed, every other once per
    seed. Nothing is trained here, but every loss and method is built once, so that a mistake ends
    a study before its first run.

    Raises:
        ValueError: For an unknown method, loss or option, or a preference that does not fit.
    """
    build_loss(study.loss)
    shared = {name: getattr(study, name) for name in ("data", "model", "loss", "train")}
    methods = list(_methods(study, tasks))
    for method in methods:
        build_method(method, tasks)
    runs = {}
    for seed in study.seeds:
        for method in methods:
            config = RunConfig(**shared, evaluation=study.evaluation, method=method, seed=seed)
            runs[run_name(config)] = config
    return runs


def preferences(study: StudyConfig, num_tasks: int) -> list[tuple[float, ...]]:
    """The study's preference vectors.

    Raises:
        ValueError: When a number is asked for with other than two tasks, or a vector has another
            length than there are tasks.
    """
    if isinstance(study.preferences, int):
        if num_tasks != 2:
            raise ValueError(
                f"`preferences` must be a list of vectors for {num_tasks} tasks "
                f"(a number is for two), got {study.preferences}"
            )
        return [tuple(row) for row in evenly_spaced(study.preferences, margin=_MARGIN).tolist()]
    for vector in study.preferences:
        if len(vector) != num_tasks:
            raise ValueError(
                f"`preferences` must be vectors of {num_tasks} entries, one per task, "
                f"got {list(vector)}"
            )
    return list(study.preferences)


def run_name(config: RunConfig) -> str:
    """The name of a run's folder: method, task or preference, options, seed."""
    method = config.method
    parts = [method.name]
    if method.task is not None:
        parts.append(method.task)
    if method.preference is not None:
        parts.append("r" + "_".join(f"{value:.4g}" for value in method.preference))
    parts += [f"{key}{value}" for key, value in sorted(method.options.items())]
    parts.append(f"s{config.seed}")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts))


def _methods(study: StudyConfig, tasks: tuple[str, ...]) -> Iterator[MethodConfig]:
    if study.baselines or len(tasks) == 1:
        for task in tasks:
            yield MethodConfig(name="stl", task=task)
    if len(tasks) == 1:
        return  # With one task every method is single-task training.
    for entry in study.methods:
        method = MethodConfig(name=entry) if isinstance(entry, str) else entry
        if method.name == "stl" or method.preference is not None:
            yield method
        elif lookup(METHODS, method.name, "method").takes_preference:
            for vector in preferences(study, len(tasks)):
                yield method.model_copy(update={"preference": vector})
        else:
            yield method
