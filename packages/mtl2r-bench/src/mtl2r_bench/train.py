"""The life of one training: from its config to its record, over any number of interruptions."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ltr_data import BucketBatchSampler
from mtl2r_models import ListTransformer, Ranker

from .config import RunConfig, to_toml
from .data import Splits
from .epoch import Progress, TrainingError, train_epoch
from .evaluate import evaluate, query_table, scorer
from .record import RunFolder, environment, write_parquet
from .selection import selection_value, selection_weights, trained_tasks
from .state import TrainingState
from .tables import build_loss, build_method

__all__ = ["Progress", "TrainingError", "train"]


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
        line = train_epoch(config, splits, state, loss, trained, on_progress)
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
    method = build_method(config.method, splits.tasks, config.seed)
    optimizer = torch.optim.Adam(
        [*model.parameters(), *method.parameters()], lr=config.train.learning_rate
    )
    scheduler = torch.optim.lr_scheduler.StepLR(
        optimizer, step_size=config.train.step_size, gamma=config.train.gamma
    )
    sampler = BucketBatchSampler(
        splits.train.lengths, batch_size=config.train.batch_size, seed=config.seed
    )
    return TrainingState(model, method, optimizer, scheduler, sampler, device)


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


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"`train.device` must be auto, cpu or cuda[:n], got {name!r}") from error
