"""A navigation at a terminal: tables and a prompt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..runs.disk import explain
from . import answers
from .answers import plus_minus
from .commands import Places, run_command
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
    """Show the current point and run what is typed; on leaving, save what is new.

    EOFError and KeyboardInterrupt of `read` end the navigation.
    """
    prompt = _Prompt(session, places, console, spinner)
    console.print(_standing(answers.at(session, session.point)["point"], session))  # known at once
    console.print(Group(*_notes(session.notes, "dim")))
    prompt.run({"command": "local"}, _exchange)
    console.print("[dim]help lists the commands[/]")
    kept = len(session.points)
    try:
        while True:
            try:
                line = read("› ")
            except (EOFError, KeyboardInterrupt):
                console.print()
                break
            command = prompt.parse(line)
            if command is None:
                continue
            if command["command"] == "quit":
                break
            done = prompt.run(command)
            if done is not None and done["command"] == "save":
                kept = len(session.points)
    finally:  # whatever ends it
        if len(session.points) > kept:
            prompt.run({"command": "save"})


@dataclass
class _Prompt:
    """A session, and the terminal that shows it."""

    session: Session
    places: Places
    console: Console
    spinner: Spinner

    def parse(self, line: str) -> dict[str, Any] | None:
        """Return the command of a line; None for help, a mistake (both are printed) or nothing."""
        if not line.strip():
            return None
        try:
            command = parse(line, self.session.problem.tasks)
        except ValueError as error:
            self.complain(error)
            return None
        if command["command"] == "help":
            table = Table("command", "what it does", box=None)
            for usage, meaning in HELP:
                table.add_row(escape(usage), escape(meaning))
            self.console.print(table)
            return None
        return command

    def run(
        self,
        command: Mapping[str, Any],
        shown: Callable[[Mapping[str, Any], Session], RenderableType] | None = None,
    ) -> dict[str, Any] | None:
        """Run a command and print its answer; None if it failed, which is printed, too."""
        before = self.session.point.id
        try:
            with self.spinner(f"{command['command']} ..."):
                answer = run_command(self.session, self.places, command)
        except (ValueError, OSError) as error:
            self.complain(error)
            return None
        except KeyboardInterrupt:
            self.session.go(before)  # undoes what was half done
            self.console.print("stopped; nothing has changed")
            return None
        self.console.print((shown or render)(answer, self.session))
        return answer

    def complain(self, error: Exception) -> None:
        """Print what went wrong."""
        said = explain(error) if isinstance(error, OSError) else str(error)
        self.console.print(Text(said, style="red"), soft_wrap=True)


def render(answer: Mapping[str, Any], session: Session) -> RenderableType:
    """Render an answer of `mtl2r_bench.navigate.commands.run_command`."""
    kind = answer["command"]
    if kind == "local":
        standing = _standing(answer["point"], session)
        return Group(standing, *_notes(answer["notes"], "dim"), _exchange(answer, session))
    if kind in ("undo", "go", "name"):
        return _standing(answer["point"], session)
    if kind == "save":
        return Text(f"Saved {answer['points']} points: {answer['folder']}")
    if kind == "export":
        return Text(f"Ranker of point {answer['point']}: {answer['folder']}")
    tables = {"preview": _preview, "step": _step, "points": _points}
    return tables[kind](answer, session) if kind in tables else Text(str(dict(answer)))


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", title_style="bold")


def _notes(notes: tuple[str, ...] | list[str], style: str) -> list[Text]:
    return [Text(note, style=style) for note in notes if note]


def _standing(point: Mapping[str, Any], session: Session) -> RenderableType:
    """Show a point's losses and metrics."""
    loss, metric = f"loss ({session.problem.loss})", f"{session.problem.metric}, validation"
    table = _table(_title(point), "task", loss, metric, "since the start", "weight")
    for task in session.problem.tasks:
        table.add_row(
            escape(task),
            plus_minus(point["loss"][task], point["loss_error"][task]),
            plus_minus(point["metric"][task], point["metric_error"][task]),
            "–" if point["parent"] is None else _change(point, "since_start", task),
            f"{point['weights'][task]:.3f}",
        )
    return Group(table, *_notes([point["message"]], "yellow"))


