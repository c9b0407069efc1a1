"""One ranker for all preferences of a study: trained once, with a run for each preference.

The runs of a study that differ in nothing but their preference share one training. The first of
them does it, in a folder beside theirs; the others wait, or find it done. Each takes the ranker at
its preference and is then measured as any run is.
"""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr_data import atomic_write
from mtl2r_models import PreferenceConditioned, Ranker
from mtl2r_models.conditioned import stratified_preferences

from ...config import RunConfig, to_toml
from ...data.splits import Splits
from ...distributed import ALONE
from ...evaluation.certificate import certificate
from ...evaluation.evaluate import evaluate, label_scores, query_table, scorer
from ...evaluation.selection import selection_value, selection_weights, trained_tasks
from ...progress import OnProgress, Progress
from ...runs.run_folder import RunFolder, write_parquet
from ..build import build_loss, build_method
from ..checkpoints import checkpoints
from ..distillation import training_data
from ..epoch import Engine
from ..start import initial_state
from ..summary import describe, summarise

RAYS = 5
"""Preferences at which an epoch is judged on validation."""

_MARGIN = 0.02
"""The least entry of a preference in training: an open end of the front is not learned well."""


def train_conditioned(
    config: RunConfig, splits: Splits, folder: str | Path, on_progress: OnProgress
) -> dict[str, Any]:
    """The run of one preference of a conditioned ranker.

    `method.options` are ``passes`` (times the epochs of a run of one preference), ``mu`` and
    ``average`` of `mtl_optim.SmoothChebyshev`, and ``code`` and ``rank`` of
    `PreferenceConditioned`. The
    record's ``parameters`` and ``seconds`` are those of the one ranker that all preferences share.
    It trains on one process and on the CPU.

    Args:
        config: The run, with a preference.
        splits: Its data.
        folder: Of the run.
        on_progress: Called after every step of the training, where this run does it.

    Returns:
        The record that was also written to the folder.

    Raises:
        TrainingError: For a loss or gradient that is not finite.
        ValueError: For a config that does not fit the data or the folder.
    """
    trained = trained_tasks(config, splits.tasks)
    tasks = tuple(splits.tasks[i] for i in trained)
    build_method(config.method, tasks)
    run = RunFolder(folder)
    if (finished := run.begun(to_toml(config))) is not None:
        return finished
    with run.held():
        shared = shared_folder(config, run.path.parent)
        shared.open(_shared_text(config))
        while not shared.lock.acquire():
            time.sleep(0.1)
        try:
            whole = _trained(config, splits, trained, shared, on_progress)
        finally:
            shared.lock.release()
        return _finish(config, splits, trained, run, whole, shared)


def _finish(
    config: RunConfig,
    splits: Splits,
    trained: list[int],
    run: RunFolder,
    whole: Ranker,
    shared: RunFolder,
) -> dict[str, Any]:
    """Takes the ranker at the run's preference, measures it and writes the record."""
    tasks = tuple(splits.tasks[i] for i in trained)
    model = whole.model
    assert isinstance(model, PreferenceConditioned)  # noqa: S101 - what `_trained` makes
    ranker = Ranker(
        model.at(config.method.preference or ()),
        transform=whole.transform,
        feature_ids=whole.feature_ids,
        tasks=tasks,
    )
    score = label_scores(scorer(ranker, torch.device("cpu")), trained, len(splits.tasks))
    measured = {
        name: evaluate(score, dataset, config.evaluation)
        for name, dataset in splits.measured().items()
    }
    log = shared.epochs()
    last = config.evaluation.select_tasks == "last"
    best = log[-1] if last else max(log, key=lambda line: line["selection"])
    record = summarise(
        config,
        splits,
        tasks,
        measured,
        torch.device("cpu"),
        epoch=best["epoch"],
        epochs=len(log),
        parameters=sum(p.numel() for p in model.parameters()),
        loss=best["loss"],
        seconds=sum(line["seconds"] for line in log),
    )
    loss = build_loss(config.loss)
    record["certificate"] = certificate(config, splits, ranker, loss, trained, torch.device("cpu"))
    describe(ranker, config, splits, best["epoch"], measured)
    ranker.save(run.ranker)
    write_parquet(run.queries, query_table(measured))
    # The report's curves are of the training that the runs share.
    with atomic_write(run.log) as file:
        file.write(shared.log.read_bytes())
    run.finish(record)
    return record


