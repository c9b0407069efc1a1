"""A navigation for scripts: one JSON command per line in, one JSON answer per line out."""

import json
from collections.abc import Iterable
from typing import Any, TextIO

from ..runs.disk import explain
from .commands import Places, run_command
from .session import Session


def serve(session: Session, places: Places, lines: Iterable[str], out: TextIO) -> int:
    """Answer every line until they end or ``{"command": "quit"}``; return the number of failures.

    An answer has ``"ok"``; where it is false, ``"error"`` says why, and nothing has changed.
    """
    failures = 0
    for line in lines:
        if not line.strip():
            continue
        found = answer(session, places, line)
        failures += not found["ok"]
        out.write(json.dumps(found, ensure_ascii=False, allow_nan=False) + "\n")
        out.flush()
        if found.get("command") == "quit":
            break
    return failures


def answer(session: Session, places: Places, line: str) -> dict[str, Any]:
    """Answer one line."""
    try:
        command = json.loads(line)
        if not isinstance(command, dict):
            raise ValueError(f'expected an object like {{"command": "local"}}, got {line.strip()}')
        if command == {"command": "quit"}:
            return {"ok": True, "command": "quit"}
        return {"ok": True, **run_command(session, places, command)}
    except json.JSONDecodeError as error:
        return {"ok": False, "error": f"not JSON: {error}"}
    except (ValueError, OSError) as error:
        return {"ok": False, "error": explain(error) if isinstance(error, OSError) else str(error)}
