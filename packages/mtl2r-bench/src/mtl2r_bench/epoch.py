"""One pass over the training lists: one forward pass per batch, all losses in one call."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor

import mtl_optim
from ltr_data import BucketBatchSampler, RankingBatch, batches

from .config import RunConfig
from .data import Splits
from .evaluate import task_mask
from .state import TrainingState

__all__ = ["Progress", "TrainingError", "train_epoch"]

_SECOND_BATCH = 1_000_003
"""Added to the seed of the batches that two-batch methods compare with."""


class TrainingError(RuntimeError):
    """A training that cannot go on: which task, which epoch, which batch, and why."""


@dataclass(frozen=True)
class Progress:
    """Where a training stands, for whoever shows it.

    Attributes:
        epoch: The current epoch, counted from 1.
        epochs: How many there are.
        batch: Batches done in this epoch.
        batches: How many there are.
        losses: Means over this epoch so far, one per trained task.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    losses: tuple[float, ...]


@dataclass(frozen=True)
class _Objective:
    """The losses of a batch, as vector (task,) with a graph, and the scores they come from."""

    state: TrainingState
    loss: Callable[..., Tensor]
    trained: list[int]

    def __call__(self, batch: RankingBatch) -> tuple[Tensor, Tensor]:
        scores = self.state.model(batch.features, batch.mask)
        mask = task_mask(batch)
        mask = mask if mask.dim() == 2 else mask[self.trained]
        return self.loss(scores, batch.labels[self.trained], mask=mask), scores


def train_epoch(
    config: RunConfig,
    splits: Splits,
    state: TrainingState,
    loss: Callable[..., Tensor],
    trained: list[int],
    on_progress: Callable[[Progress], None],
) -> dict[str, Any]:
    """Trains for one epoch.

    Args:
        config: The run.
        splits: Its data.
        state: What is trained; changed in place, but for its count of epochs.
        loss: From `mtl2r_bench.tables.build_loss`.
        trained: Indices of the tasks whose losses are computed.
        on_progress: Called after every batch.

    Returns:
        The epoch's line of the log: mean losses and weights by task.

    Raises:
        TrainingError: For a loss or gradient that is not finite; task, epoch and batch are named.
    """
    state.model.train()
    state.sampler.set_epoch(state.epoch)
    objective = _Objective(state, loss, trained)
    names = [splits.tasks[i] for i in trained]
    others = _second_batches(config, splits, state)
    loss_sum, weight_sum = np.zeros(len(trained)), np.zeros(len(trained))
    count = 0
    for batch, other in zip(batches(splits.train, state.sampler), others, strict=False):
        count += 1
        where = f"epoch {state.epoch + 1}, batch {count} (queries {_some(batch.query_ids)})"
        step = _step(config, objective, batch, other, names, where)
        loss_sum += step.losses.numpy()
        if step.weights is not None:
            weight_sum += step.weights.numpy()
        on_progress(
            Progress(
                epoch=state.epoch + 1,
                epochs=config.train.epochs,
                batch=count,
                batches=len(state.sampler),
                losses=tuple((loss_sum / count).tolist()),
            )
        )
    state.scheduler.step()
    for part in state.method.modules():
        if isinstance(part, mtl_optim.DynamicWeightAverage):
            part.end_epoch()
    return {
        "epoch": state.epoch + 1,
        "loss": dict(zip(names, (loss_sum / count).tolist(), strict=True)),
        "weight": dict(zip(names, (weight_sum / count).tolist(), strict=True)),
    }


def _step(
    config: RunConfig,
    objective: _Objective,
    batch: RankingBatch,
    other: RankingBatch | None,
    names: list[str],
    where: str,
) -> mtl_optim.Step:
    """One step of the optimizer. All tasks share every parameter, and one score per document."""
    state, device = objective.state, objective.state.device
    batch = batch.to(device)
    dropout = _random_state(device)
    losses, scores = objective(batch)
    for name, value in zip(names, losses.tolist(), strict=True):
        if not math.isfinite(value):
            raise TrainingError(f"the loss of task {name!r} is {value} at {where}")
    state.optimizer.zero_grad(set_to_none=True)
    try:
        step = mtl_optim.backward(
            losses,
            state.method,
            shared=state.model.shared_parameters() if config.train.route == "exact" else None,
            features=[scores] if config.train.route == "features" else None,
            second_batch=None if other is None else objective(other.to(device))[0],
        )
    except ValueError as error:
        raise TrainingError(f"{error} (tasks {', '.join(names)}; {where})") from error
    if config.train.clip_norm > 0:
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), config.train.clip_norm)
    state.optimizer.step()
    looks = [part for part in state.method.modules() if isinstance(part, mtl_optim.SecondLook)]
    if looks:
        # With the dropout of the first look, so that only the step makes a difference.
        after = _random_state(device)
        _set_random_state(device, dropout)
        with torch.no_grad():
            again, _ = objective(batch)
        _set_random_state(device, after)
        for part in looks:
            part.look_again(again)
    return step


def _second_batches(
    config: RunConfig, splits: Splits, state: TrainingState
) -> Iterator[RankingBatch | None]:
    """Batches independent of the step's, without end, for methods that look at two."""
    method = state.method
    if not (isinstance(method, mtl_optim.Weighting) and method.wants_second_batch):
        yield from repeat(None)
    sampler = BucketBatchSampler(
        splits.train.lengths,
        batch_size=config.train.batch_size,
        seed=config.seed + _SECOND_BATCH,
    )
    sampler.set_epoch(state.epoch)
    while True:
        yield from batches(splits.train, sampler)


def _random_state(device: torch.device) -> Tensor:
    """The state of the generator that dropout draws from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_random_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)


def _some(names: tuple[str, ...], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
