"""Curves over the epochs: the validation metrics, and Δm."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ...analysis.analyse import Analysis
from ...analysis.points import Point, delta_m
from . import style


def validation_curves(analysis: Analysis, metric: str) -> Figure:
    """Draw the validation metric over epochs: one panel a task, one line a point (mean of runs)."""
    figure, panels = style.panels_side_by_side(len(analysis.tasks))
    methods = [row.method for row in analysis.methods]
    places = style.numbers(methods)
    baselines = sorted({point.method for point in analysis.points} - set(methods))
    places |= {method: len(places) + i for i, method in enumerate(baselines)}
    points = [point for point in analysis.points if point.has_epochs]
    for index, axes in enumerate(panels):
        for method, number in places.items():
            for nth, point in enumerate(p for p in points if p.method == method):
                curve = _validation(point, metric, analysis.tasks)[:, index]
                _line(axes, curve, number, method if nth == 0 else None)
        axes.set_ylabel(f"{metric} {analysis.tasks[index]} (validation)")
        _epochs(axes)
    style.legend(figure, panels)
    return figure


def delta_m_curves(analysis: Analysis, metric: str) -> Figure:
    """Draw Δm% of a validation metric over epochs: mean over a method's points, range shaded.

    Figure 5 of DeepMTL2R. The baselines are at their chosen epochs.
    """
    own = [
        [run.record["metrics"]["validation"][metric][task] for run in analysis.points[i].runs]
        for task, i in zip(analysis.tasks, analysis.baselines or (), strict=True)
    ]
    base = np.array([np.mean(values) for values in own])
    found: dict[str, NDArray[np.float64]] = {}
    for row in analysis.methods:
        mine = [
            delta_m(_validation(analysis.points[i], metric, analysis.tasks), base)
            for i in row.points
            if analysis.points[i].has_epochs
        ]
        if not mine:
            continue
        epochs = min(len(curve) for curve in mine)
        found[row.method] = np.stack([curve[:epochs] for curve in mine])
    if len(found) > style.FEW:
        return _multiples(found, metric)
    figure, panels = style.panels_side_by_side(1)
    for method, number in style.numbers(list(found)).items():
        _line(panels[0], found[method].mean(axis=0), number, method)
        _range(panels[0], found[method], style.COLOURS[number])
    _zero(panels[0], found.values())
    panels[0].set_ylabel(f"Δm % of {metric} (validation), lower is better")
    _epochs(panels[0])
    style.legend(figure, panels)
    return figure


def _multiples(found: Mapping[str, NDArray[np.float64]], metric: str) -> Figure:
    """Draw a panel per method, the means of the others in grey."""
    figure, panels = style.small_multiples(list(found))
    for axes, curves in zip(panels, found.values(), strict=True):
        for other in found.values():
            axes.plot(*_xy(other.mean(axis=0)), color=style.GREY, linewidth=0.5, zorder=0)
        axes.plot(*_xy(curves.mean(axis=0)), color=style.COLOURS[0], linewidth=1.5)
        _range(axes, curves, style.COLOURS[0])
        _zero(axes, found.values())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.shared_labels(figure, "epoch", f"Δm % of {metric} (validation), lower is better")
    return figure


def _validation(point: Point, metric: str, tasks: Sequence[str]) -> NDArray[np.float64]:
    """Average over a point's runs: (epoch, task)."""
    logs = [run.folder.epochs() for run in point.runs]
    epochs = min(len(log) for log in logs)
    values = [
        [[line["validation"][metric][task] for task in tasks] for line in log[:epochs]]
        for log in logs
    ]
    means: NDArray[np.float64] = np.mean(values, axis=0)
    return means


def _xy(curve: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return np.arange(1, len(curve) + 1), curve


def _line(axes: Axes, curve: NDArray[np.float64], number: int, label: str | None) -> None:
    number, coloured = number % style.FEW, number < style.FEW
    axes.plot(
        *_xy(curve),
        color=style.COLOURS[number] if coloured else style.GREY,
        linestyle=style.LINES[number],
        marker=style.MARKERS[number],
        markersize=4,
        markevery=max(1, len(curve) // 8),
        linewidth=1.1,
        label=label,
        zorder=2 if coloured else 1,
    )


def _range(axes: Axes, curves: NDArray[np.float64], colour: str) -> None:
    if len(curves) > 1:
        x, low = _xy(curves.min(axis=0))
        axes.fill_between(x, low, curves.max(axis=0), color=colour, alpha=0.1, linewidth=0)


def _zero(axes: Axes, found: Iterable[NDArray[np.float64]]) -> None:
    """Draw the baselines' line, unless it is so far off that it would flatten the others."""
    low = min(float(curves.min()) for curves in found)
    high = max(float(curves.max()) for curves in found)
    if low - (high - low) / 2 > 0:
        return
    axes.axhline(0, color="black", linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)


def _epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
