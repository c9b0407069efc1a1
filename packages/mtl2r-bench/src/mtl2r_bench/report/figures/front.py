"""Fronts and losses: a point per method and preference, for every pair of tasks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...analysis.analyse import Analysis
from ...analysis.points import Point
from ...analysis.results import Result
from .style import COLOURS, FEW, GREY, legend, numbers, panels_side_by_side, small_multiples, style


@dataclass(frozen=True)
class _Series:
    """A method's points in one plane, along its sweep."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    errors: NDArray[np.float64] | None  # (2, low and high, point)
    line: str


Landmarks = Callable[[Axes, int, int], None]

Shown = Sequence[NDArray[np.float64]]
"""Per point of the analysis, (marker, task, 1) values, or (marker, task, 3) with intervals."""


def front(analysis: Analysis, random_order: Mapping[str, float]) -> Figure:
    """The metric that is reported, with its intervals; larger is better on both axes."""
    tasks = analysis.tasks
    values = [np.array([[[e.value, e.low, e.high] for e in row]]) for row in analysis.values]

    def landmarks(axes: Axes, x: int, y: int) -> None:
        axes.plot(
            random_order[tasks[x]],
            random_order[tasks[y]],
            "k+",
            markersize=8,
            label="random order",
            zorder=1,
        )
        _baselines(axes, analysis, values, x, y)

    def label(k: int) -> str:
        return f"{analysis.metric} {tasks[k]} ({analysis.split})"

    return _planes(analysis, values, label, landmarks)


def losses(analysis: Analysis) -> Figure:
    """Training losses at the chosen epochs; smaller is better. Figure 3 of DeepMTL2R."""
    values = _by_run(analysis, lambda run, task: run.record["loss"].get(task, np.nan))
    return _planes(analysis, values, lambda k: f"training loss {analysis.tasks[k]}", _nothing)


def validation(analysis: Analysis, metric: str) -> Figure:
    """A metric on validation at the chosen epochs. Figure 4 of DeepMTL2R."""
    values = _by_run(analysis, lambda run, task: run.record["metrics"]["validation"][metric][task])
    return _planes(
        analysis,
        values,
        lambda k: f"{metric} {analysis.tasks[k]} (validation)",
        lambda axes, x, y: _baselines(axes, analysis, values, x, y),
    )


def _by_run(analysis: Analysis, value: Callable[[Result, str], float]) -> Shown:
    """A marker per point, the mean of its runs; of a method's only point one per seed."""
    fronts = {row.method for row in analysis.pareto}
    found = []
    for point in analysis.points:
        groups: dict[int, list[Result]] = {}
        for run in point.runs:
            groups.setdefault(0 if point.method in fronts else run.seed, []).append(run)
        rows = [
            [np.mean([value(run, task) for run in runs]) for task in analysis.tasks]
            for runs in groups.values()
        ]
        found.append(np.array(rows)[..., None])
    return found


def _nothing(axes: Axes, x: int, y: int) -> None:
    """No landmarks."""


def _baselines(axes: Axes, analysis: Analysis, values: Shown, x: int, y: int) -> None:
    names = [f"stl {analysis.tasks[k]}" for k in (x, y)]
    stars = [
        mine[:, :, 0].mean(axis=0)
        for mine, point in zip(values, analysis.points, strict=True)
        if point.method in names
    ]
    axes.plot(
        [star[x] for star in stars],
        [star[y] for star in stars],
        linestyle="none",
        marker="*",
        markersize=11,
        markerfacecolor="white",
        markeredgecolor="black",
        label="single-task baseline" if stars else None,
        zorder=5,
    )


def _planes(
    analysis: Analysis,
    values: Shown,
    label: Callable[[int], str],
    landmarks: Landmarks,
) -> Figure:
    """A panel per pair of tasks; with two tasks and many methods a panel per method.

    Args:
        analysis: The task set.
        values: What stands for each point.
        label: Of an axis.
        landmarks: Draws what does not belong to a method.
    """
    pairs = list(combinations(range(len(analysis.tasks)), 2))
    names = [row.method for row in analysis.methods]
    if len(pairs) == 1 and len(names) > FEW:
        return _multiples(analysis, values, label, landmarks)
    places = numbers(names)
    figure, panels = panels_side_by_side(len(pairs))
    for axes, (x, y) in zip(panels, pairs, strict=True):
        landmarks(axes, x, y)
        for series in _series(analysis, values, x, y):
            number = places[series.name]
            if number < FEW:
                _draw(axes, series, number)
            else:
                axes.plot(series.x, series.y, "o", color=GREY, markersize=3, zorder=0)
        axes.set_xlabel(label(x))
        axes.set_ylabel(label(y))
    legend(figure, panels)
    return figure


def _multiples(
    analysis: Analysis,
    values: Shown,
    label: Callable[[int], str],
    landmarks: Landmarks,
) -> Figure:
    """A panel per method, the points of the others in grey."""
    found = _series(analysis, values, 0, 1)
    figure, panels = small_multiples([series.name for series in found])
    for axes, series in zip(panels, found, strict=True):
        for other in found:
            if other is not series:
                axes.plot(other.x, other.y, "o", color=GREY, markersize=1.8, zorder=0)
        landmarks(axes, 0, 1)
        for line in axes.lines:
            line.set_markersize(min(line.get_markersize(), 6.0))
        _draw(axes, series, 0, labelled=False)
    figure.supxlabel(label(0), fontsize=8.5)
    figure.supylabel(label(1), fontsize=8.5)
    panels[0].plot([], [], "o", color=COLOURS[0], markersize=5, label="the panel's method")
    panels[0].plot([], [], "o", color=GREY, markersize=3, label="the other methods")
    legend(figure, panels)
    return figure


def _draw(axes: Axes, series: _Series, number: int, *, labelled: bool = True) -> None:
    axes.errorbar(
        series.x,
        series.y,
        xerr=None if series.errors is None else series.errors[0],
        yerr=None if series.errors is None else series.errors[1],
        label=series.name if labelled else None,
        linestyle=series.line,
        linewidth=1.2 if labelled else 0.9,
        elinewidth=0.7,
        zorder=3,
        **(style(number) | ({} if labelled else {"markersize": 3.5})),
    )


def _series(analysis: Analysis, values: Shown, x: int, y: int) -> Sequence[_Series]:
    """The methods' points, the largest hypervolumes first."""
    found = []
    for row in analysis.methods:
        places = sorted(row.points, key=lambda i: _place(analysis.points[i]))
        mine = np.concatenate([values[i] for i in places])
        errors = None
        if mine.shape[-1] == 3:
            middle, low, high = mine[:, (x, y)].transpose(2, 1, 0)
            errors = np.stack([middle - low, high - middle], axis=1)
        found.append(
            _Series(
                row.method,
                mine[:, x, 0],
                mine[:, y, 0],
                errors,
                # With more than two tasks the vectors have no order.
                "-" if len(places) > 1 and len(analysis.tasks) == 2 else "none",
            )
        )
    return found


def _place(point: Point) -> tuple[float, tuple[float, ...]]:
    return (point.position or 0.0, point.preference or ())
