"""report.html: one file with everything inside, which needs no server."""

import html
import json
from pathlib import Path
from string import Template
from typing import Any

_FOLDER = Path(__file__).parent / "template"
_SCRIPTS = ("format.js", "table.js", "detail.js", "chart.js", "main.js")


def page(data: dict[str, Any]) -> str:
    """Build the page of a payload: HTML with its styles, scripts (also plotly.js) and data."""
    from plotly.offline import get_plotlyjs  # not when the command line starts: it takes a while

    return Template(_read("page.html")).substitute(
        title=html.escape(data["title"]),
        style=_read("page.css"),
        # "<" would end the element early.
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        plotly=get_plotlyjs(),
        scripts="\n".join(_read(name) for name in _SCRIPTS),
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
