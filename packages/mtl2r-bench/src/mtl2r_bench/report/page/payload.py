"""The data of the page: report.json, also inside report.html."""

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from ...analysis.analyse import Analysis
from ...analysis.bootstrap import Bootstrap, IntervalEstimate, basic_interval
from ...analysis.points import Point
from ...analysis.results import Result
from ...runs.study_folder import StudyFolder
from ...table import METHODS
from ..study_report import StudyReport
from ..text.markdown import box_text
from ..text.sections import Section, comparisons
from ..text.table import Number, Table


def payload(report: StudyReport) -> dict[str, Any]:
    """Collect everything the page needs, of types that JSON has."""
    overview = report.overview
    return {
        "title": overview.title,
        "sentences": [sentence.replace("**", "") for sentence in overview.sentences],
        "unfinished": [asdict(run) for run in overview.unfinished],
        "made_with": overview.made_with,
        "folder": str(report.folder.path),
        "settings": list(_settings(report.study.model_dump(mode="json"))),
        "paper": None if report.paper is None else _table(report.paper),
        "sets": [
            _set(report.folder, section, named=len(report.sections) > 1)
            for section in report.sections
        ],
    }


def _set(folder: StudyFolder, section: Section, *, named: bool) -> dict[str, Any]:
    analysis = section.analysis
    metrics = _metrics(analysis)
    return {
        "name": " + ".join(analysis.tasks),
        **_fields(analysis, "tasks", "split", "metric", "level", "resamples"),
        "box": _fields(analysis.box, "reference", "ideal"),
        "box_text": box_text(analysis),
        "random": {name: list(values) for name, values in section.random_order.items()},
        "left_out": analysis.left_out,
        "methods": [
            {
                "name": row.method,
                "summary": _summary(row.method),
                **_fields(row, "points", "hypervolume", "improvement", "delta_m"),
            }
            for row in analysis.methods
        ],
        "points": [
            _point(folder, analysis, i, metrics)
            | {"select": _select(folder, analysis, point, named=named)}
            for i, point in enumerate(analysis.points)
        ],
        "tables": [
            _table(table)
            for table in [*section.tables, *([comparisons(analysis)] if analysis.families else [])]
        ],
    }


def _metrics(analysis: Analysis) -> dict[str, Any]:
    """Return (point, task, 3) by metric: value and interval, from the draws of the analysis."""
    bootstrap = Bootstrap(analysis.counted, analysis.strata, resamples=analysis.resamples)
    found = {}
    for name in analysis.points[0].metrics:
        queries = np.stack([point.metrics[name] for point in analysis.points])
        values = np.nanmean(queries, axis=-1)
        interval = basic_interval(values, bootstrap.means(queries), analysis.level)
        found[name] = np.concatenate([values[..., None], interval], axis=-1)
    found[analysis.metric] = np.array(
        [[[one.value, one.low, one.high] for one in row] for row in analysis.values]
    )
    return found


def _point(
    folder: StudyFolder, analysis: Analysis, i: int, metrics: dict[str, Any]
) -> dict[str, Any]:
    point = analysis.points[i]
    spreads = [value.seed_spread for value in analysis.values[i]]
    return {
        "id": i,
        "method": point.method,
        "baseline": point.is_baseline,
        **_fields(point, "preference", "position"),
        "metrics": {name: values[i].tolist() for name, values in metrics.items()},
        **_fields(point, "validation"),
        "losses": [point.losses.get(task) for task in analysis.tasks],
        "seed_spread": None if None in spreads else spreads,
        "delta_m": asdict(analysis.delta_m[i]) if analysis.delta_m else None,
        "optimal": analysis.optimal[i],
        "probability_optimal": analysis.probability_optimal[i],
        "runs": [_run(folder, run) for run in point.runs],
    }


def _fields(item: object, *names: str) -> dict[str, Any]:
    """Return attributes of these names, of types that JSON has."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.tolist()
        return asdict(value) if isinstance(value, IntervalEstimate) else value

    return {name: plain(getattr(item, name)) for name in names}


def _run(folder: StudyFolder, run: Result) -> dict[str, Any]:
    trees = run.folder.trees.is_file()
    ranker = shlex.quote(str(folder.runs / run.name))
    return {
        "name": run.name,
        "seed": run.seed,
        "fold": run.fold,
        **{key: run.record[key] for key in ("epoch", "epochs", "seconds", "parameters")},
        "options": run.record["method"]["options"],
        "bounds": run.record.get("bounds"),
        "certificate": run.record.get("certificate"),
        "trees": str(folder.runs / run.name / run.folder.trees.name) if trees else None,
        "predict": None
        if trees
        else f"mtl2r-bench predict --model {ranker} --data test.txt --out scores.txt",
    }


def _select(folder: StudyFolder, analysis: Analysis, point: Point, *, named: bool) -> str | None:
    """Return the command that chooses one of the point's runs by bounds on validation.

    None if, in each fold, a run of another point is no worse in any task: bounds keep it, too.

    With `named`, the command names the task set.
    """
    if point.is_baseline:
        return None

    def values(run: Result) -> dict[str, float]:
        found: dict[str, float] = run.record["metrics"]["validation"][analysis.metric]
        return found

    for run in point.runs:
        # Rounded down, so that the run keeps its bounds.
        bounds = {task: np.floor(values(run)[task] * 1e4) / 1e4 for task in analysis.tasks}
        if not any(
            all(values(other)[task] >= bound for task, bound in bounds.items())
            for one in analysis.points
            if one is not point
            for other in one.runs
            if other.fold == run.fold
        ):
            words = ["mtl2r-bench", "select", str(folder.path)]
            words += ["--tasks", ",".join(analysis.tasks)] if named else []
            words += ["--fold", str(run.fold)] if len(analysis.folds) > 1 else []
            for task, bound in bounds.items():
                words += ["--bound", f"{task}>={bound:.4f}"]
            return shlex.join([*words, "--out", "ranker"])
    return None


def _summary(method: str) -> str:
    name = method.partition(" ")[0]
    return METHODS[name].summary.replace("`", "") if name in METHODS else ""


def _settings(tables: dict[str, Any], prefix: str = "") -> Iterator[list[str]]:
    """Yield name and value of everything the study sets, flat."""
    for key, value in tables.items():
        if isinstance(value, dict):
            yield from _settings(value, f"{prefix}{key}.")
        elif value is not None:
            yield [prefix + key, str(value)]


def _table(table: Table) -> dict[str, Any]:
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    return _fields(table, "name", "title", "note", "header") | {"rows": rows}


def _cell(cell: str | Number | None) -> Any:
    """Return text, or a number with what to show of it, so that the page can sort."""
    if not isinstance(cell, Number):
        return cell or ""
    shown = {"value": cell.point, "text": cell.text(cell.point)}
    more = {"interval": cell.interval, "spread": cell.spread}
    return shown | {name: text for name, text in more.items() if text}
