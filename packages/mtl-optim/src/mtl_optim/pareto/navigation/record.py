"""The record of a point, from what was measured there and where it came from."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .around import Place
from .points import Cost, Point, Preview
from .request import Names
from .sampling import paired_errors, standard_errors


def record(
    number: int,
    place: Place,
    names: Names,
    scales: Tensor,
    *,
    cost: Cost,
    message: str,
    preview: Preview | None = None,
    origin: Point | None = None,
    left: Place | None = None,
) -> Point:
    """The point at a place.

    Args:
        number: Its number.
        place: What was measured.
        names: Of tasks and metrics.
        scales: s (task,), units of the scaled losses.
        cost: Of getting here.
        message: What there is to know.
        preview: Of the step that led here, or None at a start.
        origin: The point it started from.
        left: What was measured there.
    """
    losses, metrics = place.at.losses * scales, place.metrics
    normal = place.at.alpha / scales
    came: dict[str, Any] = {"parent": None}
    if preview is not None and origin is not None and left is not None:
        came = {
            "parent": origin.id,
            "wish": preview.wish,
            "predicted": preview.change,
            "realised": losses - origin.losses,
            "change_errors": _times(paired_errors(left.losses, place.losses), scales),
            "predicted_metrics": preview.metric_change,
        }
        if metrics is not None and left.metrics is not None:
            came["realised_metrics"] = metrics.means - left.metrics.means
            came["metric_change_errors"] = paired_errors(left.metrics, metrics)
    return Point(
        tasks=names.tasks,
        metric_names=names.metrics,
        id=number,
        losses=losses,
        loss_errors=_times(standard_errors(place.losses), scales),
        metrics=None if metrics is None else metrics.means,
        metric_errors=None if metrics is None else standard_errors(metrics),
        alpha=normal / normal.sum(),
        kkt=place.at.kkt,
        cost=cost,
        message=message,
        **came,
    )


def _times(values: Tensor | None, scales: Tensor) -> Tensor | None:
    return None if values is None else values * scales
