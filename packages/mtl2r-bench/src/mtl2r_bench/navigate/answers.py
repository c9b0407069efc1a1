"""Answers of a navigation as plain JSON values, with the tasks' names as keys."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor

from mtl_optim.pareto import Point, Preview

from .session import Session


def at(session: Session, point: Point) -> dict[str, Any]:
    """Describe a point."""
    return {"point": _point(session, point)}


def local(session: Session) -> dict[str, Any]:
    """Describe the trade-offs at the current point.

    ``exchange[a][b]`` is the change of a's loss per unit of b's, along the front;
    ``can_fall`` how far a task's loss can still fall, None where no end is in sight.
    """
    found = session.local()
    return {
        **at(session, session.point),
        "exchange": _matrix(session, found.exchange),
        "can_fall": _by_task(session, found.ends),
        "curvature": _by_task(session, found.curvature),
        "metric_per_loss": _matrix(session, found.metric_slopes),
        "notes": list(session.notes),
    }


def preview(session: Session, found: Preview) -> dict[str, Any]:
    """Describe what a step would change, with the half-widths of its bands."""
    return {
        "from": found.point,
        "wish": found.wish,
        "feasible": found.feasible,
        "share": _number(found.share),
        "refused": found.refused,
        "messages": list(found.messages),
        "predicted": _predicted(session, found),
        "weights": _by_task(session, found.alpha),
        "cost": _number(found.cost.equivalents),
    }


def step(session: Session, taken: Preview) -> dict[str, Any]:
    """Describe the new point, and compare it with the prediction."""
    point, before = session.point, session.points[taken.point]
    change, error = session.gain(point, before)
    return {
        "from": before.id,
        "point": _point(session, point),
        "predicted": _predicted(session, taken),
        "realised": {
            "loss_change": _by_task(session, point.realised),
            "loss_error": _by_task(session, point.change_errors),
            "metric_change": _by_task(session, change),
            "metric_error": _by_task(session, error),
        },
        "cost": _number(point.cost.equivalents),
        "message": point.message,
    }


def _predicted(session: Session, found: Preview) -> dict[str, Any]:
    """Describe changes with the half-widths of their bands, and where they lead."""
    at = session.points[found.point]
    return {
        "loss_change": _by_task(session, found.change),
        "loss_error": _by_task(session, found.error),
        "loss": _by_task(session, at.losses + found.change),
        "metric_change": _by_task(session, found.metric_change),
        "metric_error": _by_task(session, found.metric_error),
        "metric": _by_task(session, _sum(at.metrics, found.metric_change)),
    }


def points(session: Session) -> dict[str, Any]:
    """Describe the tree of visited points."""
    return {
        "current": session.point.id,
        "points": [_point(session, point) for point in session.points],
    }


def front(session: Session, *, losses: bool) -> dict[str, Any]:
    """Describe the runs of the study by metrics and, if wanted, losses."""
    problem = session.problem
    return {
        "losses": losses,
        "runs": [
            {
                "name": other.name,
                "label": other.label,
                "own": other.own,
                "metric": _by_task(session, other.metrics),
                "metric_error": _by_task(session, other.errors),
                "loss": _by_task(session, problem.neighbour_losses(other) if losses else None),
            }
            for other in problem.neighbours
        ],
    }


def _point(session: Session, point: Point) -> dict[str, Any]:
    """Describe a point of the tree; ``since_start`` is paired over the validation queries."""
    gain, error = session.gain(point, session.points[0])
    return {
        "id": point.id,
        "parent": point.parent,
        "name": point.name,
        "loss": _by_task(session, point.losses),
        "loss_error": _by_task(session, point.loss_errors),
        "metric": _by_task(session, point.metrics),
        "metric_error": _by_task(session, point.metric_errors),
        "since_start": _by_task(session, gain),
        "since_start_error": _by_task(session, error),
        "weights": _by_task(session, point.alpha),
        "kkt": _number(point.kkt),
        "cost": _number(point.cost.equivalents),
        "message": point.message,
    }


def _by_task(
    session: Session, values: Tensor | np.ndarray[Any, Any] | None
) -> dict[str, float | None]:
    numbers: Iterable[Any] = [None] * len(session.problem.tasks) if values is None else values
    return {
        task: None if value is None else _number(value)
        for task, value in zip(session.problem.tasks, numbers, strict=True)
    }


def _matrix(session: Session, values: Tensor | None) -> dict[str, dict[str, float | None]]:
    tasks = session.problem.tasks
    rows: Iterable[Any] = [None] * len(tasks) if values is None else values
    return {task: _by_task(session, row) for task, row in zip(tasks, rows, strict=True)}


def _number(value: Any) -> float | None:
    """Return a float, or None where it is not finite: JSON has no infinity."""
    number = float(value)
    return number if math.isfinite(number) else None


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return None if a is None or b is None else a + b


def plus_minus(value: float | None, error: float | None, *, sign: str = "", digits: int = 4) -> str:
    """Format a number and its standard error or band; a dash for None."""
    if value is None:
        return "–"
    shown = f"{value:{sign}.{digits}f}"
    return shown if error is None else f"{shown} ± {error:.{digits}f}"
