"""What the page does: every press of a button or key is a command of its tab's navigation."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, no_update, set_props
from flask import request

from ...runs.disk import explain
from ..problem import Problem
from ..sentences import parse
from .browsers import Browsers, Seat
from .figure import figure
from .layout import slider_id
from .reach import reach
from .views import outlook, points_table

COOKIE = "mtl2r"

_TAB = State("tab", "data")

_STATE = [
    Output("state", "data", allow_duplicate=True),
    Output("forecast", "data", allow_duplicate=True),
    Output("message", "children", allow_duplicate=True),
]


def register(app: Dash, problem: Problem, browsers: Browsers) -> None:
    """Connects the page of a problem to the tabs' navigations."""

    def seat(tab: str) -> Seat:
        browser = request.cookies.get(COOKIE)
        if not browser:
            raise ValueError(
                "this page needs a cookie of its own: allow it, and load the page again"
            )
        return browsers.seat(seat_key(browser, tab))

    _clientside(app)
    _open(app, problem, seat)
    _wishes(app, problem, seat)
    _walk(app, problem, seat)
    _keep(app, seat)
    _show(app, problem)

    @app.callback(
        Output("doing", "children"), Input("tick", "n_intervals"), _TAB, prevent_initial_call=True
    )
    def doing(_: int, tab: str | None) -> str:
        return "" if tab is None else seat(tab).activity.text


def seat_key(browser: str, tab: str) -> str:
    """The key of a tab's seat.

    Raises:
        ValueError: For what is no name of a tab; only the page's script gives them.
    """
    if not re.fullmatch(r"[0-9a-f]{32}", tab):
        raise ValueError("this is no name of a tab; load the page again")
    return f"{browser}/{tab}"


def fault(error: Exception) -> None:
    """What the page says where this program has a fault; the terminal has the traceback."""
    logging.getLogger(__name__).error("a fault in a callback of the page", exc_info=error)
    set_props("message", {"children": f"⚠ A fault of this program: {error!r}; see the terminal."})


def _clientside(app: Dash) -> None:
    app.clientside_callback(  # type: ignore[no-untyped-call]  # dash's own
        ClientsideFunction("navigate", "theme"), Output("theme", "data"), Input("page", "id")
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("navigate", "tab"), Output("tab", "data"), Input("page", "id")
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("navigate", "couple"),
        Output(slider_id(ALL), "value"),
        Output({"kind": "wanted", "task": ALL}, "children"),
        Input(slider_id(ALL), "value"),
        Input({"kind": "hold", "task": ALL}, "value"),
        Input("state", "data"),
        Input("reset", "n_clicks"),
        State("tasks", "data"),
    )


def _state(seat: Seat, problem: Problem) -> dict[str, Any]:
    """What the page shows of where one stands; computes the trade-offs where they are not known."""
    local = seat.execute({"command": "local"})
    tree = seat.execute({"command": "points"})
    return {"local": local, "tree": tree, **reach(local, problem.tasks)}


Answer = tuple[Any, Any, Any]


def _try(what: Callable[[], Answer]) -> Answer:
    """The outputs of an action, or its mistake as a message."""
    try:
        return what()
    except (ValueError, OSError) as error:
        return no_update, no_update, _refused(error)


def _refused(error: Exception) -> str:
    return f"⚠ {explain(error) if isinstance(error, OSError) else error}"


def _open(app: Dash, problem: Problem, seat: Callable[[str], Seat]) -> None:
    @app.callback(*_STATE, Input("tab", "data"), running=_busy(), prevent_initial_call=True)
    def open_page(tab: str) -> Answer:
        def begin() -> Answer:
            mine = seat(tab)
            with mine.alone():
                state = _state(mine, problem)
            said = [*problem.notes, mine.session.point.message]
            return state, None, " ".join(_sentence(text) for text in said if text)

        return _try(begin)

    @app.callback(
        Output("front", "data"),
        Output("message", "children", allow_duplicate=True),
        Input("quantity", "value"),
        Input("tab", "data"),
        State("front", "data"),
        running=[(Output("picture", "className"), "card busy", "card")],
        prevent_initial_call=True,
    )
    def find_front(
        quantity: str, tab: str | None, known: Mapping[str, Any] | None
    ) -> tuple[Any, Any]:
        """The losses of the study's runs take a while: they are asked for when they are shown."""
        losses = quantity == "loss"
        if tab is None or (known is not None and (known["losses"] or not losses)):
            return no_update, no_update

        def look() -> Answer:
            mine = seat(tab)
            command = {"command": "front", "losses": losses}
            with mine.computing:  # not `alone`: it may go with what else this tab does
                return mine.execute(command), None, no_update

        found = _try(look)
        return found[0], found[2]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].removesuffix('.')}."


