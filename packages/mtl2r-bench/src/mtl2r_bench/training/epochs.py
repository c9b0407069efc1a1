"""The loop over epochs: train, evaluate, keep the best ranker, save the state."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch

from mtl2r_models import Ranker

from ..config import RunConfig
from ..progress import OnProgress, Progress
from ..runs.run_folder import RunFolder
from .epoch import Engine
from .state import TrainingState

Judgement: TypeAlias = Callable[[Ranker], tuple[float, Mapping[str, Mapping[str, float]]]]
"""A function from a ranker to its selection value and its validation metrics by label."""


def train_epochs(engine: Engine, run: RunFolder, judge: Judgement, on_progress: OnProgress) -> None:
    """Train to the last epoch, from the folder's checkpoint if there is one.

    After every epoch the ranker is evaluated on validation and saved if it is the best so far. Then
    the log gets a line and the state is saved. A kill between any two of these loses no epoch.
    """
    state, config = engine.state, engine.config
    if run.last.is_file():
        state.load(run.last)
    if state.group.first:
        run.rewind(state.epoch)
    after_step = _checkpoints(config, state, run.last, on_progress)
    while state.epoch < config.train.epochs:
        # Count the time of the epoch's steps before a kill.
        started = time.perf_counter() - state.tally.seconds
        engine.run_epoch(after_step)
        value, validation = judge(state.evaluated)
        tally = state.tally
        line = {
            "epoch": state.epoch + 1,
            "loss": dict(zip(engine.names, (tally.losses / tally.steps).tolist(), strict=True)),
            "weight": dict(zip(engine.names, (tally.weights / tally.steps).tolist(), strict=True)),
            "validation": validation,
            "selection": value,
            "seconds": time.perf_counter() - started,
        }
        state.next_epoch()
        if value > state.best_value or _takes_last(config):
            state.best_epoch, state.best_value = state.epoch, value
            if state.group.first:
                state.evaluated.save(run.ranker)
        if state.group.first:
            run.append(line)
        state.save(run.last)
    state.group.wait()


def chosen(log: Sequence[Mapping[str, Any]], config: RunConfig) -> Mapping[str, Any]:
    """Return the log line of the epoch whose ranker was kept."""
    return log[-1] if _takes_last(config) else max(log, key=lambda line: line["selection"])


def _takes_last(config: RunConfig) -> bool:
    return config.evaluation.select_tasks == "last"


def _checkpoints(
    config: RunConfig, state: TrainingState, path: Path, on_progress: OnProgress
) -> Callable[[Progress], None]:
    """Return a function that, after every step, reports progress and saves the state if it is due.

    Only the first process of the group reports.
    """
    last = time.monotonic()

    def after_step(progress: Progress) -> None:
        nonlocal last
        # The first process's clock decides for all, since all must save together.
        late = time.monotonic() - last >= config.train.checkpoint_seconds
        due = torch.tensor(float(late and state.group.first), device=state.group.device)
        if state.group.total(due).item() > 0:
            state.save(path)
            last = time.monotonic()
        if state.group.first:
            on_progress(progress)

    return after_step
