"""Progress at a terminal: a spinner, or lines."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Spinner:
    """A spinner with what is being done and for how long; give `tell` to a session."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tell: Callable[[str], None] = lambda _: None

    def tell(self, what: str) -> None:
        """Show what is being done."""
        self._tell(what)

    def teller(self, *, first: float = 0.0) -> Callable[[str], None]:
        """Return `tell`, or that of `Lines` where there is no terminal."""
        console = self._console
        return self.tell if console.is_terminal else Lines(console, first=first).tell

    @contextlib.contextmanager
    def __call__(self, what: str, hint: str = "") -> Iterator[None]:
        """Show the spinner while the block runs, with a hint below its text."""
        below = f"\n  [dim]{escape(hint)}[/]" if hint else ""
        columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        shown = Progress(
            *columns, console=self._console, transient=True, disable=not self._console.is_terminal
        )
        with shown:
            task = shown.add_task(escape(what) + below)
            before = self._tell
            self._tell = lambda now: shown.update(task, description=escape(now) + below)
            try:
                yield
            finally:
                self._tell = before


class Lines:
    """Lines that say now and then what is being done, where there is no terminal.

    The first comes after `first` seconds, the others at least `every` seconds apart.
    """

    def __init__(self, console: Console, *, first: float = 0.0, every: float = 10.0) -> None:
        self._console = console
        self._every = every
        self._began = time.monotonic()
        self._next = self._began + first

    def tell(self, what: str) -> None:
        """Print what is being done, unless a line was printed just now."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._every
        line = f"{now - self._began:.0f} s: {what}"
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)
