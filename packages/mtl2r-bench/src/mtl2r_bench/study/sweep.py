"""Train all runs of a study that are not finished yet."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from ..config import RunConfig, StudyConfig, to_toml
from ..data.splits import Splits, load_splits
from ..data.suspicious import print_notes
from ..distributed import pick_device
from ..evaluation.reference_rankers import measure_references
from ..runs.files import read_json, write, write_json
from ..runs.run_folder import RunFolder
from ..runs.study_folder import StudyFolder
from ..table import METHODS
from ..training.run import train
from .backends import Backend, WorkerLostError, execute, joined
from .bounds import with_bounds
from .gaps import fill_gaps
from .plan import data_of_folds, plan
from .status import StudyWatch, status_table


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its record, or the error that ended it."""

    name: str
    record: dict[str, Any] | None
    error: str | None


def sweep(
    study: StudyConfig,
    out: str | Path,
    *,
    jobs: int | None = None,
    console: Console | None = None,
    backend: Backend | None = None,
) -> list[Outcome]:
    """Train every run of a study that is not finished yet.

    The baselines come first, since bounds may be derived from them. All other runs follow. Then
    each of the study's adaptive rounds adds one vector for every method and task set, in the
    largest gap of its front. Each run is a process of one thread, so its result does not depend on
    the number of concurrent runs. A run that fails, or whose process is killed, resumes from its
    last checkpoint at most `study.retries` times. The other runs continue, and the error is
    reported at the end. A run with a damaged record resumes from its last checkpoint as well.

    Args:
        study: Config of the study.
        out: Folder of the study.
        jobs: Runs at a time; None takes the capacity of the backend. Not with `backend`.
        console: Console for the progress.
        backend: Where the runs are computed; None is this machine.

    Returns:
        One outcome per run, in the order of the plan.

    Raises:
        ValueError: The study does not match its data, or another sweep works in the folder.
            Nothing is trained in either case.
        OSError: A file cannot be written. Finished runs are kept.
    """
    console = console or Console()
    on_gpu = pick_device(study.train.device).type == "cuda"
    backend = backend or Backend(jobs=jobs, gpu=on_gpu)
    folder = StudyFolder(out)
    data = data_of_folds(study)
    runs = plan(study, load_splits(data[0], study.evaluation).tasks)
    folder.runs.mkdir(parents=True, exist_ok=True)
    if not folder.lock.acquire():
        raise ValueError(f"{folder.path}: another sweep is at work in this folder")
    try:
        splits = {
            folder.references_of(None if study.folds is None else each.fold): load_splits(
                each, study.evaluation
            )
            for each in data
        }
        for path, found in splits.items():
            _check_same_data(folder, path, found)
        print_notes(console, (note for found in splits.values() for note in found.notes))
        write(folder.study, to_toml(study))
        for path, found in splits.items():
            if not path.is_file():
                _write_references(path, found, study)
        with joined(backend):
            return _Sweep(study, folder, runs, backend, console).outcomes()
    finally:
        folder.lock.release()


