"""The progress of a long job, in one line of text."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

#: Called with the bytes done so far and the total.
Progress = Callable[[int, int], None]


class ProgressPrinter:
    """Share, megabytes and speed in one line, rewritten at most ten times a second.

    Args:
        name: What is done, for the beginning of the line.
        stream: Where to write; by default standard error.

    Examples:
        >>> import sys
        >>> ProgressPrinter("train.txt", sys.stdout)(250_000_000, 250_000_000)
        train.txt: 100 % of 250 MB, ... MB/s
    """

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self._name = name
        self._stream = sys.stderr if stream is None else stream
        self._start = self._last = time.monotonic()
        self._finished = False

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes are done."""
        now = time.monotonic()
        finished = done >= total
        if self._finished:
            return  # the last blocks are parsed after all bytes are read
        self._finished = finished
        if not finished and now - self._last < 0.1:
            return
        self._last = now
        speed = done / 1e6 / max(now - self._start, 1e-9)
        share = 100 * done / max(total, 1)
        line = f"{self._name}: {share:.0f} % of {total / 1e6:.0f} MB, {speed:.0f} MB/s"
        self._stream.write(f"\r{line}" if self._stream.isatty() else "")
        if finished:
            self._stream.write("\n" if self._stream.isatty() else f"{line}\n")
        self._stream.flush()
