"""How far a study is, read from its files while it runs or after."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .config import StudyConfig, load_study, validate
from .record import RunFolder
from .study import plan
from .sweep import StudyFolder

__all__ = ["RunStatus", "seconds_left", "study_status"]

State = Literal["finished", "failed", "begun", "waiting"]


@dataclass(frozen=True)
class RunStatus:
    """Where one run stands.

    Attributes:
        name: Its folder's name.
        state: ``"begun"`` runs at the moment, or was interrupted.
        epoch: Epochs done.
        epochs: How many there are.
        seconds: That the epochs done took.
        error: Why it failed, if it did.
    """

    name: str
    state: State
    epoch: int
    epochs: int
    seconds: float
    error: str | None

    @property
    def remaining(self) -> int:
        """Epochs still to do."""
        return 0 if self.state == "finished" else self.epochs - self.epoch


def study_status(path: str | Path) -> list[RunStatus]:
    """Every run of a study's plan and where it stands.

    Raises:
        FileNotFoundError: When the folder holds no study.
    """
    folder = StudyFolder(path)
    study, labels = begun(folder)
    return [
        _status(name, RunFolder(folder.runs / name), config.train.epochs)
        for name, config in plan(study, labels).items()
    ]


def begun(folder: StudyFolder) -> tuple[StudyConfig, tuple[str, ...]]:
    """The config of the study in a folder, and the true names of its labels.

    Raises:
        FileNotFoundError: When the folder holds no study that was begun.
    """
    if folder.study.is_file():
        study = validate(StudyConfig, load_study(folder.study), str(folder.study))
        references = folder.references_of(None if study.folds is None else study.folds[0])
        if references.is_file():
            return study, tuple(json.loads(references.read_text("utf-8"))["data"]["tasks"])
    raise FileNotFoundError(f"{folder.path}: expected a study that was begun, found none")


def seconds_left(runs: list[RunStatus], jobs: int) -> float | None:
    """Time until all runs are done, from the epochs seen; None where none was."""
    seen = [run.seconds / run.epoch for run in runs if run.epoch > 0]
    if not seen:
        return None
    return statistics.mean(seen) * sum(run.remaining for run in runs) / jobs


def _status(name: str, run: RunFolder, epochs: int) -> RunStatus:
    log = run.epochs()
    error = run.failure()
    state: State = "waiting"
    if run.record.is_file():
        state, error = "finished", None
    elif error is not None:
        state = "failed"
    elif run.config.is_file():
        state = "begun"
    return RunStatus(name, state, len(log), epochs, sum(line["seconds"] for line in log), error)