class _Sweep:
    """The stages of a sweep; the runs of a stage do not depend on one another."""

    def __init__(
        self,
        study: StudyConfig,
        folder: StudyFolder,
        runs: dict[str, RunConfig],
        backend: Backend,
        console: Console,
    ) -> None:
        self.study, self.folder, self.backend, self.console = study, folder, backend, console
        self.runs = runs
        self.done: dict[str, Outcome] = {}

    def outcomes(self) -> list[Outcome]:
        """Train all stages and return the outcomes in the order of the plan."""
        with self._live():
            self._stage(lambda config: METHODS[config.method.name].is_baseline)
            self._stage(lambda config: True)
            for _ in range(self.study.adaptive):
                records = {name: outcome.record for name, outcome in self.done.items()}
                self.runs |= fill_gaps(self.study, self.runs, records)
                self._stage(lambda config: True)
        return [self.done[name] for name in self.runs]

    def _stage(self, belongs: Callable[[RunConfig], bool]) -> None:
        """Train the runs that belong to a stage and are not done."""
        left: dict[str, RunConfig] = {}
        for name, config in self.runs.items():
            if name not in self.done and belongs(config):
                if (damage := RunFolder(self.folder.runs / name).damage()) is not None:
                    self._say(f"damaged   {name}: {damage}; it is rebuilt")
                try:
                    left[name] = self._prepared(config)
                except _BaselineError as error:
                    self._end(Outcome(name, None, str(error)))
        failed: dict[str, Outcome] = {}
        for attempt in range(self.study.retries + 1):
            calls = [(name, config, self.folder.runs / name) for name, config in left.items()]
            if not calls:
                break
            try:
                for outcome in execute(_run, calls, self.backend):
                    if outcome.error is None:
                        del left[outcome.name]
                        failed.pop(outcome.name, None)
                        self._end(outcome)
                    else:
                        failed[outcome.name] = outcome
            except WorkerLostError as error:
                self._say(
                    f"{error} (fewer --jobs need less); attempt {attempt + 1} of "
                    f"{self.study.retries + 1}"
                )
        lost = f"its process, or one beside it, was killed {self.study.retries + 1} times"
        for name in left:
            self._end(failed.get(name, Outcome(name, None, lost)))

    def _prepared(self, config: RunConfig) -> RunConfig:
        """Return a run's config with its bounds, which may depend on baselines."""
        if config.method.rule is None:
            return config
        splits = load_splits(config.data, config.evaluation)
        tasks = config.tasks or splits.tasks
        baselines = {}
        for name, outcome in self.done.items():
            other = self.runs[name]
            same = (other.data, other.seed) == (config.data, config.seed)
            baseline = METHODS[other.method.name].is_baseline
            if baseline and same and other.method.task in tasks:
                if outcome.record is None:
                    raise _BaselineError(f"its bounds need the run {name}, which failed")
                baselines[str(other.method.task)] = outcome.record
        method = with_bounds(config.method, tasks, splits.train, baselines)
        return config.model_copy(update={"method": method})

    def _end(self, outcome: Outcome) -> None:
        self.done[outcome.name] = outcome
        self._say(_line(outcome))

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def _live(self) -> Iterator[None]:
        """Show a table of the running runs below the lines of the finished ones."""
        if not self.console.is_terminal:
            yield
            return
        watch, stop = StudyWatch(self.folder, self.runs), threading.Event()
        jobs = self.backend.processes(len(self.runs))
        live = Live(console=self.console, auto_refresh=False, transient=True)

        def update() -> None:
            watch.runs = dict(self.runs)
            live.update(status_table(watch.look(), jobs), refresh=True)

        def keep_looking() -> None:
            while not stop.wait(1.0):
                update()

        watcher = threading.Thread(target=keep_looking, daemon=True)
        with live:
            watcher.start()
            try:
                yield
            finally:
                stop.set()
                watcher.join()


class _BaselineError(RuntimeError):
    """A run needs a baseline that failed."""


def _run(name: str, config: RunConfig, folder: Path) -> Outcome:
    """Train one run in a worker process.

    A `RuntimeError` comes from the training or from torch, such as a GPU out of memory, and fails
    this run alone. An `OSError`, such as a full disk, would fail the other runs as well, so it ends
    the sweep.
    """
    try:
        splits = load_splits(config.data, config.evaluation)
        return Outcome(name, train(config, splits, folder), None)
    except (RuntimeError, ValueError) as error:
        message = f"{type(error).__name__}: {error}"
        RunFolder(folder).fail(message)
        return Outcome(name, None, message)


def _check_same_data(folder: StudyFolder, path: Path, splits: Splits) -> None:
    """Raise if the folder has runs on other lists; without runs, remove the old references."""
    if not path.is_file():
        return
    stored = read_json(path, "data")["data"]
    if stored["checksum"] == splits.checksums["train"]:
        return
    if any(folder.runs.iterdir()):
        raise ValueError(
            f"{folder.path}: expected a new folder or one with runs on {splits.source}, found "
            f"runs on other lists ({stored['source']})"
        )
    path.unlink()


def _write_references(path: Path, splits: Splits, study: StudyConfig) -> None:
    """Write the metrics of the reference rankers and a description of the data."""
    found = measure_references(splits, study.evaluation)
    found["data"] = {
        "source": splits.source,
        "tasks": splits.tasks,
        "checksum": splits.checksums["train"],
        "queries": {name: len(split) for name, split in splits.items().items()},
        "documents": {name: int(split.lengths.sum()) for name, split in splits.items().items()},
        "features": len(splits.train.feature_ids),
        "labels": {spec.name: spec.to_dict() for spec in splits.train.label_specs},
        "notes": splits.notes,
    }
    write_json(path, found)


def _line(outcome: Outcome) -> str:
    if outcome.record is None:
        return f"failed    {outcome.name}: {outcome.error}"
    split = "test" if "test" in outcome.record["metrics"] else "validation"
    metric = f"ndcg@{outcome.record['select_cutoff']}"
    values: Mapping[str, float] = outcome.record["metrics"][split][metric]
    shown = "  ".join(f"{task} {value:.3f}" for task, value in values.items())
    return f"finished  {outcome.name:<22} {shown}  ({outcome.record['seconds']:.0f} s)"
