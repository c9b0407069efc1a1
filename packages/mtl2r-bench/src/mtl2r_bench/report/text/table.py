"""A table of a report, and its three forms: Markdown, LaTeX and CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ...analysis.bootstrap import Estimate


@dataclass(frozen=True)
class Number:
    """A number and how many decimals to show of it.

    Attributes:
        value: The number, or one with an interval.
        decimals: How many.
        signed: Whether a plus sign is shown.
    """

    value: float | Estimate
    decimals: int = 4
    signed: bool = False

    def text(self, value: float) -> str:
        """A value in this form, with a real minus sign."""
        sign = "+" if self.signed else ""
        return f"{value:{sign}.{self.decimals}f}".replace("-", "−")


Cell: TypeAlias = str | Number | None
"""Text, a number, or nothing."""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Of its files.
        title: What it is.
        header: Names of the columns.
        rows: Cells by row.
        note: How to read it.
    """

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def plain(self, *, intervals: bool = True) -> list[list[str]]:
        """Header and rows as text.

        Args:
            intervals: Whether to show them.
        """
        rows = [[_plain(cell, intervals=intervals) for cell in row] for row in self.rows]
        return [list(self.header), *rows]


def to_markdown(table: Table) -> str:
    """As a pipe table."""
    header, *rows = map(_pipes, table.plain())
    return "\n".join([header, "|" + " --- |" * len(table.header), *rows])


def to_csv(table: Table) -> str:
    """As CSV at full precision; an interval is three columns, a spread over seeds one more."""
    widths = [
        max((len(_values(row[i])) for row in table.rows), default=1)
        for i in range(len(table.header))
    ]
    suffixes = ("", " low", " high", " seed sd")
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        [name + suffixes[i] for name, w in zip(table.header, widths, strict=True) for i in range(w)]
    )
    for row in table.rows:
        cells: list[str] = []
        for cell, width in zip(row, widths, strict=True):
            values = _values(cell)
            cells += values + [""] * (width - len(values))
        writer.writerow(cells)
    return file.getvalue()


def to_latex(table: Table) -> str:
    """As a `table` environment with the rules of the package booktabs."""
    columns = "".join(
        "l" if all(isinstance(row[i], str | None) for row in table.rows) else "r"
        for i in range(len(table.header))
    )
    body = "\n".join(" & ".join(_latex(cell) for cell in row) + r" \\" for row in table.rows)
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
            *(f"    {line}" for line in body.splitlines()),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _plain(cell: Cell, *, intervals: bool = True) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if not isinstance(cell.value, Estimate):
        return cell.text(cell.value)
    text = cell.text(cell.value.value)
    if not intervals:
        return text
    text += f" [{cell.text(cell.value.low)}, {cell.text(cell.value.high)}]"
    if cell.value.seed_spread is not None:
        text += f" ± {cell.value.seed_spread:.{cell.decimals}f}"
    return text


def _values(cell: Cell) -> list[str]:
    if cell is None:
        return [""]
    if isinstance(cell, str):
        return [cell]
    if not isinstance(cell.value, Estimate):
        return [repr(float(cell.value))]
    one = cell.value
    values = [one.value, one.low, one.high, *([] if one.seed_spread is None else [one.seed_spread])]
    return [repr(float(value)) for value in values]


def _latex(cell: Cell) -> str:
    if cell is None or isinstance(cell, str):
        return _escape(cell or "")
    text = _plain(cell).replace("−", "-").replace(" ± ", r" \pm ").replace(" [", r"\;[")
    return f"${text}$"


_LATEX = str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "#": r"\#",
        "_": r"\_",
        "$": r"\$",
        "{": r"\{",
        "}": r"\}",
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
