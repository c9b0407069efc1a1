"""The files of a study's report."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ltr_data.files import atomic_write

from ..analysis.results import table
from ..runs.files import write_parquet
from ..table import BASELINES
from .figures.curves import delta_m_curves, validation_curves
from .figures.front import front, losses, validation
from .figures.style import FEW, save
from .page.page import page
from .page.payload import payload
from .study_report import StudyReport, study_report
from .text.markdown import markdown
from .text.sections import Section
from .text.table import Table, to_csv, to_latex

FIGURE_CUTOFF = 30
"""The figures over epochs show NDCG at this cut-off, as the paper's do, where it was measured."""


def write_report(
    path: str | Path, *, against: str = BASELINES, resamples: int = 1_000, level: float = 0.95
) -> StudyReport:
    """Write a study's report from its finished runs; nothing is trained or evaluated again.

    Options and errors are those of `study_report`.
    """
    found = study_report(path, against=against, resamples=resamples, level=level)
    folder = found.folder
    folder.figures.mkdir(exist_ok=True)
    folder.tables.mkdir(exist_ok=True)
    captions = []
    for section in found.sections:
        prefix = "" if found.study.task_sets is None else _slug(section.analysis.tasks) + "-"
        for one in [*section.tables, *section.long_tables]:
            _write_table(one, folder.tables / f"{prefix}{one.name}")
        captions.append(list[tuple[str, str]]())
        for name, caption, figure in _figures(section, found.study.evaluation.cutoffs):
            save(figure, folder.figures / f"{prefix}{name}")
            captions[-1].append((f"{folder.figures.name}/{prefix}{name}.png", caption))
    if found.paper is not None:
        _write_table(found.paper, folder.tables / found.paper.name)
    write_parquet(folder.results, table(found.results))
    _write(folder.report, markdown(found, captions))
    data = payload(found)
    _write(folder.data, json.dumps(data, allow_nan=False) + "\n")
    _write(folder.page, page(data))
    return found


def _figures(section: Section, cutoffs: Sequence[int]) -> Iterator[tuple[str, str, Figure]]:
    """Draw the figures; yields name, caption and figure."""
    analysis = section.analysis
    metric = analysis.metric
    cutoff = FIGURE_CUTOFF if FIGURE_CUTOFF in cutoffs else max(cutoffs)
    late = f"ndcg@{cutoff}"
    repeated = any(len(point.by_seed) > 1 for point in analysis.points if not point.is_baseline)
    by_seed = "; of methods with one point, a marker per seed" if repeated else ""
    if analysis.methods and len(analysis.tasks) > 1:
        random_order = dict(zip(analysis.tasks, section.random_order[metric], strict=True))
        caption = (
            f"{metric} on {analysis.split}, larger is better, with {analysis.level:.0%} intervals."
        )
        yield "front", caption, front(analysis, random_order)
        yield "losses", f"Training losses at the chosen epochs{by_seed}.", losses(analysis)
        caption = f"{late} on validation at the chosen epochs{by_seed}."
        yield "validation", caption, validation(analysis, late)
        if analysis.delta_m:
            caption = (
                f"Δm of {late} on validation over epochs: mean over a method's preferences, and "
                "their range. Lower is better."
            )
            yield "delta_m", caption, delta_m_curves(analysis, late)
    if len(analysis.methods) <= FEW:
        caption = f"{metric} on validation over epochs, a line for each preference."
        yield "curves", caption, validation_curves(analysis, metric)


def _slug(tasks: Sequence[str]) -> str:
    return "+".join(re.sub(r"[^A-Za-z0-9._-]+", "-", task) for task in tasks)


def _write_table(one: Table, path: Path) -> None:
    _write(path.with_name(f"{path.name}.csv"), to_csv(one))
    _write(path.with_name(f"{path.name}.tex"), to_latex(one))


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())
