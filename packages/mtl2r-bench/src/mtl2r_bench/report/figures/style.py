"""How the report's figures look: legible in print and for colour-blind readers."""

import textwrap
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ltr_data.files import atomic_write

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's palette, without yellow, which is too light for lines."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
GREY = "#B8B8B8"
FEW = len(COLOURS)
"""Up to this number of methods, colour and marker distinguish them; more have a panel each."""

_TITLE = 22
"""Letters per line of a small panel's title."""


def numbers(methods: Sequence[str]) -> dict[str, int]:
    """Assign numbers to methods, best first: few have the same colour and marker in all figures."""
    ordered = sorted(methods) if len(methods) <= FEW else methods
    return {method: number for number, method in enumerate(ordered)}


def mark(number: int) -> dict[str, Any]:
    """Return colour and marker of a method by its number; neither occurs twice among `FEW`."""
    return {"color": COLOURS[number], "marker": MARKERS[number], "markersize": 5}


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and as PDF; the path is without its ending."""
    # Without a date, so that the same numbers give the same file.
    pdf, raw, png = BytesIO(), BytesIO(), BytesIO()
    figure.savefig(pdf, format="pdf", metadata={"CreationDate": None})
    figure.savefig(raw, format="png", dpi=150)
    # Lines and few colours: a palette makes a third of the size. This one keeps rare colours, too.
    with Image.open(raw) as image:
        small = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    small.save(png, format="png", optimize=True)
    for ending, buffer in (("pdf", pdf), ("png", png)):
        with atomic_write(path.with_name(f"{path.name}.{ending}")) as file:
            file.write(buffer.getvalue())


def panels_side_by_side(panels: int) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels with axes of their own."""
    columns = min(panels, 3)
    lines = -(-panels // columns)
    figure = Figure(figsize=(5.6 * columns, 4.6 * lines), layout="constrained")
    found = [figure.add_subplot(lines, columns, i + 1) for i in range(panels)]
    for axes in found:
        _plain(axes)
    return figure, found


def small_multiples(titles: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Make a figure of small panels that share their axes, as wide as a page."""
    columns = min(len(titles), 5)
    lines = -(-len(titles) // columns)
    figure = Figure(figsize=(1.56 * columns, 1.48 * lines + 0.4), layout="constrained")
    found: list[Axes] = []
    for i, title in enumerate(titles):
        shared = found[0] if found else None
        axes = figure.add_subplot(lines, columns, i + 1, sharex=shared, sharey=shared)
        _plain(axes)
        shown = textwrap.fill(title, _TITLE, break_long_words=False)
        axes.set_title(shown, fontsize=8.5, loc="left", pad=3)
        axes.tick_params(
            labelsize=7,
            length=2,
            labelbottom=i + columns >= len(titles),
            labelleft=i % columns == 0,
        )
        found.append(axes)
    return figure, found


def shared_labels(figure: Figure, across: str, up: str) -> None:
    """Label the axes that small panels share."""
    figure.supxlabel(across, fontsize=8.5)
    figure.supylabel(up, fontsize=8.5)


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """Add one legend for all panels above them, as wide as there is room."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    for columns in (4, 3, 2, 1):
        found = figure.legend(
            list(entries.values()),
            list(entries),
            loc="outside upper center",
            ncols=columns,
            fontsize=8,
            frameon=False,
        )
        if columns == 1 or found.get_window_extent().width <= figure.bbox.width:
            break
        found.remove()
