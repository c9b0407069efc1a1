"""Answers of a navigation as plain JSON values, the tasks by their names."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor

from mtl_optim.pareto import Point, Preview

from .session import Session


def here(session: Session) -> dict[str, Any]:
    """Where the navigation stands."""
    return {"point": _point(session, session.point)}


def local(session: Session) -> dict[str, Any]:
    """The trade-offs at the current point.

    ``exchange[a][b]`` is the change of a's loss per unit of b's, along the front;
    ``can_fall`` how far a task's loss can still fall, None where no end is in sight.
    """
    found, tasks = session.local(), session.problem.tasks
    slopes = found.metric_slopes
    return {
        **here(session),
        "exchange": {
            a: {b: _number(found.exchange[i, j]) for j, b in enumerate(tasks)}
            for i, a in enumerate(tasks)
        },
        "can_fall": _by_task(session, found.ends),
        "curvature": _by_task(session, found.curvature),
        "metric_per_loss": {
            a: {b: None if slopes is None else _number(slopes[i, j]) for j, b in enumerate(tasks)}
            for i, a in enumerate(tasks)
        },
        "notes": list(session.notes),
    }


def preview(session: Session, found: Preview) -> dict[str, Any]:
    """What a step would change, with the half-widths of its bands."""
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
    """The new point, and how it compares with what was predicted."""
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
    """Changes with the half-widths of their bands, and the place they lead to."""
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
    """The tree of visited points."""
    return {
        "current": session.point.id,
        "points": [_point(session, point) for point in session.points],
    }


def front(session: Session, *, losses: bool) -> dict[str, Any]:
    """The runs of the study, as trained: metrics on validation, losses on the sample if wanted."""
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
    """A point of the tree; ``since_start`` is paired over the validation queries."""
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


def _number(value: Any) -> float | None:
    """A float that JSON holds; None for what is not finite."""
    number = float(value)
    return number if math.isfinite(number) else None


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return None if a is None or b is None else a + b
