"""Fronts and losses: a point per method and preference, for every pair of tasks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...analysis.analyse import Analysis
from ...analysis.results import Result
from . import style


@dataclass(frozen=True)
class _Series:
    """A method's points in one plane, along its sweep."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    errors: tuple[NDArray[np.float64], NDArray[np.float64]] | tuple[None, None]
    line: str


Shown = Sequence[NDArray[np.float64]]
"""Per point of the analysis, (marker, task, 1) values, or (marker, task, 3) with intervals."""


@dataclass(frozen=True)
class _Picture:
    """What the planes of a figure show.

    Attributes:
        label: Of the axis of a task, with a place for its name.
        random_order: The expected metrics of a random order by task, where they are shown.
    """

    analysis: Analysis
    values: Shown
    label: str
    baselines: bool = True
    random_order: Mapping[str, float] | None = None

    def labels(self, x: int, y: int) -> tuple[str, str]:
        """Return the labels of the axes of two tasks."""
        tasks = self.analysis.tasks
        return self.label.format(tasks[x]), self.label.format(tasks[y])

    def landmarks(self, axes: Axes, x: int, y: int) -> None:
        """Draw what does not belong to a method."""
        pair = [self.analysis.tasks[k] for k in (x, y)]
        if self.random_order is not None:
            at = (self.random_order[task] for task in pair)
            axes.plot(*at, "k+", markersize=8, label="random order", zorder=1)
        if not self.baselines:
            return
        stars = [
            mine[:, :, 0].mean(axis=0)
            for mine, point in zip(self.values, self.analysis.points, strict=True)
            if point.baseline_of in pair
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

    def series(self, x: int, y: int) -> Sequence[_Series]:
        """Return the methods' points in a plane, the largest hypervolumes first."""
        analysis = self.analysis
        found = []
        for row in analysis.methods:
            points = [(analysis.points[i], self.values[i]) for i in row.points]
            points.sort(key=lambda one: (one[0].position or 0.0, one[0].preference or ()))
            mine = np.concatenate([values for _, values in points])
            errors: tuple[NDArray[np.float64], NDArray[np.float64]] | tuple[None, None] = None, None
            if mine.shape[-1] == 3:
                middle, low, high = mine[:, (x, y)].transpose(2, 1, 0)
                errors = tuple(np.stack([middle - low, high - middle], axis=1))
            # With more than two tasks the vectors have no order.
            line = "-" if len(points) > 1 and len(analysis.tasks) == 2 else "none"
            found.append(_Series(row.method, mine[:, x, 0], mine[:, y, 0], errors, line))
        return found


def front(analysis: Analysis, random_order: Mapping[str, float]) -> Figure:
    """Draw the reported metric with its intervals; larger is better on both axes."""
    values = [np.array([[[e.value, e.low, e.high] for e in row]]) for row in analysis.values]
    label = f"{analysis.metric} {{}} ({analysis.split})"
    return _planes(_Picture(analysis, values, label, random_order=random_order))


def losses(analysis: Analysis) -> Figure:
    """Draw training losses at the chosen epochs; smaller is better. Figure 3 of DeepMTL2R."""
    values = _by_run(analysis, lambda run, task: run.record["loss"].get(task, np.nan))
    return _planes(_Picture(analysis, values, "training loss {}", baselines=False))


def validation(analysis: Analysis, metric: str) -> Figure:
    """Draw a metric on validation at the chosen epochs. Figure 4 of DeepMTL2R."""
    values = _by_run(analysis, lambda run, task: run.record["metrics"]["validation"][metric][task])
    return _planes(_Picture(analysis, values, f"{metric} {{}} (validation)"))


def _by_run(analysis: Analysis, value: Callable[[Result, str], float]) -> Shown:
    """Return a marker per point, the mean of its runs; of a method's only point one per seed."""
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


def _planes(picture: _Picture) -> Figure:
    """Draw a panel per pair of tasks; with two tasks and many methods a panel per method."""
    pairs = list(combinations(range(len(picture.analysis.tasks)), 2))
    names = [row.method for row in picture.analysis.methods]
    if len(pairs) == 1 and len(names) > style.FEW:
        return _multiples(picture)
    places = style.numbers(names)
    figure, panels = style.panels_side_by_side(len(pairs))
    for axes, (x, y) in zip(panels, pairs, strict=True):
        picture.landmarks(axes, x, y)
        for series in picture.series(x, y):
            number = places[series.name]
            if number < style.FEW:
                _draw(axes, series, number)
            else:
                axes.plot(series.x, series.y, "o", color=style.GREY, markersize=3, zorder=0)
        across, up = picture.labels(x, y)
        axes.set(xlabel=across, ylabel=up)
    style.legend(figure, panels)
    return figure


def _multiples(picture: _Picture) -> Figure:
    """Draw a panel per method, the points of the others in grey."""
    found = picture.series(0, 1)
    figure, panels = style.small_multiples([series.name for series in found])
    for axes, series in zip(panels, found, strict=True):
        for other in found:
            if other is not series:
                axes.plot(other.x, other.y, "o", color=style.GREY, markersize=1.8, zorder=0)
        picture.landmarks(axes, 0, 1)
        for line in axes.lines:
            line.set_markersize(min(line.get_markersize(), 6.0))
        _draw(axes, series, 0, labelled=False)
    style.shared_labels(figure, *picture.labels(0, 1))
    panels[0].plot([], [], "o", color=style.COLOURS[0], markersize=5, label="the panel's method")
    panels[0].plot([], [], "o", color=style.GREY, markersize=3, label="the other methods")
    style.legend(figure, panels)
    return figure


def _draw(axes: Axes, series: _Series, number: int, *, labelled: bool = True) -> None:
    x_errors, y_errors = series.errors
    axes.errorbar(
        series.x,
        series.y,
        xerr=x_errors,
        yerr=y_errors,
        label=series.name if labelled else None,
        linestyle=series.line,
        linewidth=1.2 if labelled else 0.9,
        elinewidth=0.7,
        zorder=3,
        **(style.mark(number) | ({} if labelled else {"markersize": 3.5})),
    )
