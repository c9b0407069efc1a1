"""From a study's folder to what its report says."""

from dataclasses import dataclass
from pathlib import Path

from ..analysis.analyse import analyse
from ..analysis.overview import Overview, overview
from ..analysis.points import gather
from ..analysis.references import load_references
from ..analysis.results import Result, collect
from ..config import StudyConfig, load_study, validate
from ..runs.study_folder import StudyFolder
from ..study.plan import task_sets
from ..table import BASELINES
from .text.paper import paper_table
from .text.sections import Section, section
from .text.table import Table


@dataclass(frozen=True)
class StudyReport:
    """What the report of a study says.

    Attributes:
        folder: The study's.
        study: Its config.
        results: Its finished runs.
        overview: What was studied, and what is missing.
        paper: The table over all task sets; None without methods.
        sections: One per task set of which runs are finished.
    """

    folder: StudyFolder
    study: StudyConfig
    results: tuple[Result, ...]
    overview: Overview
    paper: Table | None
    sections: tuple[Section, ...]


def study_report(
    path: str | Path, *, against: str = BASELINES, resamples: int = 1_000, level: float = 0.95
) -> StudyReport:
    """Compare the finished runs of a study; nothing is trained or evaluated again.

    Args:
        path: The study's folder.
        against: Method over whose points the hypervolume is to improve; `BASELINES` are the
            single-task baselines.
        resamples: Draws of the bootstrap over lists.
        level: Of the intervals.

    Raises:
        FileNotFoundError: When there is no study or no finished run in the folder.
        ValueError: When runs were measured on different lists, or no method is called `against`.
    """
    folder = StudyFolder(path)
    results = collect(folder)
    study = validate(StudyConfig, load_study(folder.study), str(folder.study))
    labels = tuple(results[0].record["labels"])
    split = "test" if "test" in results[0].record["metrics"] else "validation"
    sections = []
    for tasks in task_sets(study, labels):
        measured = gather(results, tasks, study.evaluation, split)
        if not measured.points:
            continue
        methods = [point.method for point in measured.points if not point.is_baseline]
        known = dict.fromkeys([BASELINES, *methods])
        if against not in known:
            raise ValueError(f"`against` must be one of {', '.join(known)}, got {against!r}")
        references = load_references(folder, study, measured.folds)
        random_order = references.values["random"][split][measured.metric]
        if not set(tasks) <= set(random_order):
            raise ValueError(
                f"{folder.path}: the runs' labels are {', '.join(labels)}, those of its "
                f"references {', '.join(random_order)}: they are of different data"
            )
        analysis = analyse(
            measured, random_order, against=against, resamples=resamples, level=level
        )
        sections.append(section(analysis, references))
    folds = {fold for one in sections for fold in one.analysis.folds}
    references = load_references(folder, study, sorted(folds, key=lambda fold: fold or 0))
    return StudyReport(
        folder,
        study,
        tuple(results),
        overview(folder, study, results, references, split),
        paper_table([one.analysis for one in sections]),
        tuple(sections),
    )
