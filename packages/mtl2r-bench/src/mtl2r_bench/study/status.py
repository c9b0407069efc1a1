"""The status of a study, read from its files during or after a sweep."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..config import RunConfig
from ..runs.files import DamagedError
from ..runs.run_folder import RunFolder
from ..runs.study_folder import StudyFolder
from ..training.learners import training_of
from .gaps import all_runs

State = Literal["finished", "failed", "damaged", "running", "begun", "waiting"]

_SHOWN = 12  # largest number of runs in a live table


@dataclass(frozen=True)
class RunStatus:
    """The status of one run.

    Attributes:
        state: ``"begun"`` means interrupted, and ``"damaged"`` that the record or another file is
            invalid.
        epoch: Number of finished epochs, which took `seconds`.
        losses: Losses of the last epoch by task; empty before the first.
        error: Why the run failed, or what is damaged and how to repair it; else None.
        training: Folder name of the training, which runs that differ in preference may share.
    """

    name: str
    state: State
    epoch: int
    epochs: int
    seconds: float
    losses: Mapping[str, float]
    error: str | None
    training: str

    @property
    def remaining(self) -> int:
        """Number of epochs left."""
        return 0 if self.state == "finished" else self.epochs - self.epoch


class StudyWatch:
    """Repeated status of a study's runs; a finished run is read only once."""

    def __init__(self, folder: StudyFolder, runs: Mapping[str, RunConfig]) -> None:
        self.folder = folder
        self.runs = runs
        self._finished: dict[str, RunStatus] = {}

    def look(self) -> list[RunStatus]:
        """Return the current status of every run."""
        found = []
        for name, config in self.runs.items():
            status = self._finished.get(name)
            if status is None:
                status = _status(name, RunFolder(self.folder.runs / name), config)
                if status.state == "finished":
                    self._finished[name] = status
            found.append(status)
        return found


def study_status(path: str | Path) -> list[RunStatus]:
    """Return the status of every run of a study that was begun in the folder."""
    folder = StudyFolder(path)
    study, labels = folder.begun()
    return StudyWatch(folder, all_runs(study, labels, folder)).look()


def seconds_left(runs: Sequence[RunStatus], jobs: int) -> float | None:
    """Estimate the seconds until all runs are done; None before the first epoch."""
    seen = [run.seconds / run.epoch for run in runs if run.epoch > 0]
    if not seen:
        return None
    remaining = {run.training: run.remaining for run in runs}
    return statistics.mean(seen) * sum(remaining.values()) / jobs


def status_table(runs: Sequence[RunStatus], jobs: int, *, every: bool = False) -> RenderableType:
    """Return a table of the running, damaged and failed runs, with counts and the time left.

    The table omits the error of a damaged run, since a column would break the path in it. `every`
    adds waiting and finished runs. The time left is for `jobs` runs at a time.
    """
    table = Table("run", "state", "epochs", "time", "losses, or error")
    wanted = list(runs)
    if not every:
        wanted = [
            run for state in ("running", "damaged", "failed") for run in runs if run.state == state
        ]
    for run in wanted if every else wanted[:_SHOWN]:
        losses = "  ".join(f"{task} {loss:.4g}" for task, loss in run.losses.items())
        table.add_row(
            Text(run.name),
            run.state,
            f"{run.epoch}/{run.epochs}",
            duration(run.seconds),
            Text((run.error if run.state == "failed" else None) or losses),
        )
    counts = Counter(run.state for run in runs)
    left = seconds_left(runs, jobs)
    ahead = "" if not left else f"; about {duration(left)} left with {jobs} at a time"
    more = "" if every or len(wanted) <= _SHOWN else f" ({len(wanted) - _SHOWN} more not shown)"
    line = ", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state])
    foot = Text(f"{line} of {len(runs)} runs{ahead}{more}")
    return Group(table, foot) if wanted else foot


def duration(seconds: float) -> str:
    """Format seconds in a suitable unit.

    Examples:
        >>> [duration(seconds) for seconds in (80, 600, 86_400)]
        ['80 s', '10.0 min', '24.0 h']
    """
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


_ORDER: tuple[State, ...] = ("finished", "running", "begun", "waiting", "damaged", "failed")


def _status(name: str, run: RunFolder, config: RunConfig) -> RunStatus:
    training, epochs = training_of(config, run)
    log: list[dict[str, Any]] = []
    error = None
    state: State = "waiting"
    try:
        log = run.epochs() or training.epochs()
        if run.finished() is not None:
            state = "finished"
        elif run.lock.taken():
            state = "running"
        elif (error := run.failure()) is not None:
            state = "failed"
        elif run.config.is_file():
            state = "begun"
    except DamagedError as damage:
        state, error = ("running", None) if run.lock.taken() else ("damaged", str(damage))
    losses = log[-1]["loss"] if log else {}
    seconds = sum(line["seconds"] for line in log)
    return RunStatus(name, state, len(log), epochs, seconds, losses, error, training.path.name)
