"""One training: one forward pass per batch, all losses in one call, one multi-task step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr_data import BucketBatchSampler, RankingBatch, batches
from mtl2r_models import ListTransformer, Ranker
from mtl_optim import LossWeighting, Step, backward

from .config import RunConfig, to_toml
from .data import Splits
from .evaluate import evaluate, query_table, scorer, task_mask
from .record import RunFolder, environment, write_parquet
from .selection import selection_value, selection_weights, trained_tasks
from .state import TrainingState
from .tables import build_loss, build_method

__all__ = ["Progress", "TrainingError", "train"]


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


def train(
    config: RunConfig,
    splits: Splits,
    folder: str | Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> dict[str, Any]:
    """Trains one ranker into a folder, or goes on where a killed training stopped.

    Args:
        config: The run.
        splits: Its data, from `mtl2r_bench.data.load_splits`.
        folder: Of the run; what is finished there is not done again.
        on_progress: Called after every batch.

    Returns:
        The record that was also written to the folder.

    Raises:
        TrainingError: For a loss or gradient that is not finite; task, epoch and batch are named.
        ValueError: For a config that does not fit the data or the folder.
    """
    # All that a config can get wrong comes first, so that a mistake leaves no folder behind.
    trained = trained_tasks(config, splits.tasks)
    weights = selection_weights(config, splits.tasks, trained)
    device = _device(config.train.device)
    loss = build_loss(config.loss)
    state = _initial_state(config, splits, device)
    run = RunFolder(folder)
    run.open(to_toml(config))
    finished = run.finished()
    if finished is not None:
        return finished
    if run.last.is_file():
        state.load(run.last)
    run.rewind(state.epoch)
    while state.epoch < config.train.epochs:
        started = time.perf_counter()
        line = _train_epoch(config, splits, state, loss, trained, device, on_progress)
        measured = evaluate(scorer(state.model, device), splits.validation, config.evaluation)
        value = selection_value(measured, weights, config)
        state.epoch += 1
        if value > state.best_value or config.evaluation.select_tasks == "last":
            state.best_epoch, state.best_value = state.epoch, value
            _ranker(config, splits, state).save(run.ranker)
        run.append(
            line
            | {
                "validation": measured.named(measured.means()),
                "selection": value,
                "seconds": time.perf_counter() - started,
            }
        )
        state.save(run.last)
    return _finish(config, splits, state, run, device)


def _initial_state(config: RunConfig, splits: Splits, device: torch.device) -> TrainingState:
    # Dropout draws from torch's own generator; everything else from generators of its own.
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    model = ListTransformer(
        splits.train.features.shape[1], **config.model.model_dump(), generator=generator
    ).to(device)
    method = build_method(config.method, config.seed)
    optimizer = torch.optim.Adam(
        [*model.parameters(), *method.parameters()], lr=config.train.learning_rate
    )
    scheduler = torch.optim.lr_scheduler.StepLR(
        optimizer, step_size=config.train.step_size, gamma=config.train.gamma
    )
    sampler = BucketBatchSampler(
        splits.train.lengths, batch_size=config.train.batch_size, seed=config.seed
    )
    return TrainingState(model, method, optimizer, scheduler, sampler)


def _train_epoch(
    config: RunConfig,
    splits: Splits,
    state: TrainingState,
    loss: Callable[..., Tensor],
    trained: list[int],
    device: torch.device,
    on_progress: Callable[[Progress], None],
) -> dict[str, Any]:
    model, sampler = state.model.train(), state.sampler
    sampler.set_epoch(state.epoch)
    names = [splits.tasks[i] for i in trained]
    loss_sum, weight_sum = np.zeros(len(trained)), np.zeros(len(trained))
    count = 0
    for count, batch in enumerate(batches(splits.train, sampler), start=1):
        where = f"epoch {state.epoch + 1}, batch {count} (queries {_some(batch.query_ids)})"
        batch = batch.to(device)
        scores = model(batch.features, batch.mask)
        losses = loss(scores, batch.labels[trained], mask=_mask_of(batch, trained))
        step = _backward(losses, scores, state, config, names, where)
        if config.train.clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.train.clip_norm)
        state.optimizer.step()
        loss_sum += step.losses.double().cpu().numpy()
        if step.weights is not None:
            weight_sum += step.weights.double().cpu().numpy()
        on_progress(
            Progress(
                state.epoch + 1,
                config.train.epochs,
                count,
                len(sampler),
                tuple((loss_sum / count).tolist()),
            )
        )
    state.scheduler.step()
    return {
        "epoch": state.epoch + 1,
        "loss": dict(zip(names, (loss_sum / count).tolist(), strict=True)),
        "weight": dict(zip(names, (weight_sum / count).tolist(), strict=True)),
    }


def _backward(
    losses: Tensor,
    scores: Tensor,
    state: TrainingState,
    config: RunConfig,
    names: list[str],
    where: str,
) -> Step:
    """Fills the gradients; all tasks share every parameter, and one score per document."""
    for name, value in zip(names, losses.tolist(), strict=True):
        if not math.isfinite(value):
            raise TrainingError(f"the loss of task {name!r} is {value} at {where}")
    state.optimizer.zero_grad(set_to_none=True)
    route: dict[str, Any] = {}
    if not isinstance(state.method, LossWeighting):
        route = (
            {"features": [scores]}
            if config.train.route == "features"
            else {"shared": list(state.model.shared_parameters())}
        )
    try:
        return backward(losses, state.method, **route)
    except ValueError as error:
        raise TrainingError(f"{error} (tasks {', '.join(names)}; {where})") from error


def _finish(
    config: RunConfig,
    splits: Splits,
    state: TrainingState,
    run: RunFolder,
    device: torch.device,
) -> dict[str, Any]:
    """Measures the chosen epoch's ranker on validation and test and writes the record."""
    ranker = Ranker.load(run.ranker)
    score = scorer(ranker.model.to(device), device)
    measured = {
        name: evaluate(score, dataset, config.evaluation)
        for name, dataset in splits.items().items()
        if name != "train"
    }
    write_parquet(run.queries, query_table(measured))
    log = run.epochs()
    record = {
        "method": config.method.model_dump(mode="json"),
        "seed": config.seed,
        "tasks": list(splits.tasks),
        "select_cutoff": config.evaluation.select_cutoff,
        "epoch": state.best_epoch,
        "epochs": config.train.epochs,
        "parameters": sum(p.numel() for p in state.model.parameters()),
        "loss": log[state.best_epoch - 1]["loss"],
        "metrics": {name: result.named(result.means()) for name, result in measured.items()},
        "standard_errors": {
            name: result.named(result.standard_errors()) for name, result in measured.items()
        },
        "seconds": sum(line["seconds"] for line in log),
        "data": {name: split.checksum() for name, split in splits.items().items()},
        "environment": environment(device),
    }
    run.finish(record)
    return record


def _ranker(config: RunConfig, splits: Splits, state: TrainingState) -> Ranker:
    return Ranker(
        state.model,
        transform=splits.transform,
        feature_ids=splits.train.feature_ids,
        tasks=splits.tasks,
        metadata={
            "labels": [spec.to_dict() for spec in splits.train.label_specs],
            "method": config.method.model_dump(mode="json"),
            "epoch": state.epoch,
            "seed": config.seed,
        },
    )


def _mask_of(batch: RankingBatch, trained: list[int]) -> Tensor:
    mask = task_mask(batch)
    return mask if mask.dim() == 2 else mask[trained]


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"`train.device` must be auto, cpu or cuda[:n], got {name!r}") from error


def _some(names: tuple[str, ...], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
