"""The life of a run, from its config to its record, across any number of interruptions."""

from pathlib import Path
from typing import Any

from ..config import RunConfig, to_toml
from ..data.splits import Splits
from ..distributed import process_group
from ..evaluation.evaluate import evaluate, query_table
from ..progress import OnProgress, nobody
from ..runs.run_folder import RunFolder
from .learners import learner_of
from .summary import summarise


def train(
    config: RunConfig, splits: Splits, folder: str | Path, on_progress: OnProgress = nobody
) -> dict[str, Any]:
    """Train one ranker into a folder, or resume an interrupted training; return the record.

    The method's row in the table names the learner: a network, one network for all preferences, or
    boosted trees. The steps below are the same for all learners.

    Under torchrun every process calls this function and trains on its share of every batch. The
    result equals that of one process up to rounding and the draws of dropout. Only the first
    process writes files, with the record in ``record.json``.

    Args:
        config: Config of the run.
        splits: Data of the run, from `mtl2r_bench.data.splits.load_splits`.
        folder: Folder of the run. A finished run is not trained again.
        on_progress: Called after every batch, and after every tree of boosted trees and teachers.

    Raises:
        TrainingError: A loss or gradient is not finite (the message names task, epoch and batch),
            or another process of the group is gone.
        ValueError: The config does not match the data or the folder, or another process trains in
            the folder. An invalid config leaves no folder behind.
        ImportError: The method needs an extra that is not installed.
    """
    learner = learner_of(config, splits)
    run = RunFolder(folder)
    with process_group(learner.device) as group, run.training(to_toml(config), group):
        record = run.finished()
        if record is not None:
            return record
        fitted = learner.fit(run, group, on_progress)
        measured = {
            split: evaluate(fitted.score, lists, config.evaluation, group)
            for split, lists in splits.measured().items()
        }
        record = summarise(config, splits, fitted.facts, measured, group)
        if group.first:
            record |= fitted.certify()
            fitted.save(run, measured)
            run.write_queries(query_table(measured))
            run.finish(record)
        group.wait()
        return record
