"""What was studied, on what, and what is missing from it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ltr_data import Identity, LabelSpec

from ..config import StudyConfig
from ..runs.study_folder import StudyFolder
from ..study.status import study_status
from .references import References
from .results import Result


@dataclass(frozen=True)
class Unfinished:
    """A run of the plan that has no result, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Overview:
    """The head of a report."""

    title: str
    sentences: tuple[str, ...]
    unfinished: tuple[Unfinished, ...]
    made_with: str


def overview(
    folder: StudyFolder,
    study: StudyConfig,
    results: Sequence[Result],
    references: References,
    split: str,
) -> Overview:
    """Describe a study for the head of its report."""
    labels = tuple(results[0].record["labels"])
    data = references.data
    sizes = ", ".join(
        f"{name} {data['queries'][name]:,} lists ({data['documents'][name]:,} documents)"
        for name in data["queries"]
    )
    metric = f"ndcg@{study.evaluation.select_cutoff}"
    folds = data["folds"]
    over = f", the mean over the lists of {folds} folds" if folds > 1 else ""
    sentences = [
        "; ".join([sizes, f"{data['features']} inputs", *_parameters(results)]) + ".",
        (
            f"{_choice(study)} The numbers are **{metric} on {split}**, larger is better{over}. "
            f"{_empty(study)}"
        ),
    ]
    made = [LabelSpec.from_dict(spec) for spec in data["labels"].values()]
    if any(not isinstance(spec.transform, Identity) for spec in made):
        sentences.append(f"The labels: {', '.join(map(str, made))}.")
    sentences += [f"**Note**: {note}." for note in data["notes"]]
    if split == "validation":
        sentences.append(
            "**There is no test split**: the reported lists also chose the epoch, so the numbers "
            "are optimistic; intervals and tests do not account for that."
        )
    if study.baselines and any(result.variant is not None for result in results):
        sentences.append(
            f"The single-task baselines are of the study's model ({study.model.label}), also for "
            "methods with a model of their own."
        )
    seeds = {result.seed for result in results}
    if len(seeds) == 1:
        sentences.append(
            "**One seed**: the results do not show how much another seed would change them."
        )
    unfinished, planned = _unfinished(folder, results)
    if unfinished:
        sentences.append(
            f"**{len(unfinished)} of {planned} runs are not finished**; a point is the mean of "
            "its finished runs."
        )
    named = " and ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)
    title = f"{named} on {data['source']}"
    return Overview(title, tuple(sentences), unfinished, _made_with(results))


def _parameters(results: Sequence[Result]) -> list[str]:
    """Return the numbers of parameters by variant; several where tasks have a score each."""
    networks: dict[str | None, set[int]] = {}
    for result in results:
        if result.record["loss"]:  # trees have none
            networks.setdefault(result.variant, set()).add(result.record["parameters"])
    return [
        " or ".join(f"{n:,}" for n in sorted(sizes))
        + " parameters"
        + ("" if variant is None else f" ({variant})")
        for variant, sizes in sorted(networks.items(), key=lambda item: item[0] or "")
    ]


def _choice(study: StudyConfig) -> str:
    if study.evaluation.select_tasks == "last":
        return "Every run is reported at its last epoch."
    by = "the tasks weighted by the run's preference (equally if it has none)"
    if study.evaluation.select_tasks == "main":
        by = "the first task"
    return f"Validation chose the epoch, by {by}."


def _empty(study: StudyConfig) -> str:
    if study.evaluation.empty == "skip":
        return "Lists without a relevant document for a task are left out of its mean."
    value = f"{study.evaluation.empty:g}"
    return f"A list without a relevant document for a task counts {value} in its mean."


def _unfinished(
    folder: StudyFolder, results: Sequence[Result]
) -> tuple[tuple[Unfinished, ...], int]:
    """Return the runs without a result, and the number of planned runs."""
    finished = {result.name for result in results}
    found = study_status(folder.path)
    return tuple(
        Unfinished(
            run.name,
            run.error or (f"{run.epoch} of {run.epochs} epochs" if run.epoch else "not begun"),
        )
        for run in found
        if run.name not in finished
    ), len(found)


def _made_with(results: Sequence[Result]) -> str:
    made = results[0].record["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    revisions = sorted({r.record["environment"]["revision"] or "unknown" for r in results})
    checksums = sorted({r.record["data"]["train"] for r in results})
    return (
        f"{versions}; Python {made['python']}; {made['platform']}; device {made['device']}; "
        f"revision {', '.join(revisions)}. Training data SHA-256 {', '.join(checksums)}."
    )
