"""The trained tasks of a run, and the metric that chooses its epoch."""

import math

import numpy as np
from numpy.typing import NDArray

from ..config import RunConfig
from ..table import BASELINES, METHODS, did_you_mean, lookup
from .evaluate import Evaluation


def trained_tasks(config: RunConfig, labels: tuple[str, ...]) -> list[int]:
    """Return the indices of the trained tasks among the data's labels, the main one first.

    Raise ValueError if the run's tasks, or its method's task or preference, do not match the
    labels.
    """
    method = config.method
    if lookup(METHODS, method.name, "method").is_baseline:
        if method.task not in labels:
            raise ValueError(
                f"`method.task` must be one of the data's tasks; "
                f"{did_you_mean(str(method.task), list(labels))}"
            )
        return [labels.index(method.task)]
    if method.task is not None:
        raise ValueError(f"`method.task` is for {BASELINES!r}, got it with {method.name!r}")
    tasks = labels if config.tasks is None else config.tasks
    for task in tasks:
        if task not in labels:
            raise ValueError(
                f"`tasks` must be among the data's tasks; {did_you_mean(task, list(labels))}"
            )
    if len(set(tasks)) < len(tasks):
        raise ValueError(f"`tasks` must differ, got {', '.join(tasks)}")
    if method.preference is not None and len(method.preference) != len(tasks):
        raise ValueError(
            f"`method.preference` must have an entry per task ({', '.join(tasks)}), "
            f"got {len(method.preference)}"
        )
    return [labels.index(task) for task in tasks]


def selection_weights(
    config: RunConfig, labels: tuple[str, ...], trained: list[int]
) -> NDArray[np.float64]:
    """Return the weights (label,) of the metric that chooses the epoch, see `EvaluationConfig`."""
    weights = np.zeros(len(labels))
    if config.evaluation.select_tasks == "main":
        weights[trained[0]] = 1.0
    elif config.method.preference is not None:
        weights[trained] = config.method.preference
    else:
        weights[trained] = 1.0 / len(trained)
    return weights


def selection_value(measured: Evaluation, weights: NDArray[np.float64], config: RunConfig) -> float:
    """Compute the validation metric that chooses the epoch; ValueError without a list."""
    means = measured.at(config.evaluation.select_cutoff)
    used = weights > 0
    if np.isnan(means[used]).any():
        missing = [t for t, m in zip(measured.tasks, means, strict=True) if math.isnan(m)]
        raise ValueError(
            f"no validation list has a relevant document for {', '.join(missing)}: "
            "there is nothing to choose the epoch by"
        )
    return float(weights[used] @ means[used])


def position(config: RunConfig) -> float | None:
    """Return a run's position along its method's sweep: for two tasks, the weight of the first."""
    preference = config.method.preference
    if preference is None:
        return config.method.position
    return preference[0] if len(preference) == 2 else None
