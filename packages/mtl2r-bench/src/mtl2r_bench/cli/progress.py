"""Progress of a training: a bar on a terminal, lines in a log."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from ..progress import Progress, TreeProgress

_LOG_SECONDS = 60.0


class TrainingProgress:
    """A context that shows the progress of a training.

    A terminal shows a bar. A log, such as a cluster's, gets a line for the first step, for the end
    of every epoch, and once a minute between.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._logged = -_LOG_SECONDS
        self._bar: Bar | None = None
        if console.is_terminal:
            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[values]}"),
                TimeRemainingColumn(),
                console=console,
            )
            self._row = self._bar.add_task("", total=None, values="")

    def __enter__(self) -> Self:
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

    def __call__(self, at: Progress | TreeProgress) -> None:
        """Show the progress after a step or a tree."""
        if isinstance(at, TreeProgress):
            values = f"{at.metric} {at.value:.4f}"
            self._show(at.what or "trees", "tree", at.tree, at.trees, at.tree, at.trees, values)
            return
        values = "losses " + " ".join(f"{value:.4f}" for value in at.losses)
        done, total = (at.epoch - 1) * at.batches + at.batch, at.epochs * at.batches
        name = f"epoch {at.epoch}/{at.epochs}"
        self._show(name, "step", at.batch, at.batches, done, total, values)

    def _show(
        self, name: str, unit: str, place: int, places: int, done: int, total: int, values: str
    ) -> None:
        """Show the name of a part, the place in it, and the share of the whole that is done."""
        if self._bar is not None:
            self._bar.update(
                self._row, description=name, completed=done, total=total, values=values
            )
            return
        now = time.monotonic()
        if place == places or now - self._logged >= _LOG_SECONDS:
            self._logged = now
            line = f"{name}, {unit} {place}/{places}, {values}"
            self._console.print(line, highlight=False, soft_wrap=True)
