"""The record of a point, from what was measured there and where it came from."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ._points import Cost, Point, Preview
from .context import Context
from .local_model import Place
from .sampling import paired_errors, standard_errors


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a step began."""

    point: Point  # the record of that place
    place: Place  # what was measured there
    preview: Preview  # what the step was taken for


def record(
    context: Context, number: int, place: Place, cost: Cost, message: str, origin: Origin | None
) -> Point:
    """Record a place as the point of this number; `origin` is None at a start."""
    names, scales = context.names, context.objective.scales
    losses, metrics = place.at.losses * scales, place.metrics
    normal = place.at.alpha / scales
    came: dict[str, Any] = {"parent": None}
    if origin is not None:
        left, preview = origin.place, origin.preview
        came = {
            "parent": origin.point.id,
            "wish": preview.wish,
            "predicted": preview.change,
            "realised": losses - origin.point.losses,
            "change_errors": _times(paired_errors(left.here.losses, place.here.losses), scales),
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
        loss_errors=_times(standard_errors(place.here.losses), scales),
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
