"""Answers of a navigation as elements of the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from ..answers import plus_minus


def aria(**names: str) -> dict[str, Any]:
    """Return attributes for screen readers: ``label``, ``live``."""
    return {f"aria-{name}": value for name, value in names.items()}


def points_table(
    answer: Mapping[str, Any], tasks: Sequence[str], quantity: str, name: str
) -> html.Table:
    """Tabulate the visited points, the newest first, each with a button that goes there.

    The quantity is ``"metric"``, with the change since the start, or ``"loss"``.
    """
    head = [
        html.Th(html.Span("go", className="unseen")),
        html.Th("point"),
        html.Th("from"),
        *(html.Th(f"{name} {task}", colSpan=2 if quantity == "metric" else 1) for task in tasks),
        html.Th("weights", title="α: train with these weights for a ranker at this point"),
        html.Th("KKT", title="the relative KKT residual: the distance from the front"),
    ]
    rows = [_row(point, tasks, quantity, answer["current"]) for point in answer["points"][::-1]]
    return html.Table([html.Thead(html.Tr(head)), html.Tbody(rows)])


def _row(point: Mapping[str, Any], tasks: Sequence[str], quantity: str, current: int) -> html.Tr:
    here = point["id"] == current
    button = html.Button(
        "here" if here else "Go",
        id={"kind": "go", "point": point["id"]},
        disabled=here,
        className="small",
        **aria(label=f"go to point {point['id']}"),
    )
    cells: list[Any] = [
        html.Td(button),
        html.Th(point["name"] or str(point["id"]), scope="row", title=point["message"]),
        html.Td("–" if point["parent"] is None else str(point["parent"])),
    ]
    for task in tasks:
        cells.append(html.Td(_pm(point[quantity][task], point[f"{quantity}_error"][task])))
        if quantity == "metric":
            cells.append(_since_start(point, task))
    cells.append(html.Td(" ".join(f"{point['weights'][task]:.2f}" for task in tasks)))
    cells.append(html.Td(f"{point['kkt']:.3f}"))
    return html.Tr(cells, className="current" if here else "")


def _since_start(point: Mapping[str, Any], task: str) -> html.Td:
    change, error = point["since_start"][task], point["since_start_error"][task]
    if point["parent"] is None or change is None:
        return html.Td("")
    return html.Td(
        _pm(change, None, sign="+"),
        className=_mark(change, error),
        title=f"since the start, ± {error or 0.0:.4f}, paired over the validation lists",
    )


def _mark(change: float | None, error: float | None) -> str:
    """Mark a change beyond two standard errors as better or worse."""
    if change is None or error is None or abs(change) <= 2 * error:
        return "change"
    return "change better" if change > 0 else "change worse"


def outlook(forecast: Mapping[str, Any] | None, tasks: Sequence[str], metric: str) -> html.Div:
    """Show what is predicted, or what a step realised beside its prediction."""
    if forecast is None:
        return html.Div(
            html.P("Move a slider or type a wish to see where a step would lead."), className="hint"
        )
    taken = forecast["command"] == "step"
    kinds = ("predicted", "realised") if taken else ("predicted",)
    columns = [(kind, quantity) for quantity in ("metric", "loss") for kind in kinds]
    names = {"metric": metric, "loss": "loss"}
    head = ["", *("realised" if kind == "realised" else names[q] for kind, q in columns)]
    rows = [
        html.Tr(
            [
                html.Th(task, scope="row"),
                *(html.Td(_change(forecast, kind, quantity, task)) for kind, quantity in columns),
            ]
        )
        for task in tasks
    ]
    title = (
        f"Step to point {forecast['point']['id']}: predicted, and realised"
        if taken
        else "Predicted change, with its band"
    )
    table = html.Table(
        [html.Caption(title), html.Thead(html.Tr([html.Th(h) for h in head])), html.Tbody(rows)]
    )
    return html.Div([table, *_remarks(forecast)])


def _remarks(forecast: Mapping[str, Any]) -> list[html.P]:
    if forecast["command"] == "step":
        return [html.P(forecast["message"], className="warning")] if forecast["message"] else []
    if forecast["refused"]:
        return [html.P(f"Refused: {forecast['refused']}", className="warning")]
    remarks = [html.P(message, className="warning") for message in forecast["messages"]]
    if forecast["cost"] is not None:
        remarks.append(html.P(f"Costs about {forecast['cost']:.0f} gradients.", className="hint"))
    return remarks


def _change(forecast: Mapping[str, Any], kind: str, quantity: str, task: str) -> str:
    """Format a change of the metric or the loss; a prediction of the past has no error."""
    past = kind == "predicted" and forecast["command"] == "step"
    error = None if past else forecast[kind][f"{quantity}_error"][task]
    return _pm(forecast[kind][f"{quantity}_change"][task], error, sign="+")


def _pm(value: float | None, error: float | None, *, sign: str = "") -> str:
    return plus_minus(value, error, sign=sign).replace("-", "−")
