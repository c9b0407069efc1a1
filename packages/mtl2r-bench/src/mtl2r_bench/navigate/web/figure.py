"""The picture: the front so far, the tree of visited points, and the predicted step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_COLOURS = {
    "text": ("#1c2430", "#e6eaf0"),
    "grid": ("#e4e7ec", "#2b3442"),
    "runs": ("#98a2b3", "#7b8798"),
    "tree": ("#0b63ce", "#6cb2ff"),
    "plan": ("#b54708", "#fdb022"),
    "paper": ("#ffffff", "#161c26"),
}
"""The colours of a light and of a dark page."""


@dataclass(frozen=True)
class View:
    """What the picture shows, and how.

    Attributes:
        quantity: ``"metric"`` or ``"loss"``.
        name: Of the quantity, for the axes.
        whole: Whether to show all runs, or the surroundings of the walk.
    """

    quantity: str
    x: str
    y: str
    name: str
    whole: bool
    dark: bool

    @property
    def colours(self) -> Mapping[str, str]:
        """The colours of the page."""
        return {name: pair[self.dark] for name, pair in _COLOURS.items()}

    def scatter(self, places: Sequence[Mapping[str, Any] | None], **more: Any) -> dict[str, Any]:
        """Make a trace of places, by quantity and task; None interrupts a line."""
        values = [None if place is None else place[self.quantity] for place in places]
        across, up = (
            [None if value is None else value[task] for value in values]
            for task in (self.x, self.y)
        )
        return {"type": "scatter", "mode": "markers", "x": across, "y": up, **more}


def figure(
    tree: Mapping[str, Any],
    runs: Sequence[Mapping[str, Any]],
    forecast: Mapping[str, Any] | None,
    view: View,
) -> dict[str, Any]:
    """Make a plotly figure of the answers to ``points``, ``front`` and ``preview`` or ``step``."""
    colours = view.colours
    better = "better →" if view.quantity == "metric" else "← better"

    def axis(task: str) -> dict[str, Any]:
        within = {} if view.whole else _range(tree["points"], forecast, view.quantity, task)
        return {
            "gridcolor": colours["grid"],
            "linecolor": colours["grid"],
            "zeroline": False,
            "automargin": True,
            "tickfont": {"size": 12},
            "title": {"text": f"{view.name} {task}  ({better})"},
            **within,
        }

    return {
        "data": [*_runs(runs, view), *_tree(tree, view), *_forecast(forecast, view)],
        "layout": {
            "xaxis": axis(view.x),
            "yaxis": axis(view.y),
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": colours["text"], "family": "system-ui, sans-serif", "size": 12},
            "margin": {"l": 60, "r": 12, "t": 8, "b": 48},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "hoverlabel": {"bgcolor": colours["paper"], "font": {"color": colours["text"]}},
        },
    }


def _range(
    points: Sequence[Mapping[str, Any]],
    forecast: Mapping[str, Any] | None,
    quantity: str,
    task: str,
) -> dict[str, Any]:
    """Return the range of an axis: two standard errors around the walk and the prediction."""
    ends: list[float] = []
    for place in [*points, *([] if forecast is None else [forecast["predicted"]])]:
        value, error = place[quantity][task], place[f"{quantity}_error"][task] or 0.0
        if value is not None:
            ends += [value - 2 * error, value + 2 * error]
    return {"range": [min(ends), max(ends)]} if ends and max(ends) > min(ends) else {}


def _runs(runs: Sequence[Mapping[str, Any]], view: View) -> Iterator[dict[str, Any]]:
    """Draw the study's runs; the navigated one stands out."""
    kinds = [
        (False, "runs of the study", "diamond-open", 9, "runs"),
        (True, "this run, as trained", "star-open", 13, "text"),
    ]
    for own, name, symbol, size, colour in kinds:
        chosen = [run for run in runs if run["own"] is own]
        if chosen:
            yield view.scatter(
                chosen,
                name=name,
                text=[run["label"] for run in chosen],
                hovertemplate="%{text}<br>%{x:.4f}, %{y:.4f}<extra></extra>",
                marker={
                    "symbol": symbol,
                    "size": size,
                    "color": view.colours[colour],
                    "line": {"width": 1.5},
                },
            )


def _tree(tree: Mapping[str, Any], view: View) -> Iterator[dict[str, Any]]:
    """Draw edges from parents to children, then the points, the current one filled."""
    points, colours = tree["points"], view.colours
    edges: list[Mapping[str, Any] | None] = []
    for point in points:
        if point["parent"] is not None:
            edges += [points[point["parent"]], point, None]
    yield view.scatter(
        edges,
        mode="lines",
        line={"color": colours["tree"], "width": 1.5},
        hoverinfo="skip",
        showlegend=False,
    )
    current = [point["id"] == tree["current"] for point in points]
    yield view.scatter(
        points,
        mode="markers+text",
        name="visited points",
        customdata=[point["id"] for point in points],
        text=[f" {point['name'] or point['id']}" for point in points],
        textposition="top right",
        cliponaxis=False,
        textfont={"color": colours["text"]},
        hovertemplate="point %{customdata}<br>%{x:.4f}, %{y:.4f}<extra></extra>",
        marker={
            "size": [15 if here else 10 for here in current],
            "color": [colours["tree"] if here else colours["paper"] for here in current],
            "line": {"width": 2, "color": colours["tree"]},
        },
    )


def _forecast(forecast: Mapping[str, Any] | None, view: View) -> Iterator[dict[str, Any]]:
    """Draw the predicted place with its band."""
    place = {} if forecast is None else forecast["predicted"]
    values, errors = place.get(view.quantity, {}), place.get(f"{view.quantity}_error", {})
    if values.get(view.x) is None or values.get(view.y) is None:
        return
    plan = view.colours["plan"]
    band = {"visible": True, "color": plan, "thickness": 1.5, "width": 5}
    yield view.scatter(
        [place],
        name="predicted, with its band",
        error_x={**band, "array": [errors[view.x] or 0.0]},
        error_y={**band, "array": [errors[view.y] or 0.0]},
        hovertemplate="predicted<br>%{x:.4f}, %{y:.4f}<extra></extra>",
        marker={"symbol": "circle-open", "size": 13, "color": plan, "line": {"width": 2}},
    )