def shared_folder(config: RunConfig, beside: Path) -> RunFolder:
    """Of the training that runs share which differ in their preference alone."""
    digest = hashlib.sha256(_shared_text(config).encode()).hexdigest()
    return RunFolder(beside / f"conditioned-{digest[:12]}")


def shared_epochs(config: RunConfig) -> int:
    """Of that training."""
    return config.train.epochs * int(config.method.options.get("passes", 1))


def _shared_text(config: RunConfig) -> str:
    method = config.method.model_copy(update={"preference": None})
    return to_toml(config.model_copy(update={"method": method}))


def _trained(
    config: RunConfig,
    splits: Splits,
    trained: list[int],
    run: RunFolder,
    on_progress: OnProgress,
) -> Ranker:
    """The conditioned ranker of the best epoch; trained here, or gone on with, or found done."""
    epochs = shared_epochs(config)
    if len(run.epochs()) == epochs:  # the best one's ranker was saved before its line
        return Ranker.load(run.ranker)
    config = config.model_copy(
        update={"train": config.train.model_copy(update={"epochs": epochs, "device": "cpu"})}
    )
    learned = training_data(config, splits, trained, on_progress)
    state = initial_state(config, splits, trained, ALONE, learned)
    if run.last.is_file():
        state.load(run.last)
    run.rewind(state.epoch)
    model, method = state.network, state.method
    assert isinstance(model, PreferenceConditioned)  # noqa: S101 - `initial_state` made it
    engine = Engine(config, learned, state, build_loss(config.loss), trained)
    after_step = checkpoints(config, state, run.last, on_progress)
    while state.epoch < epochs:
        # As if the epoch had begun so long ago as its steps before a kill took.
        started = time.perf_counter() - state.tally.seconds
        generator = torch.Generator().manual_seed(config.seed + 1_000_003 * (state.epoch + 1))
        rays = stratified_preferences(
            len(state.loader), len(trained), margin=_MARGIN, generator=generator
        )
        left = iter(rays[state.tally.steps :])

        def turn(progress: Progress | None = None, left: Iterator[Tensor] = left) -> None:
            ray = next(left, None)
            if ray is not None:
                model.prefer(ray)
                method.preference.copy_(ray)  # type: ignore[operator]  # a buffer
            if progress is not None:
                after_step(progress)

        turn()
        engine.run_epoch(turn)
        value, validation = _judge(config, splits, trained, state.evaluated)
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
        if value > state.best_value or config.evaluation.select_tasks == "last":
            state.best_epoch, state.best_value = state.epoch, value
            state.evaluated.save(run.ranker)
        run.append(line)
        state.save(run.last)
    return Ranker.load(run.ranker)


def _judge(
    config: RunConfig, splits: Splits, trained: list[int], ranker: Ranker
) -> tuple[float, dict[str, dict[str, float]]]:
    """Means over some preferences of what chooses the epoch, and of the validation metrics."""
    model = ranker.model
    assert isinstance(model, PreferenceConditioned)  # noqa: S101 - `initial_state` made it
    score = label_scores(scorer(ranker, torch.device("cpu")), trained, len(splits.tasks))
    generator = torch.Generator().manual_seed(0)
    values, means = [], []
    for ray in stratified_preferences(RAYS, len(trained), margin=_MARGIN, generator=generator):
        preference = ray.double() / ray.double().sum()
        model.prefer(preference)
        method = config.method.model_copy(update={"preference": tuple(preference.tolist())})
        weights = selection_weights(
            config.model_copy(update={"method": method}), splits.tasks, trained
        )
        measured = evaluate(score, splits.validation, config.evaluation)
        values.append(selection_value(measured, weights, config))
        means.append(measured.means())
    return float(np.mean(values)), measured.named(np.mean(means, axis=0))
