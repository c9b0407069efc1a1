"""The life of one training: from its config to its record, over any number of interruptions."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from torch import Tensor

from ltr_data import RankingBatch
from mtl2r_models import Ranker

from ..config import RunConfig, to_toml
from ..data.splits import Splits
from ..distributed import pick_device, process_group
from ..evaluation.certificate import certificate
from ..evaluation.evaluate import evaluate, label_scores, query_table, scorer
from ..evaluation.selection import selection_value, selection_weights, trained_tasks
from ..progress import OnProgress, nobody
from ..runs.run_folder import RunFolder, write_parquet
from ..table import CONDITIONED, TREES
from .build import build_loss
from .checkpoints import checkpoints
from .distillation import training_data
from .epoch import Engine
from .learners.conditioned import train_conditioned
from .learners.trees import train_trees
from .memory import keep_freed_memory
from .optimisation import casting
from .start import initial_state
from .state import TrainingState
from .summary import describe, summarise


def train(
    config: RunConfig,
    splits: Splits,
    folder: str | Path,
    on_progress: OnProgress = nobody,
) -> dict[str, Any]:
    """Trains one ranker into a folder, or goes on where a killed training stopped.

    Under torchrun every process calls it alike; each trains on its share of every batch, and the
    result is that of one process, up to rounding and the draws of dropout.

    Args:
        config: The run.
        splits: Its data, from `mtl2r_bench.data.splits.load_splits`.
        folder: Of the run; what is finished there is not done again.
        on_progress: Called after every batch, and after every tree of trees and teachers.

    Returns:
        The record that was also written to the folder.

    Raises:
        TrainingError: For a loss or gradient that is not finite, with task, epoch and batch; or
            when another process of the group is gone.
        ValueError: For a config that does not fit the data or the folder, or a folder in which
            another process trains.
    """
    if config.method.name in TREES:
        return train_trees(config, splits, folder, on_progress)
    if config.method.name == CONDITIONED:
        return train_conditioned(config, splits, folder, on_progress)
    # All that a config can get wrong comes first, so that a mistake leaves no folder behind.
    trained = trained_tasks(config, splits.tasks)
    weights = selection_weights(config, splits.tasks, trained)
    device = pick_device(config.train.device)
    loss = build_loss(config.loss)
    if device.type == "cpu":
        keep_freed_memory()
    run = RunFolder(folder)
    with ExitStack() as stack:
        group = stack.enter_context(process_group(device))
        if group.first and run.config.is_file():
            run.open(to_toml(config))
        group.wait()
        finished = run.finished()
        if finished is not None:  # no teacher is trained for it
            return finished
        learned = training_data(config, splits, trained, on_progress if group.first else nobody)
        state = initial_state(config, splits, trained, group, learned)
        if group.first:
            run.open(to_toml(config))
            stack.enter_context(run.held())
        group.wait()
        finished = run.finished()
        if finished is not None:
            return finished
        if run.last.is_file():
            state.load(run.last)
        if group.first:
            run.error.unlink(missing_ok=True)
            run.rewind(state.epoch)
        engine = Engine(config, learned, state, loss, trained)
        score = label_scores(_scorer(config, state), trained, len(splits.tasks))
        after_step = checkpoints(config, state, run.last, on_progress)
        while state.epoch < config.train.epochs:
            # As if the epoch had begun so long ago as its steps before a kill took.
            started = time.perf_counter() - state.tally.seconds
            engine.run_epoch(after_step)
            tally = state.tally
            measured = evaluate(score, splits.validation, config.evaluation, group)
            value = selection_value(measured, weights, config)
            line = {
                "epoch": state.epoch + 1,
                "loss": dict(zip(engine.names, (tally.losses / tally.steps).tolist(), strict=True)),
                "weight": dict(
                    zip(engine.names, (tally.weights / tally.steps).tolist(), strict=True)
                ),
                "validation": measured.named(measured.means()),
                "selection": value,
                "seconds": time.perf_counter() - started,
            }
            state.next_epoch()
            if value > state.best_value or config.evaluation.select_tasks == "last":
                state.best_epoch, state.best_value = state.epoch, value
                if group.first:
                    describe(state.evaluated, config, splits, state.epoch, {"validation": measured})
                    state.evaluated.save(run.ranker)
            if group.first:
                run.append(line)
            state.save(run.last)
        group.wait()
        return _finish(config, splits, state, run, loss, trained)


def _finish(
    config: RunConfig,
    splits: Splits,
    state: TrainingState,
    run: RunFolder,
    loss: Callable[..., Tensor],
    trained: list[int],
) -> dict[str, Any]:
    """Measures the chosen epoch's ranker on validation and test and writes the record."""
    group = state.group
    ranker = Ranker.load(run.ranker).to(group.device)
    score = label_scores(scorer(ranker, group.device), trained, len(splits.tasks))
    measured = {
        name: evaluate(score, dataset, config.evaluation, group)
        for name, dataset in splits.measured().items()
    }
    log = run.epochs()
    record = summarise(
        config,
        splits,
        ranker.tasks,
        measured,
        group.device,
        epoch=state.best_epoch,
        epochs=config.train.epochs,
        parameters=sum(p.numel() for p in state.ranker.parameters()),
        loss=log[state.best_epoch - 1]["loss"],
        seconds=sum(line["seconds"] for line in log),
    )
    record["environment"]["processes"] = group.size
    if group.first:
        found = certificate(config, splits, ranker, loss, trained, group.device)
        record["certificate"] = found
    if group.first:
        describe(ranker, config, splits, state.best_epoch, measured)
        ranker.save(run.ranker)
        write_parquet(run.queries, query_table(measured))
        run.finish(record)
    group.wait()
    return record


def _scorer(config: RunConfig, state: TrainingState) -> Callable[[RankingBatch], Tensor]:
    """The scores of what is trained, in the precision of the training."""
    inner = scorer(state.evaluated, state.group.device)

    def score(batch: RankingBatch) -> Tensor:
        with casting(config.train, state.group.device):
            return inner(batch).float()

    return score
