"""The start of a walk: the ranker is moved onto the front, once for all walks of a run."""

import shutil
from collections.abc import Callable
from contextlib import suppress

from .problem import Problem
from .session import Session

START = "navigation-start"
"""A folder in a run's folder: the start of its walks, by loss and number of documents."""


def begin(
    problem: Problem,
    progress: Callable[[str], None] | None = None,
    *,
    as_trained: bool = False,
    interruptible: bool = False,
) -> Session:
    """Begin a session at the problem's ranker, moved onto the front if it is far from it.

    The move takes tens of Hessian-vector products, most of the time of an opening. Its result is
    therefore kept in the run's folder, if that is writable.

    With `interruptible`, an interrupt of the move begins at the unmoved ranker instead of ending
    the program.
    """
    if as_trained:
        return Session.start(problem, progress, correct=False)
    kept = None
    if problem.path is not None:
        kept = problem.path / START / f"{problem.loss}-{problem.documents}"
    if kept is not None and kept.is_dir():
        try:
            return Session.resume(problem, kept, progress)
        except (FileNotFoundError, ValueError):  # of another ranker or sample, or damaged
            shutil.rmtree(kept, ignore_errors=True)
    try:
        session = Session.start(problem, progress)
    except KeyboardInterrupt:
        if not interruptible:
            raise
        return Session.start(problem, progress, correct=False)
    if kept is not None and session.moved:
        with suppress(OSError):  # the command reports that nothing can be written there
            session.save(kept)
    return session
