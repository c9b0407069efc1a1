"""The commands of a navigation: one table for the terminal, for JSON and for the web page.

A command is a dictionary with ``"command"`` and its fields, an answer one of plain JSON values. The
models below say what the fields are; ``mtl2r-bench navigate --schema`` prints it.
"""

import itertools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..table import did_you_mean
from . import answers
from .session import Session
from .wishes import Wish


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(_Command):
    """A command without fields."""


class Go(_Command):
    """To a visited point.

    Attributes:
        point: Its number, or the name it was given.
    """

    point: int | str


class Front(_Command):
    """The runs of the study.

    Attributes:
        losses: Whether their losses are wanted too, which takes a forward pass each.
    """

    losses: bool = False


class Name(_Command):
    """Names the current point.

    Attributes:
        name: To go back by.
    """

    name: Annotated[str, Field(min_length=1, max_length=60)]


class Export(_Command):
    """Writes the current point's ranker.

    Attributes:
        folder: A new one.
    """

    folder: Annotated[str, Field(min_length=1)]


class Save(_Command):
    """Writes the whole navigation.

    Attributes:
        folder: A mere name is a folder in the run's ``navigations``; None is where this navigation
            was saved last or came from, or a new one.
    """

    folder: Annotated[str, Field(min_length=1)] | None = None


@dataclass
class Places:
    """Where a navigation's files go.

    Attributes:
        home: Where navigations with a mere name are: the run's ``navigations``.
        saved: The folder of this navigation, once it was saved or where it came from.
        exports: Where rankers go, and then only mere names are allowed, of navigations too; None
            allows any path, from the working directory.
    """

    home: Path
    saved: Path | None = None
    exports: Path | None = None

    def navigation(self, name: str | None) -> Path:
        """The folder to save in, or to open; without a name, where it is, or a new one."""
        if name is None:
            return self.saved or _unused(self.home / time.strftime("%Y-%m-%d-%H%M"))
        if self.exports is not None or _is_plain(name):
            return self.home / _plain(name)
        return Path(name).expanduser()

    def export(self, name: str) -> Path:
        """The folder that a ranker is written to."""
        return Path(name).expanduser() if self.exports is None else self.exports / _plain(name)


def _unused(path: Path) -> Path:
    """The path, with a number behind it where it is taken."""
    for number in itertools.count(2):
        if not path.exists():
            break
        path = path.with_name(f"{path.name.partition('+')[0]}+{number}")
    return path


def _is_plain(name: str) -> bool:
    return re.fullmatch(r"\w[\w .@=+-]*", name) is not None and not name.endswith((" ", "."))


def _plain(name: str) -> str:
    if not _is_plain(name):
        raise ValueError(
            f"expected a name of letters, digits, spaces and . - _ = + @, got {name!r}"
        )
    return name


Handler = Callable[[Session, Places, Any], dict[str, Any]]


def _local(session: Session, places: Places, _: Nothing) -> dict[str, Any]:
    return answers.local(session)


def _preview(session: Session, places: Places, wish: Wish) -> dict[str, Any]:
    if wish.empty:
        raise ValueError("`preview` needs a wish: improve, change or toward")
    return answers.preview(session, session.preview(wish))


def _step(session: Session, places: Places, wish: Wish) -> dict[str, Any]:
    started = time.perf_counter()
    taken = session.step(None if wish.empty else wish)
    return answers.step(session, taken) | {"seconds": round(time.perf_counter() - started, 2)}


def _undo(session: Session, places: Places, _: Nothing) -> dict[str, Any]:
    session.undo()
    return answers.here(session)


def _go(session: Session, places: Places, command: Go) -> dict[str, Any]:
    session.go(command.point)
    return answers.here(session)


def _name(session: Session, places: Places, command: Name) -> dict[str, Any]:
    session.name(command.name)
    return answers.here(session)


def _points(session: Session, places: Places, _: Nothing) -> dict[str, Any]:
    return answers.points(session)


def _front(session: Session, places: Places, command: Front) -> dict[str, Any]:
    return answers.front(session, losses=command.losses)


def _export(session: Session, places: Places, command: Export) -> dict[str, Any]:
    folder = session.export(places.export(command.folder))
    return {"folder": str(folder), "point": session.point.id}


def _save(session: Session, places: Places, command: Save) -> dict[str, Any]:
    target = places.navigation(command.folder)
    if target != places.saved:
        try:
            target.mkdir(parents=True)  # of two that save at once, one has the name
        except FileExistsError as error:
            raise ValueError(f"`save` needs a new name, {target} exists") from error
    places.saved = session.save(target)
    return {"folder": str(places.saved), "points": len(session.points)}


COMMANDS: Mapping[str, tuple[type[BaseModel], Handler]] = {
    "local": (Nothing, _local),
    "preview": (Wish, _preview),
    "step": (Wish, _step),
    "undo": (Nothing, _undo),
    "go": (Go, _go),
    "name": (Name, _name),
    "points": (Nothing, _points),
    "front": (Front, _front),
    "export": (Export, _export),
    "save": (Save, _save),
}
"""Fields and handler of every command."""


def schema() -> dict[str, Any]:
    """The JSON schema of every command's fields."""
    return {name: kind.model_json_schema() for name, (kind, _) in COMMANDS.items()}


def execute(session: Session, places: Places, command: Mapping[str, Any]) -> dict[str, Any]:
    """Does what a command says.

    Args:
        session: The navigation.
        places: Where files go.
        command: ``{"command": name, ...}`` with the fields of `COMMANDS`.

    Returns:
        The answer, of plain JSON values.

    Raises:
        ValueError: For an unknown command or field, with the nearest; a value of a wrong kind; or
            what the session refuses. Nothing has changed then.
        OSError: When a file cannot be written.
    """
    name = command.get("command")
    if not isinstance(name, str) or name not in COMMANDS:
        raise ValueError(f"unknown command {name!r}; {did_you_mean(str(name), list(COMMANDS))}")
    kind, handler = COMMANDS[name]
    fields = {key: value for key, value in command.items() if key != "command"}
    for field in fields:
        if field not in kind.model_fields:
            known = list(kind.model_fields) or ["(none)"]
            raise ValueError(f"unknown field {field!r} of {name!r}; {did_you_mean(field, known)}")
    try:
        wanted = kind.model_validate(fields)
    except ValidationError as error:
        raise ValueError("; ".join(_explain(dict(item)) for item in error.errors())) from error
    return {"command": name, **handler(session, places, wanted)}


def _explain(item: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "missing":
        return f"`{where}` is missing"
    return f"`{where}`: {item['msg']}, got {item['input']!r}"
