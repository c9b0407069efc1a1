"""What is typed at the prompt, as a command."""

from collections.abc import Sequence
from typing import Any

from ..table import did_you_mean
from .wishes import VERBS, parse_wish

HELP = (
    ("improve TASK [AMOUNT] [give TASK AMOUNT ...] [protect TASK ...]", "what a step would change"),
    ("move TASK CHANGE ...", "the same, by the change of the losses: negative is better"),
    ("toward TASK SHARE ...", "the same, towards losses in these proportions"),
    ("... in metric", "at the end of the first two: amounts are of the metric, not the loss"),
    ("step [WISH]", "take the step that was shown last, or that of a wish"),
    ("undo", "back to where the step began; the point stays in the tree"),
    ("look", "the trade-offs here"),
    ("points", "the points visited"),
    ("go POINT", "to a visited point, by number or name; a step from there is a branch"),
    ("name NAME", "give the current point a name"),
    ("export FOLDER", "write this point's ranker, for mtl2r-bench predict"),
    ("save [NAME]", "write the whole navigation, to go on with --resume NAME"),
    ("quit", "leave"),
)
"""Commands and what they do."""

_BARE = {"undo": "undo", "look": "local", "points": "points", "help": "help", "quit": "quit"}
_ONE = {"go": ("go", "point"), "name": ("name", "name"), "export": ("export", "folder")}
_SYNONYMS = {
    "exit": "quit",
    "q": "quit",
    "?": "help",
    "h": "help",
    "local": "look",
    "where": "look",
    "back": "undo",
    "goto": "go",
    "towards": "toward",
}


def parse(text: str, tasks: Sequence[str]) -> dict[str, Any]:
    """The command of a line, as `mtl2r_bench.navigate.commands.execute` takes it.

    ``help`` and ``quit``, which are no commands of a navigation, come out likewise.

    Raises:
        ValueError: For an unknown word, with the nearest; or for what a command lacks.

    Examples:
        >>> parse("go 3", ["click"])
        {'command': 'go', 'point': 3}
        >>> parse("stepp", ["click"])
        Traceback (most recent call last):
        ValueError: unknown command 'stepp'; did you mean 'step'? Known: improve, ...
    """
    head, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    head = _SYNONYMS.get(head.lower(), head.lower())
    if head in VERBS:
        return _wish("preview", text, tasks)
    if head == "step":
        return _wish("step", rest, tasks) if rest else {"command": "step"}
    if head == "save":
        return {"command": "save", **({"folder": _unquoted(rest)} if rest else {})}
    if head in _BARE:
        if rest:
            raise ValueError(f"`{head}` takes nothing, got {rest!r}")
        return {"command": _BARE[head]}
    if head in _ONE:
        command, field = _ONE[head]
        if not rest:
            raise ValueError(f"`{head}` needs a {field}, like: {_example(head)}")
        value: Any = _unquoted(rest)
        return {"command": command, field: int(value) if _is_point(head, value) else value}
    known = [*VERBS, "step", "save", *_BARE, *_ONE]
    raise ValueError(f"unknown command {head!r}; {did_you_mean(head, known)}")


def _wish(command: str, text: str, tasks: Sequence[str]) -> dict[str, Any]:
    return {"command": command, **parse_wish(text, tasks).model_dump(exclude_defaults=True)}


def _is_point(head: str, value: str) -> bool:
    return head == "go" and value.isascii() and value.isdecimal()


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _example(head: str) -> str:
    return {"go": "go 3", "name": "name favourite", "export": "export ranker"}[head]
