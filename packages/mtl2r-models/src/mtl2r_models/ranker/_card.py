"""The model card of a saved ranker."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ltr_data import TableTransform

from ..networks import Scorer

if TYPE_CHECKING:
    from ._ranker import Ranker

_ARRAYS = """```python
import numpy as np
from mtl2r_models import Ranker

ranker = Ranker.load(".")  # this folder
documents = np.zeros((3, {features}), dtype=np.float32)  # one list of raw features
scores, order = ranker.rank(documents)
```"""

_NAMED = """```python
from mtl2r_models import Ranker

ranker = Ranker.load(".")  # this folder
documents = {name: [1, 2, 3] for name in ranker.feature_names}  # one list; a frame will do too
scores, order = ranker.rank(documents)
```"""


def model_card(model: Scorer, ranker: "Ranker") -> str:
    """Return the text of README.md, in Markdown, with the header that model hubs read."""
    columns, transform = ranker.columns, ranker.transform
    of_table = transform if isinstance(transform, TableTransform) else None
    numbers = transform if of_table is None else of_table.numbers
    settings = {} if numbers is None else numbers.config()
    settings.pop("feature_ids", None)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    score = "one score per task" if model.num_tasks else "one score for all tasks"
    facts = {
        "Architecture": type(model).__name__,
        "Parameters": f"{parameters:,}",
        "Scores": score,
        "Tasks": ", ".join(ranker.tasks) or "not named",
        "Inputs": str(columns),
        "Transform": _inline(settings) or "none",
    }
    parts = [
        "---",
        "library_name: mtl2r-models",
        "tags: [learning-to-rank, multi-task-learning]",
        "---",
        "",
        "# Ranker",
        "",
        _table(["", ""], facts.items()),
        "## Use",
        "",
        _NAMED if columns.feature_names else _ARRAYS.format(features=len(columns)),
        "",
        "Larger scores are better; `order` has the documents, best first. Loading runs no code.",
        "",
        "## Model",
        "",
        _block(model.config()),
    ]
    for name, value in ranker.metadata.items():
        title = _cell(name.replace("_", " "))
        parts += [f"## {title[:1].upper()}{title[1:]}", "", _block(value)]
    if of_table is not None:
        parts += ["## Input columns", "", _rows_table(of_table.columns())]
    elif columns.feature_names:
        named = zip(columns.feature_ids, columns.feature_names, strict=True)
        parts += ["## Input names", "", _table(["column", "name"], named)]
    return "\n".join(parts).rstrip() + "\n"


def _block(value: object) -> str:
    """Return a table for what has rows, and a line for the rest."""
    if isinstance(value, Mapping) and value:
        if all(isinstance(inner, Mapping) for inner in value.values()):
            return _rows_table([{"": name, **inner} for name, inner in value.items()])
        return _table(["", ""], value.items())
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        if all(isinstance(inner, Mapping) for inner in value):
            return _rows_table([dict(inner) for inner in value])
        return _inline(value) + "\n"
    return _cell(_inline(value)) + "\n"


def _rows_table(rows: Sequence[Mapping[str, Any]]) -> str:
    header = list(dict.fromkeys(name for row in rows for name in row))
    return _table(header, ([row.get(name, "") for name in header] for row in rows))


def _table(header: Sequence[str], rows: Any) -> str:
    lines = [
        "| " + " | ".join(_cell(name) for name in header) + " |",
        "| " + " | ".join("---" for _ in header) + " |",
    ]
    lines += ["| " + " | ".join(_cell(_inline(cell)) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _inline(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_inline(inner)}" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_inline(inner) for inner in value)
    return str(value)


def _cell(text: str) -> str:
    """Return text that stays within its cell and is not taken for markup."""
    for mark in "\\|`*_<[":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())
