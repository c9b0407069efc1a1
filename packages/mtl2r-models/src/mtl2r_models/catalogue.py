"""The table of rankers as Markdown, from the docstrings of the architectures.

`python -m mtl2r_models.catalogue docs/choosing-a-ranker.md` writes it into the page, between the
marks; without a page it is printed.
"""

import inspect
import re
import sys
from pathlib import Path

from . import ARCHITECTURES, Network

BEGIN, END = "<!-- catalogue of rankers: begin -->", "<!-- catalogue of rankers: end -->"
"""The marks of the block in a page."""


def catalogue() -> str:
    """Return all architectures as one table.

    Examples:
        >>> print(catalogue().splitlines()[0])
        | ranker | in a config | a score depends on | time in the list's length n | what it is |
    """
    lines = [
        "| ranker | in a config | a score depends on | time in the list's length n | what it is |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, kind in ARCHITECTURES.items():
        first = (inspect.getdoc(kind) or "").splitlines()[0].rstrip(".")
        cells = _line(kind, "Scores depend on"), _line(kind, "Time"), first
        lines.append(f"| `{kind.__name__}` | `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def written(page: str) -> str:
    """Return a page with the table between its marks, which it must have."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page must have a block between {BEGIN} and {END}, got none")
    return f"{before}{BEGIN}\n\n{catalogue()}\n{END}{after}"


def _line(kind: type[Network], title: str) -> str:
    """Return the line ``title: text.`` of a docstring, without its title."""
    found = re.search(rf"^{title}: (.+)\.$", inspect.getdoc(kind) or "", flags=re.MULTILINE)
    if not found:
        raise ValueError(f"the docstring of {kind.__name__} must have a line {title!r}, found none")
    return found[1]


if __name__ == "__main__":
    if pages := sys.argv[1:]:
        for path in map(Path, pages):
            path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(catalogue())
