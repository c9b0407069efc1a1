"""The commands of a navigation: one table for the terminal, for JSON and for the web page.

A command is a dictionary with ``"command"`` and its fields, an answer one of plain JSON values. The
models below describe the fields; ``mtl2r-bench navigate --schema`` prints them.
"""

import itertools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ..config import Config, validate
from ..table import lookup
from . import answers
from .session import Session
from .wishes import Wish


class Nothing(Config):
    """A command without fields."""


class Go(Config):
    """Go to a visited point, by its number or name."""

    point: int | str


class Front(Config):
    """Show the runs of the study; their losses, if wanted, take a forward pass each."""

    losses: bool = False


class Name(Config):
    """Name the current point."""

    name: Annotated[str, Field(min_length=1, max_length=60)]


class Export(Config):
    """Write the current point's ranker into a new folder."""

    folder: Annotated[str, Field(min_length=1)]


class Save(Config):
    """Write the whole navigation.

    Attributes:
        folder: A plain name is a folder in the run's ``navigations``; None is where this navigation
            was last saved or loaded from, or else a new one.
    """

    folder: Annotated[str, Field(min_length=1)] | None = None


@dataclass
class Places:
    """Where a navigation's files go.

    Attributes:
        home: The folder of navigations with a plain name: the run's ``navigations``.
        saved: The folder of this navigation, once it was saved or loaded.
        exports: The folder of rankers; rankers and navigations must then have plain names. None
            allows any path, from the working directory.
    """

    home: Path
    saved: Path | None = None
    exports: Path | None = None

    def navigation(self, name: str | None) -> Path:
        """Return the folder to save in or load from; by default the current one, or a new one."""
        if name is None:
            return self.saved or _unused(self.home / time.strftime("%Y-%m-%d-%H%M"))
        if self.exports is not None or _is_plain(name):
            return self.home / _plain(name)
        return Path(name).expanduser()

    def export(self, name: str) -> Path:
        """Return the folder to write a ranker to."""
        return Path(name).expanduser() if self.exports is None else self.exports / _plain(name)


def _unused(path: Path) -> Path:
    """Append a number to a path that is taken."""
    names = itertools.chain([path.name], (f"{path.name}+{number}" for number in itertools.count(2)))
    return next(new for name in names if not (new := path.with_name(name)).exists())


def _is_plain(name: str) -> bool:
    return re.fullmatch(r"\w[\w .@=+-]*", name) is not None and not name.endswith((" ", "."))


def _plain(name: str) -> str:
    if not _is_plain(name):
        raise ValueError(
            f"expected a name of letters, digits, spaces and . - _ = + @, got {name!r}"
        )
    return name


Handler = Callable[[Session, Places, Any], dict[str, Any]]


def _preview(session: Session, _: Places, wish: Wish) -> dict[str, Any]:
    if wish.empty:
        raise ValueError("`preview` needs a wish: improve, change or toward")
    return answers.preview(session, session.preview(wish))


def _step(session: Session, _: Places, wish: Wish) -> dict[str, Any]:
    started = time.perf_counter()
    taken = session.step(None if wish.empty else wish)
    return answers.step(session, taken) | {"seconds": round(time.perf_counter() - started, 2)}


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


COMMANDS: Mapping[str, tuple[type[Config], Handler]] = {
    "local": (Nothing, lambda session, *_: answers.local(session)),
    "preview": (Wish, _preview),
    "step": (Wish, _step),
    "undo": (Nothing, lambda session, *_: answers.at(session, session.undo())),
    "go": (Go, lambda session, _, go: answers.at(session, session.go(go.point))),
    "name": (Name, lambda session, _, name: answers.at(session, session.name(name.name))),
    "points": (Nothing, lambda session, *_: answers.points(session)),
    "front": (Front, lambda session, _, front: answers.front(session, losses=front.losses)),
    "export": (Export, _export),
    "save": (Save, _save),
}
"""Fields and handler of every command."""


def schema() -> dict[str, Any]:
    """Return the JSON schema of every command's fields."""
    return {name: kind.model_json_schema() for name, (kind, _) in COMMANDS.items()}


def run_command(session: Session, places: Places, command: Mapping[str, Any]) -> dict[str, Any]:
    """Run a command.

    Args:
        session: The navigation.
        places: Where files go.
        command: ``{"command": name, ...}`` with the fields of `COMMANDS`.

    Returns:
        The answer, of plain JSON values.

    Raises:
        ValueError: For an unknown command or field, with the nearest known one; a wrong value; or
            a command that the session refuses. Nothing has changed then.
        OSError: When a file cannot be written.
    """
    name = command.get("command")
    if not isinstance(name, str):
        raise ValueError(f"`command` must be a name, got {name!r}")
    kind, handler = lookup(COMMANDS, name, "command")
    fields = {key: value for key, value in command.items() if key != "command"}
    return {"command": name, **handler(session, places, validate(kind, fields, name))}
