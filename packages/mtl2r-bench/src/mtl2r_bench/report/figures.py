"""The report's figures, legible in print and for colour-blind readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ltr_data import atomic_write

from .analysis import Analysis
from .results import Point, Result

__all__ = ["curves", "front", "losses", "save"]

# Okabe & Ito's palette, without yellow, which is too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG beside its place and renames it."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    with atomic_write(path) as file:
        file.write(buffer.getvalue())


def front(analysis: Analysis, references: Mapping[str, Any]) -> Figure:
    """Every pair of tasks: a point per method and preference, larger is better on both axes."""
    pairs = list(combinations(range(len(analysis.tasks)), 2))
    figure, grid = _grid(len(pairs), 6.8, 5.4)
    found = [point for point in analysis.points if not point.is_baseline]
    for axes, (x, y) in zip(grid, pairs, strict=True):
        for style, (method, mine) in zip(_styles(), _by_method(found).items(), strict=False):
            ordered = sorted(mine, key=lambda point: point.preference or ())
            values = np.stack([point.values for point in ordered])
            errors = np.stack([point.standard_errors for point in ordered])
            axes.errorbar(
                values[:, x],
                values[:, y],
                xerr=errors[:, x],
                yerr=errors[:, y],
                label=method,
                linestyle=_line(ordered, analysis),
                linewidth=1.1,
                elinewidth=0.6,
                **style,
            )
        _landmarks(axes, analysis, references, x, y)
        axes.set_xlabel(f"{analysis.metric} {analysis.tasks[x]} ({analysis.split})")
        axes.set_ylabel(f"{analysis.metric} {analysis.tasks[y]} ({analysis.split})")
        axes.grid(alpha=0.25)
    _legend(figure, grid[0])
    return figure


def _landmarks(
    axes: Axes, analysis: Analysis, references: Mapping[str, Any], x: int, y: int
) -> None:
    """The baselines of both tasks, and a random order."""
    tasks = analysis.tasks
    random = references["random"][analysis.split][analysis.metric]
    axes.plot(
        random[tasks[x]], random[tasks[y]], "k+", markersize=9, label="random order", zorder=1
    )
    first = "single-task baseline"
    for point in analysis.points:
        if point.method in (f"stl {tasks[x]}", f"stl {tasks[y]}"):
            axes.plot(
                point.values[x],
                point.values[y],
                linestyle="none",
                marker="*",
                markersize=13,
                markerfacecolor="none",
                markeredgecolor="black",
                label=first,
                zorder=5,
            )
            first = "_again"


def losses(analysis: Analysis) -> Figure:
    """Training losses at the chosen epochs for every pair of tasks; smaller is better."""
    pairs = list(combinations(analysis.tasks, 2))
    figure, grid = _grid(len(pairs), 6.4, 5.2)
    trained = [point for point in analysis.points if not point.is_baseline]
    for axes, (x, y) in zip(grid, pairs, strict=True):
        for style, (method, mine) in zip(_styles(), _by_method(trained).items(), strict=False):
            ordered = sorted(mine, key=lambda point: point.preference or ())
            axes.plot(
                [point.losses[x] for point in ordered],
                [point.losses[y] for point in ordered],
                label=method,
                linestyle=_line(ordered, analysis),
                linewidth=1.2,
                **style,
            )
        axes.set_xlabel(f"training loss {x}")
        axes.set_ylabel(f"training loss {y}")
        axes.grid(alpha=0.25)
    _legend(figure, grid[0])
    return figure


def curves(results: Sequence[Result], metric: str) -> Figure:
    """The validation metric over epochs, one panel a task, one line a run."""
    tasks = results[0].record["labels"]
    figure, grid = _grid(len(tasks), 5.6, 4.2)
    # Baselines last, so that a method has the colour it has in the other figures.
    methods = sorted({result.method for result in results}, key=lambda m: (m.startswith("stl "), m))
    styles = dict(zip(methods, _styles(), strict=False))
    for axes, task in zip(grid, tasks, strict=True):
        for method in methods:
            for number, result in enumerate(r for r in results if r.method == method):
                log = result.folder.epochs()
                axes.plot(
                    [line["epoch"] for line in log],
                    [line["validation"][metric][task] for line in log],
                    color=styles[method]["color"],
                    linewidth=0.9,
                    alpha=0.75,
                    label=method if number == 0 else None,
                )
                chosen = result.record["epoch"]
                axes.plot(
                    chosen,
                    log[chosen - 1]["validation"][metric][task],
                    linestyle="none",
                    **{**styles[method], "markersize": 4},
                )
        axes.set_xlabel("epoch (markers: the chosen ones)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel(f"{metric} {task} (validation)")
        axes.grid(alpha=0.25)
    _legend(figure, grid[0])
    return figure


def _grid(panels: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    columns = min(panels, 3)
    lines = -(-panels // columns)
    figure = Figure(figsize=(width * columns, height * lines), layout="constrained")
    grid = [figure.add_subplot(lines, columns, i + 1) for i in range(panels)]
    return figure, grid


def _line(ordered: Sequence[Point], analysis: Analysis) -> str:
    """A line along a sweep's preferences; with more than two tasks they have no order."""
    return "-" if len(ordered) > 1 and len(analysis.tasks) == 2 else "none"


def _legend(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, above them, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=8, frameon=False)


def _by_method(found: Sequence[Point]) -> dict[str, list[Point]]:
    groups: dict[str, list[Point]] = {}
    for point in found:
        groups.setdefault(point.method, []).append(point)
    return groups


def _styles() -> list[dict[str, Any]]:
    """Colour and marker together tell methods apart, in print without colour as well."""
    return [
        {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[i % len(MARKERS)],
            "markersize": 5,
            "markerfacecolor": "white" if i >= len(COLOURS) else COLOURS[i % len(COLOURS)],
        }
        for i in range(len(COLOURS) * len(MARKERS))
    ]
