"""Bounds of the epsilon-constraint method, derived from baselines or converted from a paper's."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ltr_data import RankingDataset

from ..config import MethodConfig


def with_bounds(
    method: MethodConfig,
    tasks: Sequence[str],
    train: RankingDataset,
    baselines: Mapping[str, Mapping[str, Any]],
) -> MethodConfig:
    """Return a method with the bounds of its rule, unchanged if it has no rule.

    The main task is the first. `baselines` are the records of the single-task baselines by task;
    ``"payoff"`` needs those of all `tasks`.
    """
    bounds: dict[str, float]
    if method.rule == "payoff" and method.preference is not None:
        losses = {task: baselines[task]["certificate"]["training_losses"] for task in tasks}
        bounds = payoff_bounds(dict(zip(tasks, method.preference, strict=True)), losses)
    elif method.rule == "bits_per_pair":
        bounds = {
            task: bound * math.log(2) * pairs_per_list(train, task)
            for task, bound in method.options["bounds"].items()
        }
    else:
        return method
    return method.model_copy(update={"options": {**method.options, "bounds": bounds}})


def payoff_bounds(
    preference: Mapping[str, float], losses: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """Derive bounds between a task's loss when trained alone and when the main task is trained.

        ε_k = L_k(k) + t_k (L_k(main) − L_k(k)),   t_k = r_main / (r_main + r_k)

    L_k(j) is the loss of task k after training task j alone, an entry of the payoff table. With all
    weight on the main task, the bounds are the other tasks' losses under the main task's training.
    With no weight on it, they are the other tasks' best losses. For two tasks, t is the main task's
    weight.

    Examples:
        >>> payoff_bounds(
        ...     {"relevance": 0.25, "click": 0.75},
        ...     {"relevance": {"relevance": 1.0, "click": 6.0},
        ...      "click": {"relevance": 5.0, "click": 2.0}},
        ... )
        {'click': 3.0}
    """
    main, *others = preference
    bounds = {}
    for task in others:
        best, worst = losses[task][task], losses[main][task]
        total = preference[main] + preference[task]
        share = preference[main] / total if total > 0 else 0.5
        bounds[task] = best + share * (worst - best)
    return bounds


def pairs_per_list(dataset: RankingDataset, task: str) -> float:
    """Compute the mean number of pairs with different labels, over the lists with such a pair."""
    labels = dataset.labels[dataset.tasks.index(task)]
    pairs = []
    for start, end in zip(dataset.offsets[:-1], dataset.offsets[1:], strict=True):
        _, counts = np.unique(labels[start:end], return_counts=True)
        length = int(counts.sum())
        pairs.append((length * length - int((counts * counts).sum())) / 2)
    teach = [count for count in pairs if count > 0]
    return float(np.mean(teach)) if teach else 0.0
