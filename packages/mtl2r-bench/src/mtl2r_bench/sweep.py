"""All runs of a study, in local processes; what is done is not done again."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ltr_data import atomic_write

from .config import RunConfig, StudyConfig, to_toml
from .data import Splits, load_splits
from .record import RunFolder
from .references import references
from .study import data_of_folds, plan
from .train import TrainingError, train

__all__ = ["Outcome", "StudyFolder", "sweep"]


class StudyFolder:
    """The files of a study.

    study.toml           its config, defaults included
    references.json      random order and best single feature on its data; with several folds
                         references-fold<n>.json for each
    runs/<name>/         one folder a run, see `mtl2r_bench.record`
    results.parquet, report.md, figures/    written by the report
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.study = self.path / "study.toml"
        self.runs = self.path / "runs"
        self.results = self.path / "results.parquet"
        self.report = self.path / "report.md"
        self.figures = self.path / "figures"

    def references_of(self, fold: int | None) -> Path:
        """The references of a fold of ``study.folds``; of the only one, None."""
        return self.path / ("references.json" if fold is None else f"references-fold{fold}.json")


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its record, or the error that ended it."""

    name: str
    record: dict[str, Any] | None
    error: str | None


def sweep(
    study: StudyConfig, out: str | Path, *, jobs: int | None = None, console: Console | None = None
) -> list[Outcome]:
    """Trains every run of a study that is not finished yet.

    Each run is a process of one thread, so that its result does not depend on how many run at
    once. A run that fails is reported at the end; the others go on. When a process is killed, the
    runs that are not finished are begun again, `study.retries` times at most.

    Args:
        study: What to train.
        out: The study's folder.
        jobs: Processes at a time; None takes one per core.
        console: Where progress is shown.

    Returns:
        One outcome per run, in the plan's order.

    Raises:
        ValueError: For a study that does not fit its data, before anything is trained.
        OSError: When a file cannot be written; what was finished is kept.
    """
    console = console or Console()
    folder = StudyFolder(out)
    data = data_of_folds(study)
    runs = plan(study, load_splits(data[0], study.evaluation).tasks)
    folder.runs.mkdir(parents=True, exist_ok=True)
    _write(folder.study, to_toml(study))
    for each in data:
        fold = None if study.folds is None else each.fold
        _write_references(folder.references_of(fold), load_splits(each, study.evaluation), study)
    jobs = min(len(runs), jobs or os.cpu_count() or 1)
    outcomes: dict[str, Outcome] = {}
    with _progress(folder, runs, console) as report:
        for attempt in range(study.retries + 1):
            parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
            left = {name: config for name, config in runs.items() if name not in outcomes}
            calls = (
                joblib.delayed(_run)(name, config, folder.runs / name)
                for name, config in left.items()
            )
            try:
                for outcome in parallel(calls):
                    outcomes[outcome.name] = outcome
                    report(outcome)
                break
            except TerminatedWorkerError:
                console.print(
                    f"a process was killed, perhaps for want of memory (fewer --jobs need less); "
                    f"attempt {attempt + 1} of {study.retries + 1}",
                    highlight=False,
                    soft_wrap=True,
                )
    lost = f"its process, or one beside it, was killed {study.retries + 1} times"
    return [outcomes.get(name, Outcome(name, None, lost)) for name in runs]


def _run(name: str, config: RunConfig, folder: Path) -> Outcome:
    """One run in a worker process.

    What is wrong with the machine, such as a full disk, would end the other runs as well: an
    `OSError` is let through and ends the sweep.
    """
    torch.set_num_threads(1)
    try:
        splits = load_splits(config.data, config.evaluation)
        return Outcome(name, train(config, splits, folder), None)
    except (TrainingError, ValueError) as error:
        message = f"{type(error).__name__}: {error}"
        RunFolder(folder).fail(message)
        return Outcome(name, None, message)


def _write_references(path: Path, splits: Splits, study: StudyConfig) -> None:
    """Measures what any ranker must beat, unless that was done for the same data."""
    checksum = splits.checksums["train"]
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["data"]["checksum"] == checksum:
            return
    found = references(splits, study.evaluation)
    found["data"] = {
        "source": splits.source,
        "tasks": splits.tasks,
        "checksum": checksum,
        "queries": {name: len(split) for name, split in splits.items().items()},
        "documents": {name: int(split.lengths.sum()) for name, split in splits.items().items()},
        "features": len(splits.train.feature_ids),
    }
    _write(path, json.dumps(found, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


@contextmanager
def _progress(folder: StudyFolder, runs: dict[str, RunConfig], console: Console) -> Iterator[Any]:
    """Shows epochs done over all runs, read from their logs, and a line per finished run."""
    total = sum(config.train.epochs for config in runs.values())
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    logs = [RunFolder(folder.runs / name) for name in runs]
    stop = threading.Event()

    def update() -> None:
        bar.update(row, completed=sum(_lines(log.log) for log in logs))

    def watch() -> None:
        while not stop.wait(0.5):
            update()

    with bar:
        row = bar.add_task(f"{len(runs)} runs", total=total)
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()

        def report(outcome: Outcome) -> None:
            bar.console.print(_line(outcome), highlight=False, markup=False, soft_wrap=True)

        try:
            yield report
        finally:
            stop.set()
            watcher.join()
            update()


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def _line(outcome: Outcome) -> str:
    if outcome.record is None:
        return f"failed    {outcome.name}: {outcome.error}"
    split = "test" if "test" in outcome.record["metrics"] else "validation"
    metric = f"ndcg@{outcome.record['select_cutoff']}"
    values = outcome.record["metrics"][split][metric]
    shown = "  ".join(f"{task} {value:.3f}" for task, value in values.items())
    return f"finished  {outcome.name:<22} {shown}  ({outcome.record['seconds']:.0f} s)"
