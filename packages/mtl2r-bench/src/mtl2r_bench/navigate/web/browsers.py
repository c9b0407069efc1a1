"""A navigation of its own for every tab, and no more of them than memory allows.

Two tabs of one browser are two walks: a step takes what was previewed last, which in a shared walk
may be the other tab's, and each would show where it stood before the other's step.
"""

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..commands import Places, execute
from ..session import Session

LIMIT = 8
"""Tabs at a time. Each holds a model and its visited points."""

IDLE_SECONDS = 1_800.0
"""After so long without a sign of it, a tab may lose its place to another; it is saved then."""


@dataclass
class Activity:
    """What is being done at the moment, in words.

    Attributes:
        text: Empty where nothing is.
    """

    text: str = ""

    def tell(self, what: str) -> None:
        """Says what is being done."""
        self.text = what


@dataclass
class Seat:
    """One tab's navigation.

    Attributes:
        session: Its navigation.
        places: Where its files go.
        activity: What is being done.
        computing: Held while anything is computed, shared by all seats: which kernel attention
            takes is a setting of the whole process, and processors are not gained by taking turns.
        seen: When it was last heard of.
        kept: How many of its points are on disk.
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
        """One command at a time; those of other tabs are waited for.

        Raises:
            ValueError: While another command of the same tab runs.
        """
        if not self._lock.acquire(blocking=False):
            raise ValueError("another command of this tab is being computed; wait for it")
        try:
            self.activity.tell("waiting for another tab's step")
            with self.computing:
                self.activity.tell("")
                yield
        finally:
            self.activity.tell("")
            self.seen = time.monotonic()
            self._lock.release()

    def execute(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """`mtl2r_bench.navigate.commands.execute` on this navigation."""
        answer = execute(self.session, self.places, command)
        if answer["command"] == "save":
            self.kept = answer["points"]
        return answer

    @property
    def busy(self) -> bool:
        """Whether a command runs."""
        return self._lock.locked()

    def save(self) -> Path | None:
        """Writes what is not on disk yet, after what runs, and says where."""
        with self._lock:
            if len(self.session.points) <= self.kept:
                return None
            self.places.saved = self.session.save(self.places.navigation(None))
            self.kept = len(self.session.points)
            return self.places.saved


class Browsers:
    """The seats, by the value of a browser's cookie and the name of its tab.

    Args:
        origin: Where every navigation begins; it is never moved itself.
        run: The run's folder, where files go.
        limit: The most seats there are.
        idle: Seconds after which a seat may be given to another tab.
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
        """The seat of a tab, made where it has none.

        Raises:
            ValueError: When all seats are taken by tabs that are in use.
        """
        with self._lock:
            if key not in self._seats:
                self._make_room()
                self._seats[key] = self._new()
            self._seats[key].seen = time.monotonic()
            return self._seats[key]

    def leave(self, key: str) -> None:
        """A tab was closed, or is loaded anew: others may have its seat if it does not return."""
        with self._lock:
            if key in self._seats:
                self._seats[key].seen = float("-inf")

    def save(self) -> Iterator[Path]:
        """Saves every seat that has something new; where to.

        Raises:
            OSError: When one could not be saved; the others are, before.
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

    @staticmethod
    def new_key() -> str:
        """A key for a browser that has none."""
        return uuid.uuid4().hex

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
                f"{self._limit} tabs navigate already, and that is the most there can be; "
                "close one, and load this page again"
            )
        oldest.save()
        del self._seats[key]
