"""A navigation for every tab, and no more of them than memory allows.

Two tabs of one browser have two walks. In a shared walk, a step could take the other tab's preview,
and each tab would show an outdated point after the other's step.
"""

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..commands import Places, run_command
from ..session import Session

LIMIT = 8
"""The largest number of tabs. Each holds a model and its visited points."""

IDLE_SECONDS = 1_800.0
"""After this time without activity, a tab may lose its seat to another; it is saved first."""


@dataclass
class Activity:
    """What is being done, in words; empty when idle."""

    text: str = ""

    def tell(self, what: str) -> None:
        """Set what is being done."""
        self.text = what


@dataclass
class Seat:
    """One tab's navigation.

    Attributes:
        computing: A lock that all seats share while they compute: attention's kernel is a setting
            of the whole process, and taking turns within a computation gains nothing.
        seen: The time of its last activity.
        kept: The number of its points on disk.
    """

    session: Session
    places: Places
    activity: Activity
    computing: threading.Lock
    seen: float = field(default_factory=time.monotonic)
    kept: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the seat for one command; refuse while another command of the same tab runs."""
        if not self._lock.acquire(blocking=False):
            raise ValueError("another command of this tab is running; wait for it")
        try:
            self.activity.tell("waiting for another tab's step")
            with self.computing:
                self.activity.tell("")
                yield
        finally:
            self.activity.tell("")
            self.seen = time.monotonic()
            self._lock.release()

    def run(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Run a command of `mtl2r_bench.navigate.commands` on this navigation."""
        answer = run_command(self.session, self.places, command)
        if answer["command"] == "save":
            self.kept = answer["points"]
        return answer

    @property
    def busy(self) -> bool:
        """Whether a command runs."""
        return self._lock.locked()

    def save(self) -> Path | None:
        """Write what is not on disk yet, after the running command; returns the folder."""
        with self._lock:
            if len(self.session.points) <= self.kept:
                return None
            self.places.saved = self.session.save(self.places.navigation(None))
            self.kept = len(self.session.points)
            return self.places.saved


class Browsers:
    """The seats by a browser's cookie and the name of its tab.

    Args:
        origin: The start of every navigation; it never moves itself.
        idle: Seconds without activity after which another tab may take a seat.
    """

    def __init__(
        self, origin: Session, run: Path, *, limit: int = LIMIT, idle: float = IDLE_SECONDS
    ) -> None:
        self._origin = origin
        self._run = run
        self._limit = limit
        self._idle = idle
        self._seats: dict[str, Seat] = {}
        self._lock = threading.Lock()
        self._computing = threading.Lock()

    def seat(self, key: str) -> Seat:
        """Return the seat of a tab; make one if needed, and if active tabs leave room."""
        with self._lock:
            if key not in self._seats:
                self._make_room()
                self._seats[key] = self._new()
            self._seats[key].seen = time.monotonic()
            return self._seats[key]

    def leave(self, key: str) -> None:
        """Free the seat of a tab that closes or reloads: others may take it until it returns."""
        with self._lock:
            if key in self._seats:
                self._seats[key].seen = float("-inf")

    def save(self) -> Iterator[Path]:
        """Save every seat that has something new; yields the folders.

        Raises:
            OSError: When one could not be saved, after the others.
        """
        failed = None
        with self._lock:
            for seat in self._seats.values():
                try:
                    path = seat.save()
                except OSError as error:
                    failed = error
                else:
                    if path is not None:
                        yield path
        if failed is not None:
            raise failed

    def _new(self) -> Seat:
        places = Places(home=self._run / "navigations", exports=self._run / "rankers")
        activity = Activity()
        session = self._origin.fork(activity.tell)
        return Seat(session, places, activity, self._computing, kept=len(session.points))

    def _make_room(self) -> None:
        if len(self._seats) < self._limit:
            return
        key, oldest = min(self._seats.items(), key=lambda item: item[1].seen)
        if oldest.busy or time.monotonic() - oldest.seen < self._idle:
            raise ValueError(
                f"too many open tabs (limit {self._limit}): close one, and reload this page"
            )
        oldest.save()
        del self._seats[key]
