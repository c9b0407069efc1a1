"""The elements of the page."""

from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from ..problem import Problem
from .views import aria

INDEX = """<!DOCTYPE html>
<html lang="en">
<head>{%metas%}<title>{%title%}</title>{%favicon%}{%css%}</head>
<body>{%app_entry%}<footer>{%config%}{%scripts%}{%renderer%}</footer></body>
</html>"""


_NOTHING = {
    "layout": {
        "xaxis": {"visible": False},
        "yaxis": {"visible": False},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
}


def slider_id(task: int | Any) -> dict[str, Any]:
    """Return the id of a task's slider, or of all with `dash.ALL`."""
    return {"kind": "slider", "task": task}


def layout(problem: Problem) -> html.Div:
    """Lay out the page of a problem, before its first point is known."""
    points = _card("Visited points", html.Div(id="points"), className="card points")
    keep = _card(
        "Keep",
        _named("export", "Export the ranker", "name of the ranker"),
        _named("save", "Save the navigation", "name, or nothing"),
        className="card keep",
    )
    return html.Div(
        [
            dcc.Store(id="tasks", data=list(problem.tasks)),
            dcc.Store(id="theme", data="light"),
            *(
                dcc.Store(id=name)
                for name in ("tab", "state", "front", "wish", "forecast", "chosen")
            ),
            dcc.Interval(id="tick", interval=400),
            html.Header(
                [
                    html.H1(["Navigate ", html.Span(problem.name)]),
                    html.P(
                        f"{problem.metric} on validation · front of {problem.loss}, "
                        f"{problem.documents:,} training documents",
                        title=" ".join(problem.notes),
                    ),
                ]
            ),
            html.Main(
                [
                    html.Div([_picture(problem), points], className="column"),
                    html.Div([_controls(problem), keep], className="column"),
                ]
            ),
            html.Div("Finding the trade-offs here ...", id="message", role="status"),
        ],
        id="page",
        className="busy",
    )


def _picture(problem: Problem) -> html.Section:
    tasks = list(problem.tasks)
    quantities = [
        {"label": problem.metric, "value": "metric"},
        {"label": f"{problem.loss} loss", "value": "loss"},
    ]
    windows = [
        {"label": "around the walk", "value": "walk"},
        {"label": "whole front", "value": "front"},
    ]
    window = "walk" if len(problem.neighbours) > 1 else "front"
    axes = html.Div(
        [
            html.Label("across", htmlFor="across"),
            dcc.Dropdown(tasks, tasks[0], id="across", clearable=False),
            html.Label("up", htmlFor="up"),
            dcc.Dropdown(tasks, tasks[1], id="up", clearable=False),
        ],
        className="axes",
        hidden=len(tasks) == 2,
    )
    return _card(
        "The front",
        dcc.Graph(
            figure=_NOTHING,
            id="graph",
            config={"displaylogo": False, "displayModeBar": False, "responsive": True},
            responsive=True,
            style={"height": "300px" if len(tasks) == 2 else "264px"},
        ),
        beside=[
            dcc.RadioItems(quantities, "metric", id="quantity", inline=True),
            dcc.RadioItems(windows, window, id="window", inline=True),
            axes,
        ],
        className="card",
        id="picture",
        **aria(label="The front and the visited points; the table below has its numbers"),
    )


def _card(title: str, *children: Any, beside: Sequence[Any] = (), **more: Any) -> html.Section:
    """Make a card with a heading, and with elements beside it."""
    bar = html.Div([html.H2(title), *beside], className="bar")
    return html.Section([bar, *children], **more)


def _controls(problem: Problem) -> html.Section:
    hint = html.P("Right is better; the numbers are changes of the loss.", className="hint")
    example = f"improve {problem.tasks[-1]} give {problem.tasks[0]} 0.01"
    return _card(
        "The next step",
        *(_slider(problem, i) for i in range(len(problem.tasks))),
        html.Div(
            [
                html.Label("Or type a wish", htmlFor="say"),
                dcc.Input(id="say", type="text", autoComplete="off", placeholder=example),
            ],
            className="say",
        ),
        html.Div(id="outlook"),
        html.Div(
            [
                html.Button("Take the step", id="step", className="primary", disabled=True),
                html.Button("Undo", id="undo"),
                html.Button("Reset", id="reset"),
                html.Span(id="doing", **aria(live="polite")),
            ],
            className="buttons",
        ),
        beside=[hint],
        className="card controls",
    )


def _slider(problem: Problem, task: int) -> html.Div:
    name = problem.tasks[task]
    data: dict[str, Any] = {"data-task": name}
    hold = [{"label": "hold", "value": "hold"}]
    lock = dcc.Checklist(hold, [], id={"kind": "hold", "task": task})
    return html.Div(
        [
            html.Span(name, className="task", id=f"task-{task}"),
            html.Div(
                dcc.Slider(
                    min=-1,
                    max=1,
                    step=0.01,
                    value=0,
                    marks=None,
                    included=False,
                    updatemode="drag",
                    allow_direct_input=False,
                    id=slider_id(task),
                ),
                className="track",
                **data,
            ),
            html.Output(id={"kind": "wanted", "task": task}),
            html.Div(lock, hidden=len(problem.tasks) == 2, className="hold"),
        ],
        className="slide",
    )


def _named(what: str, label: str, placeholder: str) -> html.Div:
    return html.Div(
        [
            dcc.Input(id=f"{what}-name", type="text", placeholder=placeholder, autoComplete="off"),
            html.Button(label, id=what),
        ],
        className="named",
    )
