"""How far a training is: a bar on a terminal, lines in a log."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from .epoch import Progress

__all__ = ["TrainingProgress"]

_LOG_SECONDS = 60.0


class TrainingProgress:
    """Shows a training's progress while the `with` lasts.

    On a terminal a bar moves. Elsewhere, such as in a cluster's log, there is a line for the first
    step, for the end of every epoch, and once a minute between.

    Args:
        console: Where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._logged = -_LOG_SECONDS
        self._bar: Bar | None = None
        if console.is_terminal:
            self._bar = Bar(
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[losses]}"),
                TimeRemainingColumn(),
                console=console,
            )
            self._row = self._bar.add_task("", total=None, epoch="", losses="")

    def __enter__(self) -> TrainingProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, at: Progress) -> None:
        """Show where the training stands; called after every step."""
        epoch = f"{at.epoch}/{at.epochs}"
        losses = "losses " + " ".join(f"{value:.4f}" for value in at.losses)
        if self._bar is not None:
            self._bar.update(
                self._row,
                completed=(at.epoch - 1) * at.batches + at.batch,
                total=at.epochs * at.batches,
                epoch=epoch,
                losses=losses,
            )
            return
        now = time.monotonic()
        if at.batch == at.batches or now - self._logged >= _LOG_SECONDS:
            self._logged = now
            line = f"epoch {epoch}, step {at.batch}/{at.batches}, {losses}"
            self._console.print(line, highlight=False, soft_wrap=True)
