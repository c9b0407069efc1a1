"""From epoch to epoch: train, judge, keep the best ranker, save the state."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from mtl2r_models import Ranker

from ..config import RunConfig
from ..progress import OnProgress
from ..runs.run_folder import RunFolder
from .checkpoints import checkpoints
from .epoch import Engine

Judgement: TypeAlias = Callable[[Ranker], tuple[float, Mapping[str, Mapping[str, float]]]]
"""From a ranker to the value that chooses the epoch, and the validation metrics by label."""


def train_epochs(engine: Engine, run: RunFolder, judge: Judgement, on_progress: OnProgress) -> None:
    """Train from where the folder's checkpoint stands to the last epoch.

    After every epoch the ranker is judged on validation, and saved where it is the best so far; the
    log gets a line; then the state is saved. A kill between any two of these loses no epoch.

    Args:
        engine: What trains, at its beginning.
        run: Where log, checkpoint and ranker are.
        judge: What an epoch is worth.
        on_progress: Called after every step.
    """
    state, config = engine.state, engine.config
    if run.last.is_file():
        state.load(run.last)
    if state.group.first:
        run.rewind(state.epoch)
    after_step = checkpoints(config, state, run.last, on_progress)
    while state.epoch < config.train.epochs:
        # As if the epoch had begun so long ago as its steps before a kill took.
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
    """Return the log's line of the epoch whose ranker was kept."""
    return log[-1] if _takes_last(config) else max(log, key=lambda line: line["selection"])


def _takes_last(config: RunConfig) -> bool:
    return config.evaluation.select_tasks == "last"
