"""Lines typed at the prompt, parsed into commands."""

from collections.abc import Sequence
from typing import Any

from ..table import lookup
from .wishes import VERBS, parse_wish

HELP = (
    (
        "improve TASK [AMOUNT] [give TASK AMOUNT ...] [protect TASK ...]",
        "show what a step would change",
    ),
    ("move TASK CHANGE ...", "the same, by the change of the losses: negative is better"),
    ("toward TASK SHARE ...", "the same, towards losses in these proportions"),
    ("... in metric", "after the first two: amounts are of the metric, not the loss"),
    ("step [WISH]", "take the step shown last, or the step for a wish"),
    ("undo", "go back to where the step began; the point stays in the tree"),
    ("look", "show the trade-offs at this point"),
    ("points", "list the visited points"),
    ("go POINT", "go to a visited point, by number or name; a step from there is a branch"),
    ("name NAME", "name the current point"),
    ("export FOLDER", "write this point's ranker, for mtl2r-bench predict"),
    ("save [NAME]", "write the whole navigation; continue with --resume NAME"),
    ("quit", "leave"),
)
"""Commands and what they do."""

_BARE = {"undo": "undo", "look": "local", "points": "points", "help": "help", "quit": "quit"}
_ONE = {"go": ("point", "3"), "name": ("name", "favourite"), "export": ("folder", "ranker")}
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
    """Parse a line into a command, as `mtl2r_bench.navigate.commands.run_command` takes it.

    ``help`` and ``quit`` are returned like commands, but are not commands of a navigation.

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
    lookup(dict.fromkeys((*VERBS, "step", "save", *_BARE, *_ONE)), head, "command")
    field, example = _ONE[head]
    if not rest:
        raise ValueError(f"`{head}` needs a {field}, like: {head} {example}")
    value = _unquoted(rest)
    is_number = head == "go" and value.isascii() and value.isdecimal()
    return {"command": head, field: int(value) if is_number else value}


def _wish(command: str, text: str, tasks: Sequence[str]) -> dict[str, Any]:
    return {"command": command, **parse_wish(text, tasks).model_dump(exclude_defaults=True)}


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
