"""The page's callbacks: which inputs of the page lead to which action, and what they change."""

import logging
from collections.abc import Mapping
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, no_update, set_props

from ..problem import Problem
from .actions import Actions, Answer
from .figure import View, figure
from .layout import slider_id
from .views import outlook, points_table

_TAB = State("tab", "data")
_MESSAGE = Output("message", "children", allow_duplicate=True)
_FORECAST = Output("forecast", "data", allow_duplicate=True)
_STATE = [Output("state", "data", allow_duplicate=True), _FORECAST, _MESSAGE]

_WORK: dict[str, Any] = {
    "running": [
        (Output("tick", "disabled"), False, True),
        (Output("page", "className"), "busy", ""),
    ],
    "prevent_initial_call": True,
}
"""For callbacks that compute: the page says what is being done."""


def register(app: Dash, problem: Problem, actions: Actions) -> None:
    """Connect the page of a problem to the tabs' navigations."""
    _clientside(app)
    _opening(app, actions)
    _moves(app, actions)
    _pictures(app, problem)


def fault(error: Exception) -> None:
    """Show a fault of this program on the page; the terminal has the traceback."""
    logging.getLogger(__name__).error("a fault in a callback of the page", exc_info=error)
    set_props("message", {"children": f"⚠ A fault of this program: {error!r}; see the terminal."})


def _clientside(app: Dash) -> None:
    """Connect what the page's script does alone."""

    def connect(name: str, *arguments: Any) -> None:
        function = ClientsideFunction("navigate", name)
        app.clientside_callback(function, *arguments)  # type: ignore[no-untyped-call]  # dash's own

    connect("theme", Output("theme", "data"), Input("page", "id"))
    connect("tab", Output("tab", "data"), Input("page", "id"))
    connect(
        "couple",
        Output(slider_id(ALL), "value"),
        Output({"kind": "wanted", "task": ALL}, "children"),
        Input(slider_id(ALL), "value"),
        Input({"kind": "hold", "task": ALL}, "value"),
        Input("state", "data"),
        Input("reset", "n_clicks"),
        State("tasks", "data"),
    )


def _opening(app: Dash, actions: Actions) -> None:
    """Connect what is asked for when the page opens, and what is asked regularly."""

    @app.callback(*_STATE, Input("tab", "data"), **_WORK)
    def open_page(tab: str) -> Answer:
        return actions.open(tab)

    @app.callback(
        Output("front", "data"),
        _MESSAGE,
        Input("quantity", "value"),
        Input("tab", "data"),
        State("front", "data"),
        running=[(Output("picture", "className"), "card busy", "card")],
        prevent_initial_call=True,
    )
    def find_front(
        quantity: str, tab: str | None, known: Mapping[str, Any] | None
    ) -> tuple[Any, Any]:
        """Find the study's runs; their losses take a while and are computed when shown."""
        losses = quantity == "loss"
        if tab is None or (known is not None and (known["losses"] or not losses)):
            return no_update, no_update
        front, _, message = actions.front(tab, losses=losses)
        return front, message

    @app.callback(
        Output("doing", "children"), Input("tick", "n_intervals"), _TAB, prevent_initial_call=True
    )
    def doing(_: int, tab: str | None) -> str:
        return "" if tab is None else actions.seat(tab).activity.text


def _moves(app: Dash, actions: Actions) -> None:
    """Connect wishes, steps, going back, and what is written."""

    @app.callback(_FORECAST, _MESSAGE, Input("wish", "data"), _TAB, prevent_initial_call=True)
    def slide(wish: Mapping[str, Any] | None, tab: str) -> tuple[Any, Any]:
        if wish is None:
            return None, ""
        _, forecast, message = actions.run(tab, {"command": "preview", "change": wish["change"]})
        return forecast, message

    @app.callback(*_STATE, Input("say", "n_submit"), State("say", "value"), _TAB, **_WORK)
    def say(_: int, text: str | None, tab: str) -> Answer:
        return actions.say(tab, text or "")

    @app.callback(
        *_STATE,
        Input("step", "n_clicks"),
        Input("undo", "n_clicks"),
        Input({"kind": "go", "point": ALL}, "n_clicks"),
        Input("chosen", "data"),
        _TAB,
        **_WORK,
    )
    def walk(*given: Any) -> Answer:
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            return no_update, no_update, no_update  # a button was drawn, not pressed
        pressed = ctx.triggered_id
        if pressed in ("step", "undo"):
            return actions.run(given[-1], {"command": pressed})
        chosen = ctx.triggered[0]["value"] if pressed == "chosen" else pressed
        return actions.run(given[-1], {"command": "go", "point": chosen["point"]})

    @app.callback(Output("chosen", "data"), Input("graph", "clickData"), prevent_initial_call=True)
    def choose(click: Mapping[str, Any]) -> Any:
        """Go to a visited point that is clicked in the figure."""
        point = click["points"][0].get("customdata")
        return no_update if point is None else {"point": point}

    @app.callback(
        _MESSAGE,
        Input("export", "n_clicks"),
        Input("save", "n_clicks"),
        Input("export-name", "n_submit"),
        Input("save-name", "n_submit"),
        State("export-name", "value"),
        State("save-name", "value"),
        _TAB,
        **_WORK,
    )
    def keep(*given: Any) -> Any:
        export, save, tab = given[-3:]
        if str(ctx.triggered_id).startswith("save"):
            return actions.run(tab, {"command": "save", "folder": save or None})[-1]
        if not export:
            return "⚠ give the ranker a name first"
        return actions.run(tab, {"command": "export", "folder": export})[-1]


def _pictures(app: Dash, problem: Problem) -> None:
    """Connect everything that is drawn from what is known."""
    names = {"metric": problem.metric, "loss": f"{problem.loss} loss"}

    @app.callback(
        output=Output("graph", "figure"),
        inputs={
            "known": {name: Input(name, "data") for name in ("state", "front", "forecast")},
            "view": {name: Input(name, "value") for name in ("quantity", "across", "up", "window")},
            "theme": Input("theme", "data"),
        },
        prevent_initial_call=True,
    )
    def draw(known: Mapping[str, Any], view: Mapping[str, str], theme: str) -> Any:
        if known["state"] is None:
            return no_update
        shown = View(
            quantity=view["quantity"],
            x=view["across"],
            y=view["up"],
            name=names[view["quantity"]],
            whole=view["window"] == "front",
            dark=theme == "dark",
        )
        runs = (known["front"] or {"runs": []})["runs"]
        return figure(known["state"]["tree"], runs, known["forecast"], shown)

    @app.callback(
        Output("points", "children"),
        Input("state", "data"),
        Input("quantity", "value"),
        prevent_initial_call=True,
    )
    def tabulate(state: Mapping[str, Any] | None, quantity: str) -> Any:
        if state is None:
            return no_update
        return points_table(state["tree"], problem.tasks, quantity, names[quantity])

    @app.callback(
        Output("outlook", "children"),
        Output("step", "disabled"),
        Output("undo", "disabled"),
        Input("forecast", "data"),
        Input("state", "data"),
    )
    def foresee(
        forecast: Mapping[str, Any] | None, state: Mapping[str, Any] | None
    ) -> tuple[Any, bool, bool]:
        planned = forecast is not None and forecast["command"] == "preview"
        root = state is None or state["local"]["point"]["parent"] is None
        ready = planned and forecast is not None and forecast["feasible"]
        return outlook(forecast, problem.tasks, problem.metric), not ready, root
