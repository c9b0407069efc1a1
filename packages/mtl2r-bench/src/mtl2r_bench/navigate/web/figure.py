"""The picture: the front so far, the tree of visited points, and where a step would lead."""

from collections.abc import Mapping, Sequence
from typing import Any

_LIGHT = {
    "text": "#1c2430",
    "muted": "#667085",
    "grid": "#e4e7ec",
    "runs": "#98a2b3",
    "tree": "#0b63ce",
    "here": "#0b63ce",
    "plan": "#b54708",
    "paper": "#ffffff",
}
_DARK = {
    "text": "#e6eaf0",
    "muted": "#98a2b3",
    "grid": "#2b3442",
    "runs": "#7b8798",
    "tree": "#6cb2ff",
    "here": "#6cb2ff",
    "plan": "#fdb022",
    "paper": "#161c26",
}


def figure(
    points: Mapping[str, Any],
    front: Mapping[str, Any],
    forecast: Mapping[str, Any] | None,
    *,
    quantity: str,
    axes: tuple[str, str],
    name: str,
    whole: bool,
    dark: bool,
) -> dict[str, Any]:
    """A plotly figure from the answers to ``points``, ``front`` and ``preview`` or ``step``.

    Args:
        points: The tree.
        front: The other runs.
        forecast: What is planned, or what was predicted for the last step; None for neither.
        quantity: ``"metric"`` or ``"loss"``.
        axes: The tasks on x and y.
        name: Of the quantity, for the axes.
        whole: Whether to show all runs, or what surrounds the walk.
        dark: Whether the page is dark.
    """
    colours = _DARK if dark else _LIGHT
    x, y = axes
    better = "better →" if quantity == "metric" else "← better"
    traces = [
        *_runs(front["runs"], quantity, x, y, colours),
        *_tree(points, quantity, x, y, colours),
        *_forecast(forecast, quantity, x, y, colours),
    ]
    within = [] if whole else _walk(points["points"], forecast, quantity)
    axis = {
        "gridcolor": colours["grid"],
        "linecolor": colours["grid"],
        "zeroline": False,
        "automargin": True,
        "tickfont": {"size": 12},
    }
    return {
        "data": traces,
        "layout": {
            "xaxis": {**axis, **_range(x, within), "title": {"text": f"{name} {x}  ({better})"}},
            "yaxis": {**axis, **_range(y, within), "title": {"text": f"{name} {y}  ({better})"}},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": colours["text"], "family": "system-ui, sans-serif", "size": 12},
            "margin": {"l": 60, "r": 12, "t": 8, "b": 48},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "hoverlabel": {"bgcolor": colours["paper"], "font": {"color": colours["text"]}},
        },
    }


Place = tuple[Mapping[str, float | None], Mapping[str, float | None]]


def _walk(
    points: Sequence[Mapping[str, Any]], forecast: Mapping[str, Any] | None, quantity: str
) -> list[Place]:
    """The visited points and the predicted one, with their errors."""
    places = [(point[quantity], point[f"{quantity}_error"]) for point in points]
    if forecast is not None:
        predicted = forecast["predicted"]
        places.append((predicted[quantity], predicted[f"{quantity}_error"]))
    return places


def _range(task: str, within: Sequence[Place]) -> dict[str, Any]:
    """Two standard errors around these places on the axis of a task; all there is for none."""
    ends: list[float] = []
    for place, errors in within:
        value, error = place[task], errors[task] or 0.0
        if value is not None:
            ends += [value - 2 * error, value + 2 * error]
    return {"range": [min(ends), max(ends)]} if ends and max(ends) > min(ends) else {}


def _runs(
    runs: Sequence[Mapping[str, Any]], quantity: str, x: str, y: str, colours: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The study's runs; the one that is navigated from stands out."""
    kinds = [
        ("runs of the study", "diamond-open", [run for run in runs if not run["own"]]),
        ("this run, as trained", "star-open", [run for run in runs if run["own"]]),
    ]
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": [run[quantity][x] for run in chosen],
            "y": [run[quantity][y] for run in chosen],
            "text": [run["label"] for run in chosen],
            "hovertemplate": "%{text}<br>%{x:.4f}, %{y:.4f}<extra></extra>",
            "marker": {
                "symbol": symbol,
                "size": 9 if symbol.startswith("diamond") else 13,
                "color": colours["runs"] if symbol.startswith("diamond") else colours["text"],
                "line": {"width": 1.5},
            },
        }
        for name, symbol, chosen in kinds
        if chosen
    ]


def _tree(
    tree: Mapping[str, Any], quantity: str, x: str, y: str, colours: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Edges from parents to children, then the points, the current one filled."""
    points = tree["points"]
    edges_x: list[float | None] = []
    edges_y: list[float | None] = []
    for point in points:
        if point["parent"] is not None:
            parent = points[point["parent"]]
            edges_x += [parent[quantity][x], point[quantity][x], None]
            edges_y += [parent[quantity][y], point[quantity][y], None]
    current = [point["id"] == tree["current"] for point in points]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "x": edges_x,
            "y": edges_y,
            "line": {"color": colours["tree"], "width": 1.5},
            "hoverinfo": "skip",
            "showlegend": False,
        },
        {
            "type": "scatter",
            "mode": "markers+text",
            "name": "visited points",
            "x": [point[quantity][x] for point in points],
            "y": [point[quantity][y] for point in points],
            "customdata": [point["id"] for point in points],
            "text": [f" {point['name'] or point['id']}" for point in points],
            "textposition": "top right",
            "cliponaxis": False,
            "textfont": {"color": colours["text"]},
            "hovertemplate": "point %{customdata}<br>%{x:.4f}, %{y:.4f}<extra></extra>",
            "marker": {
                "size": [15 if here else 10 for here in current],
                "color": [colours["here"] if here else colours["paper"] for here in current],
                "line": {"width": 2, "color": colours["tree"]},
            },
        },
    ]


def _forecast(
    forecast: Mapping[str, Any] | None, quantity: str, x: str, y: str, colours: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The predicted place with its band."""
    if forecast is None:
        return []
    place, errors = forecast["predicted"][quantity], forecast["predicted"][f"{quantity}_error"]
    if place[x] is None or place[y] is None:
        return []
    band = {"visible": True, "color": colours["plan"], "thickness": 1.5, "width": 5}
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "predicted, with its band",
            "x": [place[x]],
            "y": [place[y]],
            "error_x": {**band, "array": [errors[x] or 0.0]},
            "error_y": {**band, "array": [errors[y] or 0.0]},
            "hovertemplate": "predicted<br>%{x:.4f}, %{y:.4f}<extra></extra>",
            "marker": {
                "symbol": "circle-open",
                "size": 13,
                "color": colours["plan"],
                "line": {"width": 2},
            },
        }
    ]
