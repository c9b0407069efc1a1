"""The start of a walk: from the ranker onto the front, once for all walks of a run."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .problem import Problem
from .session import Session

START = "navigation-start"
"""In a run's folder: where its walks begin, by loss and number of documents."""


def begin(
    problem: Problem,
    progress: Callable[[str], None] | None = None,
    *,
    as_trained: bool = False,
    interruptible: bool = False,
) -> Session:
    """A session at the problem's ranker, moved onto the front where it is far from it.

    That move takes most of an opening: tens of Hessian-vector products. Its end is therefore kept
    in the run's folder, where that can be written to.

    Args:
        problem: What is navigated.
        progress: Told what is being done.
        as_trained: Whether to begin at the ranker as it is, however far from the front.
        interruptible: Whether an interrupt of the move begins at the ranker as it is; otherwise it
            is an interrupt.
    """
    if as_trained:
        return Session.start(problem, progress, correct=False)
    kept = _kept(problem)
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
        with suppress(OSError):  # that nothing can be written there is said elsewhere
            session.save(kept)
    return session


def _kept(problem: Problem) -> Path | None:
    if problem.path is None:
        return None
    return problem.path / START / f"{problem.loss}-{problem.documents}"