def _title(point: Mapping[str, Any]) -> str:
    name = f" “{escape(point['name'])}”" if point["name"] else ""
    came = "" if point["parent"] is None else f", from {point['parent']}"
    return f"Point {point['id']}{name}{came}"


def _exchange(answer: Mapping[str, Any], session: Session) -> RenderableType:
    """Show what a smaller loss costs the others along the front, and how far it can fall."""
    tasks = session.problem.tasks
    table = _table(
        "Exchange along the front, the other tasks held",
        "a loss lower by 0.01 of",
        *(f"costs {escape(task)}" for task in tasks),
        "and it can fall by",
    )
    for better in tasks:
        rates = [None if a == better else answer["exchange"][a][better] for a in tasks]
        cells = ["" if rate is None else f"{-0.01 * rate:+.4f}" for rate in rates]
        fall = answer["can_fall"][better]
        table.add_row(escape(better), *cells, "no end in sight" if fall is None else f"{fall:.4f}")
    return table


def _preview(answer: Mapping[str, Any], session: Session) -> RenderableType:
    title = f"A step from point {answer['from']} would give"
    table = _table(title, "task", "loss", "change", session.problem.metric, "change")
    predicted = answer["predicted"]
    for task in session.problem.tasks:
        table.add_row(
            escape(task),
            plus_minus(predicted["loss"][task], None),
            _change(predicted, "loss_change", task, digits=5),
            plus_minus(predicted["metric"][task], None),
            _change(predicted, "metric_change", task),
        )
    lines = _notes(answer["messages"], "yellow")
    share, cost = answer["share"], answer["cost"]
    if answer["refused"]:
        lines.append(Text(f"Refused: {answer['refused']}", style="red"))
        return Group(table, *lines)
    if share is not None and share < 0.995:
        lines.append(Text(f"{share:.0%} of the wish is feasible.", style="yellow"))
    if cost is not None:
        lines.append(Text(f"`step` takes it, for about {cost:.0f} gradients.", style="dim"))
    return Group(table, *lines)


def _step(answer: Mapping[str, Any], session: Session) -> RenderableType:
    point, predicted, realised = answer["point"], answer["predicted"], answer["realised"]
    title = f"{_title(point)}: {answer['seconds']:.1f} s, {answer['cost'] or 0:.0f} gradients"
    both = ("predicted", "realised")
    table = _table(title, "task", "loss", *both, session.problem.metric, *both)
    for task in session.problem.tasks:
        table.add_row(
            escape(task),
            plus_minus(point["loss"][task], None),
            plus_minus(predicted["loss_change"][task], None, sign="+", digits=5),
            _change(realised, "loss_change", task, digits=5),
            plus_minus(point["metric"][task], None),
            plus_minus(predicted["metric_change"][task], None, sign="+"),
            _change(realised, "metric_change", task),
        )
    return Group(table, *_notes([answer["message"]], "yellow"))


def _points(answer: Mapping[str, Any], session: Session) -> RenderableType:
    tasks, metric = session.problem.tasks, session.problem.metric
    table = Table("", "point", "from", *(f"{metric} {escape(task)}" for task in tasks), "name")
    for point in answer["points"]:
        table.add_row(
            "→" if point["id"] == answer["current"] else "",
            str(point["id"]),
            "" if point["parent"] is None else str(point["parent"]),
            *(plus_minus(point["metric"][task], point["metric_error"][task]) for task in tasks),
            escape(point["name"] or ""),
        )
    return table


def _change(values: Mapping[str, Any], name: str, task: str, *, digits: int = 4) -> str:
    """Format a change with its error: ``loss_change`` has ``loss_error``, for example."""
    error = values[f"{name.removesuffix('_change')}_error"][task]
    return plus_minus(values[name][task], error, sign="+", digits=digits)
