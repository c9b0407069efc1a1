"""How the report's figures look: legible in print and for colour-blind readers."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ltr_data import atomic_write

__all__ = ["COLOURS", "FEW", "GREY", "MARKERS", "grid", "legend", "save", "style"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's palette, without yellow, which is too light for lines."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
GREY = "#B8B8B8"
FEW = len(COLOURS)
"""So many methods are told apart by colour and marker together; more have a panel each."""


def style(number: int) -> dict[str, Any]:
    """Colour and marker of the method of a number; neither occurs twice among `FEW`."""
    return {"color": COLOURS[number], "marker": MARKERS[number], "markersize": 5}


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG and as PDF, each beside its place and renamed.

    Args:
        figure: The figure.
        path: Without its ending.
    """
    for ending in ("png", "pdf"):
        buffer = BytesIO()
        # Without a date, so that the same numbers give the same file.
        metadata = {"CreationDate": None} if ending == "pdf" else {"Software": None}
        figure.savefig(buffer, format=ending, dpi=130, metadata=metadata)
        with atomic_write(path.with_name(f"{path.name}.{ending}")) as file:
            file.write(buffer.getvalue())


def grid(panels: int, width: float, height: float, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels, inches each; small ones share their axes."""
    columns = min(panels, columns)
    lines = -(-panels // columns)
    figure = Figure(figsize=(width * columns, height * lines), layout="constrained")
    found: list[Axes] = []
    for i in range(panels):
        shared = found[0] if found and width < 4 else None
        axes = figure.add_subplot(lines, columns, i + 1, sharex=shared, sharey=shared)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if shared is not None or width < 4:
            axes.tick_params(
                labelsize=7, labelbottom=i + columns >= panels, labelleft=i % columns == 0
            )
        found.append(axes)
    return figure, found


def legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend for all panels, above them, where it hides nothing."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside upper center",
        ncols=4,
        fontsize=8,
        frameon=False,
    )
