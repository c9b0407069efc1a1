"""The report of a study: results.parquet, report.md and figures/*.png in its folder."""

from __future__ import annotations

from pathlib import Path

from ltr_data import atomic_write

from ..config import StudyConfig, load_study, validate
from ..record import write_parquet
from ..study import plan
from ..sweep import StudyFolder
from .analysis import Analysis, analyse
from .figures import curves, front, losses, save
from .markdown import markdown, rows
from .results import collect, load_references, points, table

__all__ = ["Analysis", "rows", "write_report"]


def write_report(path: str | Path) -> tuple[Analysis, list[list[str]]]:
    """Writes a study's report from its finished runs; nothing is trained or evaluated anew.

    Args:
        path: The study's folder.

    Returns:
        The analysis, and the table of points as rows, a header first.

    Raises:
        FileNotFoundError: When there is no study or no finished run in the folder.
    """
    folder = StudyFolder(path)
    results = collect(folder)
    study = validate(StudyConfig, load_study(folder.study), str(folder.study))
    references = load_references(folder)
    tasks = tuple(results[0].record["labels"])
    split = "test" if "test" in results[0].record["metrics"] else "validation"
    metric = f"ndcg@{study.evaluation.select_cutoff}"
    analysis = analyse(
        points(results, split, metric), tasks, split, metric, references["random"][split][metric]
    )
    folder.figures.mkdir(exist_ok=True)
    figures = [("curves.png", f"Validation {metric} over epochs.", curves(results, metric))]
    if len(tasks) > 1:
        figures = [
            (
                "front.png",
                f"{metric} on {split}, ± one standard error.",
                front(analysis, references),
            ),
            ("losses.png", "Training losses at the chosen epochs.", losses(analysis)),
            *figures,
        ]
    for name, _, figure in figures:
        save(figure, folder.figures / name)
    write_parquet(folder.results, table(results))
    captions = [(f"{folder.figures.name}/{name}", caption) for name, caption, _ in figures]
    text = markdown(analysis, results, references, captions, len(plan(study, tasks)))
    with atomic_write(folder.report) as file:
        file.write(text.encode())
    return analysis, list(rows(analysis, references, errors=False))
