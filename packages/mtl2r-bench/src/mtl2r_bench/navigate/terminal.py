"""A navigation at a terminal: tables and a prompt."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..runs.disk import explain
from . import answers
from .commands import Places, execute
from .sentences import HELP, parse
from .session import Session
from .waiting import Spinner


def talk(
    session: Session,
    places: Places,
    console: Console,
    spinner: Spinner,
    read: Callable[[str], str] = input,
) -> None:
    """Shows where the navigation stands and obeys until the person leaves; saves what is new then.

    Args:
        session: The navigation.
        places: Where its files go.
        console: Where to print.
        spinner: The session's progress.
        read: Asks for a line; EOFError ends, KeyboardInterrupt too.
    """
    kept = len(session.points)
    console.print(_standing(answers.here(session)["point"], session))  # what is known at once
    console.print(Group(*_notes(session.notes)))
    _obey(session, places, console, spinner, {"command": "local"}, shown=_exchange)
    console.print("[dim]help lists the commands[/]")
    try:
        while True:
            try:
                line = read("› ")
            except (EOFError, KeyboardInterrupt):
                console.print()
                break
            if not line.strip():
                continue
            try:
                command = parse(line, session.problem.tasks)
            except ValueError as error:
                _complain(console, error)
                continue
            if command["command"] == "quit":
                break
            if command["command"] == "help":
                console.print(_help())
                continue
            done = _obey(session, places, console, spinner, command)
            if done is not None and done["command"] == "save":
                kept = len(session.points)
    finally:  # whatever ends it
        if len(session.points) > kept:
            _obey(session, places, console, spinner, {"command": "save"})


def _obey(
    session: Session,
    places: Places,
    console: Console,
    spinner: Spinner,
    command: Mapping[str, Any],
    shown: Callable[[Mapping[str, Any], Session], RenderableType] | None = None,
) -> dict[str, Any] | None:
    """Executes a command and prints its answer; None where it failed, which is printed too."""
    before = session.point.id
    try:
        with spinner(f"{command['command']} ..."):
            answer = execute(session, places, command)
    except (ValueError, OSError) as error:
        _complain(console, error)
        return None
    except KeyboardInterrupt:
        session.go(before)  # whatever was half done
        console.print("stopped; nothing has changed")
        return None
    console.print((shown or render)(answer, session))
    return answer


def _complain(console: Console, error: Exception) -> None:
    said = explain(error) if isinstance(error, OSError) else str(error)
    console.print(Text(said, style="red"), soft_wrap=True)


def render(answer: Mapping[str, Any], session: Session) -> RenderableType:
    """An answer of `mtl2r_bench.navigate.commands.execute` as tables and sentences."""
    kind = answer["command"]
    if kind == "local":
        standing = _standing(answer["point"], session)
        return Group(standing, *_notes(answer["notes"]), _exchange(answer, session))
    if kind == "preview":
        return _preview(answer, session)
    if kind == "step":
        return _step(answer, session)
    if kind == "points":
        return _points(answer, session)
    if kind in ("undo", "go", "name"):
        return _standing(answer["point"], session)
    if kind == "save":
        name = str(answer["folder"])
        return Text(f"Saved {answer['points']} points: {name}")
    if kind == "export":
        return Text(f"Ranker of point {answer['point']}: {answer['folder']}")
    return Text(str(dict(answer)))


def _standing(point: Mapping[str, Any], session: Session) -> RenderableType:
    """A point's losses and metrics."""
    metric = session.problem.metric
    table = Table(
        "task",
        f"loss ({session.problem.loss})",
        f"{metric}, validation",
        "since the start",
        "weight",
        title=_title(point),
        title_justify="left",
        title_style="bold",
    )
    for task in session.problem.tasks:
        row = [
            escape(task),
            _pm(point["loss"][task], point["loss_error"][task], sign=False),
            _pm(point["metric"][task], point["metric_error"][task], sign=False),
            "–"
            if point["parent"] is None
            else _pm(point["since_start"][task], point["since_start_error"][task]),
            f"{point['weights'][task]:.3f}",
        ]
        table.add_row(*row)
    message = [Text(point["message"], style="yellow")] if point["message"] else []
    return Group(table, *message)


def _notes(notes: Iterable[str]) -> list[RenderableType]:
    return [Text(note, style="dim") for note in notes]