def _wishes(app: Dash, problem: Problem, seat: Callable[[str], Seat]) -> None:
    """Previews, of the sliders and of what is typed."""

    @app.callback(*_STATE[1:], Input("wish", "data"), _TAB, prevent_initial_call=True)
    def slide(wish: Mapping[str, Any] | None, tab: str) -> tuple[Any, Any]:
        def look() -> Answer:
            if wish is None:
                return no_update, None, ""
            mine = seat(tab)
            with mine.alone():
                command = {"command": "preview", "change": wish["change"]}
                return no_update, mine.execute(command), ""

        return _try(look)[1:]

    @app.callback(
        *_STATE,
        Output("say", "value"),
        Input("say", "n_submit"),
        State("say", "value"),
        _TAB,
        running=_busy(),
        prevent_initial_call=True,
    )
    def say(_: int, text: str | None, tab: str) -> tuple[Any, ...]:
        def obey() -> Answer:
            command = parse(text or "", problem.tasks)
            if command["command"] in ("help", "quit"):
                raise ValueError(
                    f"the buttons do that here; say a wish, such as: improve {problem.tasks[0]}"
                )
            mine = seat(tab)
            with mine.alone():
                return _do(mine, problem, command)

        outputs = _try(obey)
        return *outputs, no_update


def _walk(app: Dash, problem: Problem, seat: Callable[[str], Seat]) -> None:
    """Steps, and going back and elsewhere."""

    @app.callback(
        *_STATE,
        Input("step", "n_clicks"),
        Input("undo", "n_clicks"),
        Input({"kind": "go", "point": ALL}, "n_clicks"),
        Input("chosen", "data"),
        _TAB,
        running=_busy(),
        prevent_initial_call=True,
    )
    def walk(*given: Any) -> Answer:
        if not ctx.triggered or not ctx.triggered[0]["value"]:
            return no_update, no_update, no_update  # a button was drawn, not pressed
        pressed = ctx.triggered_id
        if pressed == "chosen":
            command = {"command": "go", "point": ctx.triggered[0]["value"]["point"]}
        elif isinstance(pressed, str):
            command = {"command": pressed}
        else:
            command = {"command": "go", "point": pressed["point"]}

        def move() -> Answer:
            mine = seat(given[-1])
            with mine.alone():
                return _do(mine, problem, command)

        return _try(move)

    @app.callback(Output("chosen", "data"), Input("graph", "clickData"), prevent_initial_call=True)
    def choose(click: Mapping[str, Any]) -> Any:
        """A click on a visited point of the figure goes there."""
        point = click["points"][0].get("customdata")
        return no_update if point is None else {"point": point}


def _do(mine: Seat, problem: Problem, command: Mapping[str, Any]) -> Answer:
    """Executes a command that may move; what is planned is shown until something else is."""
    answer = mine.execute(command)
    if answer["command"] == "preview":
        return no_update, answer, ""
    taken = answer if answer["command"] == "step" else None
    return _state(mine, problem), taken, _said(answer)


def _said(answer: Mapping[str, Any]) -> str:
    """What was done, in words."""
    if answer["command"] in ("export", "save"):
        return f"Written: {answer['folder']}"
    if "point" not in answer:
        return ""
    point = answer["point"]["name"] or answer["point"]["id"]
    if answer["command"] == "step":
        return f"Step taken, to point {point}, in {answer['seconds']:.1f} s."
    return f"At point {point}."


def _keep(app: Dash, seat: Callable[[str], Seat]) -> None:
    @app.callback(
        Output("message", "children", allow_duplicate=True),
        Input("export", "n_clicks"),
        Input("save", "n_clicks"),
        Input("export-name", "n_submit"),
        Input("save-name", "n_submit"),
        State("export-name", "value"),
        State("save-name", "value"),
        _TAB,
        running=_busy(),
        prevent_initial_call=True,
    )
    def keep(*given: Any) -> str:
        export, save, tab = given[-3:]
        what = str(ctx.triggered_id).partition("-")[0]
        command: dict[str, Any] = {"command": what}
        if what == "export":
            command["folder"] = export or ""
        elif save:
            command["folder"] = save
        try:
            if what == "export" and not export:
                raise ValueError("give the ranker a name first")
            mine = seat(tab)
            with mine.alone():
                return _said(mine.execute(command))
        except (ValueError, OSError) as error:
            return _refused(error)


def _show(app: Dash, problem: Problem) -> None:
    """Everything that is drawn, from what is known."""
    names = {"metric": problem.metric, "loss": f"{problem.loss} loss"}

    @app.callback(
        Output("graph", "figure"),
        Input("state", "data"),
        Input("front", "data"),
        Input("forecast", "data"),
        Input("quantity", "value"),
        Input("across", "value"),
        Input("up", "value"),
        Input("window", "value"),
        Input("theme", "data"),
        prevent_initial_call=True,
    )
    def draw(
        state: Mapping[str, Any] | None,
        front: Mapping[str, Any] | None,
        forecast: Mapping[str, Any] | None,
        quantity: str,
        across: str,
        up: str,
        window: str,
        theme: str,
    ) -> Any:
        if state is None:
            return no_update
        return figure(
            state["tree"],
            front or {"runs": []},
            forecast,
            quantity=quantity,
            axes=(across, up),
            name=names[quantity],
            whole=window == "front",
            dark=theme == "dark",
        )

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


def _busy() -> list[tuple[Output, Any, Any]]:
    """While a command runs: words of what it does, and a page that says so."""
    return [(Output("tick", "disabled"), False, True), (Output("page", "className"), "busy", "")]
