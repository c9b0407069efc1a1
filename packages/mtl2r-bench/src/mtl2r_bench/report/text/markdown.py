"""report.md: the tables and what they mean, in Markdown."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...analysis.analyse import Analysis
from ..study_report import StudyReport
from .table import Table, to_markdown


def markdown(report: StudyReport, captions: Sequence[Sequence[tuple[str, str]]]) -> str:
    """Write the whole report; each section has its figures as (file, caption)."""
    overview = report.overview
    several = len(report.sections) > 1
    parts = [f"# {overview.title}", *overview.sentences]
    if overview.unfinished:
        lines = [f"- `{run.name}`: {run.reason}" for run in overview.unfinished[:40]]
        if len(overview.unfinished) > 40:
            lines.append(f"- and {len(overview.unfinished) - 40} more")
        parts += ["## Not finished", "\n".join(lines)]
    if report.paper is not None:
        parts += _table(report.paper, "##")
    for section, figures in zip(report.sections, captions, strict=True):
        level = "###" if several else "##"
        if several:
            parts.append(f"## {' and '.join(section.analysis.tasks)}")
        for table in section.tables:
            parts += _table(table, level)
            if table.name == "methods":
                parts.append(box_text(section.analysis))
        if section.analysis.left_out:
            left_out = "; ".join(section.analysis.left_out)
            parts.append(f"Left out, since not measured on all lists: {left_out}.")
        parts.append(f"{level} Figures")
        parts += [f"![{caption}]({file})\n\n{caption}" for file, caption in figures]
    parts += ["## Made with", overview.made_with]
    return "\n\n".join(parts) + "\n"


def _table(table: Table, level: str) -> list[str]:
    return [f"{level} {table.title}", to_markdown(table), *([table.note] if table.note else [])]


def box_text(analysis: Analysis) -> str:
    """Describe the box that the hypervolumes were measured in."""
    box = analysis.box

    def corner(values: NDArray[np.float64]) -> str:
        named = zip(analysis.tasks, values, strict=True)
        return ", ".join(f"{task} {value:.4f}" for task, value in named)

    where = corner(box.reference)
    if box.ideal is None:
        return (
            f"The reference point of the hypervolume is the expected {analysis.metric} of a random "
            f"order ({where}); nothing is scaled.{_outside(analysis)}"
        )
    return (
        f"The hypervolume is the share of the box between the reference point ({where}) and the "
        f"single-task baselines ({corner(box.ideal)}); the reference point lies a tenth of the "
        "range below the worst value of another task's baseline. Both are fixed in the resamples. "
        "More points have more chances: compare methods with the same number of points. Noise "
        "makes the hypervolume of several points optimistic; the interval corrects for that, so "
        "the number may lie near its upper end." + _narrow(analysis) + _outside(analysis)
    )


def _narrow(analysis: Analysis) -> str:
    """Name the tasks whose baselines differ by less than the noise."""
    found = [f"{task} ({width:.4f} ± {error:.4f})" for task, width, error in analysis.narrow]
    if not found:
        return ""
    return (
        f" The baselines differ by less than two standard errors in {', '.join(found)}: the box is "
        "as narrow as the noise there, and hypervolumes say little."
    )


def _outside(analysis: Analysis) -> str:
    """Name the methods with points that add nothing to the hypervolume."""
    found = []
    for row in analysis.methods:
        values = np.stack([analysis.points[i].values for i in row.points])
        count = int((values < analysis.box.reference).any(axis=1).sum())
        if count:
            found.append(f"{row.method} ({count} of {len(row.points)})")
    if not found:
        return ""
    return (
        " Points that are worse than the reference point in some task add nothing: "
        f"{', '.join(found)}."
    )