def _title(point: Mapping[str, Any]) -> str:
    name = f" “{escape(point['name'])}”" if point["name"] else ""
    came = "" if point["parent"] is None else f", from {point['parent']}"
    return f"Point {point['id']}{name}{came}"


def _exchange(answer: Mapping[str, Any], session: Session) -> RenderableType:
    """What a little less of one loss costs of another, along the front, and how far it can fall."""
    tasks = session.problem.tasks
    table = Table(
        "a loss lower by 0.01 of",
        *(f"costs {escape(task)}" for task in tasks),
        "and it can fall by",
        title="Exchange along the front, the other tasks held",
        title_justify="left",
        title_style="bold",
    )
    for better in tasks:
        cells = []
        for worse in tasks:
            rate = answer["exchange"][worse][better]
            cells.append("" if worse == better or rate is None else f"{-0.01 * rate:+.4f}")
        fall = answer["can_fall"][better]
        end = "no end in sight" if fall is None else f"{fall:.4f}"
        table.add_row(escape(better), *cells, end)
    return table


def _preview(answer: Mapping[str, Any], session: Session) -> RenderableType:
    table = Table(
        "task",
        "loss",
        "change",
        f"{session.problem.metric}",
        "change",
        title=f"A step from point {answer['from']} would give",
        title_justify="left",
        title_style="bold",
    )
    predicted = answer["predicted"]
    for task in session.problem.tasks:
        table.add_row(
            escape(task),
            _number(predicted["loss"][task]),
            _pm(predicted["loss_change"][task], predicted["loss_error"][task], digits=5),
            _number(predicted["metric"][task]),
            _pm(predicted["metric_change"][task], predicted["metric_error"][task]),
        )
    lines = [Text(message, style="yellow") for message in answer["messages"]]
    if answer["refused"]:
        lines.append(Text(f"Refused: {answer['refused']}", style="red"))
    else:
        share, cost = answer["share"], answer["cost"]
        if share is not None and share < 0.995:
            lines.append(Text(f"{share:.0%} of the wish is feasible.", style="yellow"))
        if cost is not None:
            lines.append(Text(f"`step` takes it, for about {cost:.0f} gradients.", style="dim"))
    return Group(table, *lines)


def _step(answer: Mapping[str, Any], session: Session) -> RenderableType:
    table = Table(
        "task",
        "loss",
        "predicted",
        "realised",
        f"{session.problem.metric}",
        "predicted",
        "realised",
        title=f"{_title(answer['point'])}: {answer['seconds']:.1f} s, "
        f"{answer['cost'] or 0:.0f} gradients",
        title_justify="left",
        title_style="bold",
    )
    point, predicted, realised = answer["point"], answer["predicted"], answer["realised"]
    for task in session.problem.tasks:
        table.add_row(
            escape(task),
            _number(point["loss"][task]),
            _number(predicted["loss_change"][task], "+.5f"),
            _pm(realised["loss_change"][task], realised["loss_error"][task], digits=5),
            _number(point["metric"][task]),
            _number(predicted["metric_change"][task], "+.4f"),
            _pm(realised["metric_change"][task], realised["metric_error"][task]),
        )
    message = [Text(answer["message"], style="yellow")] if answer["message"] else []
    return Group(table, *message)


def _points(answer: Mapping[str, Any], session: Session) -> RenderableType:
    tasks = session.problem.tasks
    metric = session.problem.metric
    table = Table("", "point", "from", *(f"{metric} {escape(task)}" for task in tasks), "name")
    for point in answer["points"]:
        table.add_row(
            "→" if point["id"] == answer["current"] else "",
            str(point["id"]),
            "" if point["parent"] is None else str(point["parent"]),
            *(_pm(point["metric"][t], point["metric_error"][t], sign=False) for t in tasks),
            escape(point["name"] or ""),
        )
    return table


def _help() -> Table:
    table = Table("command", "what it does", box=None)
    for usage, meaning in HELP:
        table.add_row(escape(usage), escape(meaning))
    return table


def _number(value: float | None, form: str = ".4f") -> str:
    return "–" if value is None else format(value, form)


def _pm(value: float | None, error: float | None, *, sign: bool = True, digits: int = 4) -> str:
    """A number and its standard error or band."""
    if value is None:
        return "–"
    shown = f"{value:{'+' if sign else ''}.{digits}f}"
    return shown if error is None else f"{shown} ± {error:.{digits}f}"
