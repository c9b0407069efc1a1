"""What a saved navigation is of, so that it continues on the same problem only."""

import json
from pathlib import Path
from typing import Any

from ltr_data.files import atomic_write

from .metric_cache import digest
from .problem import Problem

ABOUT, POINTS = "session.json", "points"
FORMAT = "mtl2r-navigation"


def about(folder: str | Path) -> dict[str, Any]:
    """Read what a saved navigation is of: loss, size of the sample, checksums."""
    path = Path(folder) / ABOUT
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: no saved navigation there (expected {ABOUT})")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: damaged: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{path}: not a saved navigation")
    return found


def check_saved(folder: str | Path, problem: Problem) -> None:
    """Check that a saved navigation is of this problem."""
    saved = about(folder)
    for key, value in _about(problem).items():
        if key != "run" and saved.get(key) != value:  # a run's folder may have been renamed
            raise ValueError(
                f"{folder}: a navigation with another {key.replace('_', ' ')}: "
                f"{saved.get(key)!r} there, {value!r} here"
            )


def write_about(folder: Path, problem: Problem) -> None:
    """Write what a navigation is of into its folder."""
    with atomic_write(folder / ABOUT) as file:
        file.write((json.dumps(_about(problem), indent=2) + "\n").encode())


def _about(problem: Problem) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "run": problem.name,
        "ranker": digest(dict(problem.ranker.model.named_parameters())),
        "tasks": list(problem.tasks),
        "loss": problem.loss,
        "documents": problem.documents,
        "metric": problem.metric,
    }
