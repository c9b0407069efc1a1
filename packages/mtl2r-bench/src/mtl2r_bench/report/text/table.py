"""A table of a report, and its three forms: Markdown, LaTeX and CSV."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeAlias

from ...analysis.bootstrap import IntervalEstimate


@dataclass(frozen=True)
class Number:
    """A number, perhaps with an interval, and how to show it."""

    value: float | IntervalEstimate
    decimals: int = 4
    signed: bool = False

    @property
    def estimate(self) -> IntervalEstimate | None:
        """The value where it has an interval."""
        return self.value if isinstance(self.value, IntervalEstimate) else None

    @property
    def point(self) -> float:
        """The number without its interval."""
        return self.value.value if isinstance(self.value, IntervalEstimate) else self.value

    @property
    def interval(self) -> str:
        """The interval as text; empty without one."""
        one = self.estimate
        return "" if one is None else f"[{self.text(one.low)}, {self.text(one.high)}]"

    @property
    def spread(self) -> str:
        """The spread over seeds as text; empty without one."""
        spread = None if self.estimate is None else self.estimate.seed_spread
        return "" if spread is None else f"± {spread:.{self.decimals}f}"

    def text(self, value: float) -> str:
        """Format a value in this form, with a real minus sign."""
        sign = "+" if self.signed else ""
        return f"{value:{sign}.{self.decimals}f}".replace("-", "−")


Cell: TypeAlias = str | Number | None
"""Text, a number, or nothing."""


@dataclass(frozen=True)
class Table:
    """A table; its name is that of its files, its note says how to read it."""

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def plain(self, *, intervals: bool = True) -> list[list[str]]:
        """Return header and rows as text, with or without intervals."""
        rows = [[_plain(cell, intervals=intervals) for cell in row] for row in self.rows]
        return [list(self.header), *rows]


def to_markdown(table: Table) -> str:
    """Format a table as a pipe table."""
    bar = chr(92) + "|"
    lines = [f"| {' | '.join(c.replace('|', bar) for c in row)} |" for row in table.plain()]
    return "\n".join([lines[0], "|" + " --- |" * len(table.header), *lines[1:]])


def to_csv(table: Table) -> str:
    """Format as CSV at full precision; an interval has three columns, a spread over seeds one."""
    suffixes = ("", " low", " high", " seed sd")
    columns: list[tuple[str, ...]] = []
    for i, name in enumerate(table.header):
        cells = zip_longest(("",), *(_values(row[i]) for row in table.rows), fillvalue="")
        columns += [
            (name + suffix, *values) for suffix, (_, *values) in zip(suffixes, cells, strict=False)
        ]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(zip(*columns, strict=True))
    return file.getvalue()


def to_latex(table: Table) -> str:
    """Format as a `table` environment with the rules of the package booktabs."""
    columns = "".join(
        "l" if all(isinstance(row[i], str | None) for row in table.rows) else "r"
        for i in range(len(table.header))
    )
    return "\n".join(
        [
            r"% \usepackage{booktabs}",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_escape(table.title)}. {_escape(table.note)}}}",
            rf"  \label{{tab:{table.name}}}",
            rf"  \begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            "    " + " & ".join(_escape(name) for name in table.header) + r" \\",
            r"    \midrule",
            *("    " + " & ".join(map(_latex, row)) + r" \\" for row in table.rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _plain(cell: Cell, *, intervals: bool = True) -> str:
    if not isinstance(cell, Number):
        return cell or ""
    shown = [cell.text(cell.point), *([cell.interval, cell.spread] if intervals else [])]
    return " ".join(filter(None, shown))


def _values(cell: Cell) -> Iterator[str]:
    if not isinstance(cell, Number):
        yield cell or ""
        return
    yield repr(float(cell.point))
    if (one := cell.estimate) is not None:
        for value in (one.low, one.high, one.seed_spread):
            if value is not None:
                yield repr(float(value))


def _latex(cell: Cell) -> str:
    if not isinstance(cell, Number):
        return _escape(cell or "")
    text = _plain(cell).replace("−", "-").replace(" ± ", r" \pm ").replace(" [", r"\;[")
    return f"${text}$"


_LATEX = str.maketrans(
    {
        **{sign: rf"\{sign}" for sign in "&%#_${}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "Δ": r"$\Delta$",
        "−": r"$-$",
        "±": r"$\pm$",
        "≥": r"$\ge$",
        "ρ": r"$\rho$",
        "–": "--",
    }
)


def _escape(text: str) -> str:
    return text.replace("*", "").translate(_LATEX)
