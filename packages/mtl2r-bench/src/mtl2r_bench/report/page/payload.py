"""What the page shows, as data: report.json, and the same inside report.html."""

import shlex
from dataclasses import asdict
from typing import Any

import numpy as np

from ...analysis.analyse import Analysis
from ...analysis.bootstrap import Bootstrap, Estimate, basic_interval
from ...analysis.points import Point
from ...analysis.results import Result
from ...config import StudyConfig
from ...runs.study_folder import StudyFolder
from ...table import METHODS
from ..study_report import StudyReport
from ..text.markdown import box_text
from ..text.sections import Section, comparisons
from ..text.table import Number, Table


def payload(report: StudyReport) -> dict[str, Any]:
    """Everything the page needs, of types that JSON has."""
    overview = report.overview
    return {
        "title": overview.title,
        "sentences": [sentence.replace("**", "") for sentence in overview.sentences],
        "unfinished": [asdict(run) for run in overview.unfinished],
        "made_with": overview.made_with,
        "folder": str(report.folder.path),
        "settings": _settings(report.study),
        "paper": None if report.paper is None else _table(report.paper),
        "sets": [
            _set(report.folder, section, named=len(report.sections) > 1)
            for section in report.sections
        ],
    }


def _set(folder: StudyFolder, section: Section, *, named: bool) -> dict[str, Any]:
    analysis = section.analysis
    measured = analysis.measured
    metrics = _metrics(analysis)
    return {
        "name": " + ".join(analysis.tasks),
        "tasks": list(analysis.tasks),
        "split": analysis.split,
        "metric": analysis.metric,
        "level": analysis.level,
        "resamples": analysis.resamples,
        "box": {
            "reference": analysis.box.reference.tolist(),
            "ideal": None if analysis.box.ideal is None else analysis.box.ideal.tolist(),
        },
        "box_text": box_text(analysis),
        "random": {name: list(values) for name, values in section.random_order.items()},
        "left_out": list(measured.left_out),
        "methods": [
            {
                "name": row.method,
                "summary": _summary(row.method),
                "points": list(row.points),
                "hypervolume": asdict(row.hypervolume),
                "improvement": None if row.improvement is None else asdict(row.improvement),
                "delta_m": None if row.delta_m is None else asdict(row.delta_m),
            }
            for row in analysis.methods
        ],
        "points": [
            _point(folder, analysis, i, {name: one[i] for name, one in metrics.items()})
            | {"select": _select(folder, analysis, analysis.points[i], named=named)}
            for i in range(len(analysis.points))
        ],
        "tables": [
            _table(table)
            for table in [*section.tables, *([comparisons(analysis)] if analysis.families else [])]
        ],
    }


def _metrics(analysis: Analysis) -> dict[str, Any]:
    """By metric, (point, task, 3): value and interval, from the draws of the analysis."""
    measured = analysis.measured
    bootstrap = Bootstrap(measured.counted, measured.strata, resamples=analysis.resamples)
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
    validation = point.validation
    return {
        "id": i,
        "method": point.method,
        "baseline": point.is_baseline,
        "preference": None if point.preference is None else list(point.preference),
        "position": point.position,
        "metrics": {name: values.tolist() for name, values in metrics.items()},
        "validation": None if validation is None else validation.tolist(),
        "losses": [point.losses.get(task) for task in analysis.tasks],
        "seed_spread": None if point.seed_spread is None else point.seed_spread.tolist(),
        "delta_m": asdict(analysis.delta_m[i]) if analysis.delta_m else None,
        "optimal": analysis.optimal[i],
        "probability_optimal": analysis.probability_optimal[i],
        "runs": [_run(folder, run) for run in point.runs],
    }


def _run(folder: StudyFolder, run: Result) -> dict[str, Any]:
    trees = run.folder.trees.is_file()
    ranker = shlex.quote(str(folder.runs / run.name))
    return {
        "name": run.name,
        "seed": run.seed,
        "fold": run.fold,
        "epoch": run.record["epoch"],
        "epochs": run.record["epochs"],
        "seconds": run.record["seconds"],
        "parameters": run.record["parameters"],
        "options": run.record["method"]["options"],
        "bounds": run.record.get("bounds"),
        "certificate": run.record.get("certificate"),
        "trees": str(folder.runs / run.name / run.folder.trees.name) if trees else None,
        "predict": None
        if trees
        else f"mtl2r-bench predict --model {ranker} --data test.txt --out scores.txt",
    }


def _select(folder: StudyFolder, analysis: Analysis, point: Point, *, named: bool) -> str | None:
    """The command that chooses one of the point's runs by bounds on validation.

    None where in each fold a run of another point is no worse in any task there, so that bounds
    keep it too.

    Args:
        folder: The study's.
        analysis: Of the task set.
        point: One of its points.
        named: Whether the task set has to be named.
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
            words += ["--fold", str(run.fold)] if len(analysis.measured.folds) > 1 else []
            for task, bound in bounds.items():
                words += ["--bound", f"{task}>={bound:.4f}"]
            return shlex.join([*words, "--out", "ranker"])
    return None


def _summary(method: str) -> str:
    name = method.partition(" ")[0]
    return METHODS[name].summary.replace("`", "") if name in METHODS else ""


def _settings(study: StudyConfig) -> list[list[str]]:
    """Name and value of everything the study sets, flat."""

    def flat(tables: dict[str, Any], prefix: str = "") -> list[list[str]]:
        found = []
        for key, value in tables.items():
            if isinstance(value, dict):
                found += flat(value, f"{prefix}{key}.")
            elif value is not None:
                found.append([prefix + key, str(value)])
        return found

    return flat(study.model_dump(mode="json"))


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": table.title,
        "note": table.note,
        "header": list(table.header),
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
    }


def _cell(cell: str | Number | None) -> Any:
    """Text, or a number with what to show of it, so that the page can sort."""
    if not isinstance(cell, Number):
        return cell or ""
    value = cell.value.value if isinstance(cell.value, Estimate) else cell.value
    shown: dict[str, Any] = {"value": value, "text": cell.text(value)}
    if isinstance(cell.value, Estimate):
        shown["interval"] = f"[{cell.text(cell.value.low)}, {cell.text(cell.value.high)}]"
        if cell.value.seed_spread is not None:
            shown["spread"] = f"± {cell.value.seed_spread:.{cell.decimals}f}"
    return shown
