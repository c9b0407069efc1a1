"""What a run trains on, and what chooses its epoch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .config import RunConfig, did_you_mean
from .evaluate import Evaluation

__all__ = ["selection_value", "selection_weights", "trained_tasks"]


def trained_tasks(config: RunConfig, tasks: tuple[str, ...]) -> list[int]:
    """Indices of the tasks whose losses are computed: all, or the one of ``stl``.

    Raises:
        ValueError: When the method's task or preference does not fit the data's tasks.
    """
    if config.method.name != "stl":
        if config.method.task is not None:
            raise ValueError(f"`method.task` is for 'stl', got it with {config.method.name!r}")
        preference = config.method.preference
        if preference is not None and len(preference) != len(tasks):
            raise ValueError(
                f"`method.preference` must have an entry per task ({', '.join(tasks)}), "
                f"got {len(preference)}"
            )
        return list(range(len(tasks)))
    if config.method.task not in tasks:
        raise ValueError(
            f"`method.task` must be one of the data's tasks; "
            f"{did_you_mean(str(config.method.task), list(tasks))}"
        )
    return [tasks.index(config.method.task)]


def selection_weights(
    config: RunConfig, tasks: tuple[str, ...], trained: list[int]
) -> NDArray[np.float64]:
    """(task,) weights of the validation metric that chooses the epoch, see `EvaluationConfig`."""
    weights = np.zeros(len(tasks))
    if config.method.name == "stl":
        weights[trained] = 1.0
    elif config.evaluation.select_tasks == "main":
        weights[0] = 1.0
    elif config.method.preference is not None:
        weights[:] = config.method.preference
    else:
        weights[:] = 1.0 / len(tasks)
    return weights


def selection_value(measured: Evaluation, weights: NDArray[np.float64], config: RunConfig) -> float:
    """The validation metric that chooses the epoch.

    Raises:
        ValueError: When no validation list has a relevant document for a task that counts.
    """
    means = measured.at(config.evaluation.select_cutoff)
    used = weights > 0
    if np.isnan(means[used]).any():
        missing = [t for t, m in zip(measured.tasks, means, strict=True) if math.isnan(m)]
        raise ValueError(
            f"no validation list has a relevant document for {', '.join(missing)}: "
            "there is nothing to choose the epoch by"
        )
    return float(weights[used] @ means[used])
