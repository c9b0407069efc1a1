"""A run of boosted trees: the same folder and record as a network's, with the trees inside."""

from pathlib import Path
from typing import Any

import torch

from ltr_data import atomic_write

from ...config import GBDTConfig, RunConfig, to_toml, validate
from ...data.splits import Splits
from ...evaluation.evaluate import evaluate, query_table
from ...evaluation.selection import selection_weights, trained_tasks
from ...progress import OnTree, nobody
from ...runs.run_folder import RunFolder, write_parquet
from ...table import TREES
from ..boosting import fit_trees
from ..summary import summarise


def train_trees(
    config: RunConfig, splits: Splits, folder: str | Path, on_progress: OnTree = nobody
) -> dict[str, Any]:
    """Trains LightGBM's LambdaMART into a run's folder, where that is not yet done.

    The run's model, loss and optimisation have no part in it; `method.options` are those of
    `GBDTConfig`. The trees are in ``trees.txt``, which `lightgbm.Booster(model_file=...)` reads.

    Args:
        config: The run, of a method of `mtl2r_bench.table.TREES`.
        splits: Its data.
        folder: Of the run.
        on_progress: Called after every tree.

    Returns:
        The record that was also written to the folder.

    Raises:
        ImportError: Without ``pip install "mtl2r-bench[gbdt]"``.
        ValueError: For a config that does not fit the data or the folder.
    """
    trained = trained_tasks(config, splits.tasks)
    options = validate(GBDTConfig, config.method.options, f"method {config.method.name!r}")
    tasks = tuple(splits.tasks[i] for i in trained)
    preference = [0.0] * len(splits.tasks)
    for index, weight in zip(trained, config.method.preference or (), strict=True):
        preference[index] = weight
    run = RunFolder(folder)
    if (finished := run.begun(to_toml(config))) is not None:
        return finished
    trees = fit_trees(
        splits.train,
        splits.validation,
        preference=preference,
        weights=selection_weights(config, splits.tasks, trained),
        evaluation=config.evaluation,
        aggregation=TREES[config.method.name].aggregation,
        options=options,
        seed=config.seed,
        on_progress=on_progress,
    )
    measured = {
        name: evaluate(trees, dataset, config.evaluation)
        for name, dataset in splits.measured().items()
    }
    record = summarise(
        config,
        splits,
        tasks,
        measured,
        torch.device("cpu"),
        epoch=trees.count,
        epochs=options.rounds,
        parameters=trees.parameters,
        loss={},
        seconds=trees.seconds,
    )
    with atomic_write(run.trees) as file:
        file.write(trees.text.encode())
    write_parquet(run.queries, query_table(measured))
    run.finish(record)
    return record
