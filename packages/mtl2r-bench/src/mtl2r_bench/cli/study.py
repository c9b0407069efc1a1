"""`mtl2r-bench demo|sweep|plan|status|select|report`: whole studies."""

import functools
import inspect
import os
from collections.abc import Callable
from enum import StrEnum
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from ..analysis.bootstrap import IntervalEstimate
from ..analysis.select import choose, parse_bound, parse_preference
from ..config import RunConfig, StudyConfig, load_study, validate
from ..data.splits import load_splits
from ..data.suspicious import print_notes
from ..distributed import pick_device
from ..evaluation.selection import trained_tasks
from ..report import write_report
from ..report.text.table import Table as ReportTable
from ..runs.disk import writable
from ..study.backends import Backend
from ..study.plan import data_of_folds, plan
from ..study.status import duration, status_table, study_status
from ..study.sweep import sweep
from ..training.epoch import TrainingError
from ..training.learners import estimate, trainings
from .options import (
    Config,
    Data,
    Epochs,
    Exclude,
    Id,
    Inputs,
    Jobs,
    Out,
    Query,
    Split,
    Tasks,
    console,
    names,
    override,
    override_columns,
    vectors,
)

app = typer.Typer()

_NAME, _HEADING, _NUMBER = 20, 10, 7
"""Characters that stay on one line of a table: of a method's name, a heading, and a number."""


class BackendName(StrEnum):
    """Where `mtl2r-bench sweep` can compute."""

    local = "local"
    ray = "ray"


Methods = Annotated[str | None, typer.Option(help="Comma-separated code names.")]
TaskSets = Annotated[
    str | None, typer.Option(help="Labels to train together: 'pairs', or 'relevance,click; ...'.")
]
Preferences = Annotated[
    str | None,
    typer.Option(help="Number of evenly spread vectors, or the vectors: '.2,.8; .5,.5'."),
]
Seeds = Annotated[str | None, typer.Option(help="Comma-separated seeds.")]
Folds = Annotated[
    str | None,
    typer.Option("--folds", "--fold", help="Comma-separated folds of a root with Fold1..Fold5."),
]
RunsPerGpu = Annotated[int, typer.Option(min=1, help="Runs that share a GPU.")]


@app.command()
def demo(out: Out = Path("runs/demo"), jobs: Jobs = None, epochs: Epochs = None) -> None:
    """Train several methods on synthetic lists with two conflicting labels and draw the front."""
    tables = load_study("demo")
    override(tables, ("train", "epochs"), epochs)
    study = validate(StudyConfig, tables, "demo.toml")
    _sweep(study, out, Backend(jobs=jobs, gpu=_on_gpu(study)))


def _study(
    config: Config = None,
    data: Data = None,
    tasks: Tasks = None,
    query: Query = None,
    document: Id = None,
    inputs: Inputs = None,
    exclude: Exclude = None,
    split: Split = None,
    task_sets: TaskSets = None,
    methods: Methods = None,
    preferences: Preferences = None,
    epochs: Epochs = None,
    seeds: Seeds = None,
    folds: Folds = None,
) -> StudyConfig:
    """Return a study from its file and the options that override it."""
    tables = load_study(config) if config is not None else {}
    override(tables, ("data", "path"), data)
    override(tables, ("data", "tasks"), names(tasks))
    override_columns(
        tables, query=query, document=document, inputs=inputs, exclude=exclude, split=split
    )
    sets = task_sets
    if sets is not None and sets.strip() != "pairs":
        override(tables, ("task_sets",), [names(one) for one in sets.split(";")])
    else:
        override(tables, ("task_sets",), sets)
    override(tables, ("train", "epochs"), epochs)
    override(tables, ("methods",), names(methods))
    override(tables, ("preferences",), vectors(preferences))
    override(tables, ("seeds",), names(seeds))
    numbers = names(folds)
    if numbers is not None and len(numbers) == 1:
        override(tables, ("data", "fold"), numbers[0])
        tables.pop("folds", None)
    else:
        override(tables, ("folds",), numbers)
    return validate(StudyConfig, tables, str(config or "options"))


def _takes_study(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_study`, and pass it the study in their place."""
    shared = inspect.signature(_study).parameters
    _, *own = inspect.signature(command).parameters.values()
    parameters = [*shared.values(), *own]

    @functools.wraps(command)
    def called(**options: Any) -> None:
        study = _study(**{name: options.pop(name) for name in shared})
        command(study, **options)

    # typer reads both.
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called


@app.command(name="sweep")
@_takes_study
def sweep_command(
    study: StudyConfig,
    out: Out = Path("runs/sweep"),
    jobs: Jobs = None,
    backend: Annotated[
        BackendName, typer.Option(help="Processes of this machine, or a Ray cluster.")
    ] = BackendName.local,
    address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster to join, like 127.0.0.1:6379.")
    ] = None,
    runs_per_gpu: RunsPerGpu = 1,
) -> None:
    """Train every run of a study and write the report; resume runs that were interrupted."""
    place = Backend(
        name="ray" if backend is BackendName.ray else "local",
        jobs=jobs,
        address=address,
        runs_per_gpu=runs_per_gpu,
        gpu=_on_gpu(study),
    )
    _sweep(study, out, place)


@app.command(name="plan")
@_takes_study
def plan_command(study: StudyConfig, jobs: Jobs = None, runs_per_gpu: RunsPerGpu = 1) -> None:
    """Estimate the runs, time and disk space of a study from a few steps of each method."""
    splits = load_splits(data_of_folds(study)[0], study.evaluation)
    print_notes(console, splits.notes)
    runs = plan(study, splits.tasks)
    place = Backend(jobs=jobs, runs_per_gpu=runs_per_gpu, gpu=_on_gpu(study))
    jobs = place.processes(len(runs))
    kinds: dict[tuple[str, int], dict[str, RunConfig]] = {}
    for folder, run in runs.items():
        trained = trained_tasks(run, splits.tasks)
        # Baselines of all tasks cost the same; variants and options do not.
        kind = run.method.model_copy(update={"task": None}).label
        kinds.setdefault((kind, len(trained)), {})[folder] = run
    table = Table("method", "tasks", "runs", "s per step", "steps", "epochs", "one at a time")
    seconds, size, parameters = 0.0, 0, 0
    for (name, size_of_set), members in kinds.items():
        first = next(iter(members.values()))
        found = estimate(first, splits)
        count = trainings(members)
        if first.method.preference is not None and study.adaptive:
            vectors = {member.method.preference for member in members.values()}
            count += study.adaptive * len(members) // len(vectors)
        seconds += found.seconds * count
        size += found.bytes * count
        parameters = max(parameters, found.parameters)
        table.add_row(
            name,
            str(size_of_set),
            str(count),
            f"{found.step_seconds:.3f}",
            str(found.steps),
            str(first.train.epochs),
            duration(found.seconds * count),
        )
    console.print(table)
    lists = "training lists" if study.data.path is not None else "synthetic training lists"
    console.print(
        f"{len(runs)} runs of up to {parameters:,} parameters on {len(splits.train)} {lists}: "
        f"about {duration(seconds / jobs)} with {jobs} at a time, {size / 1e6:,.0f} MB.",
        soft_wrap=True,
        highlight=False,
    )


def _on_gpu(study: StudyConfig) -> bool:
    return pick_device(study.train.device).type == "cuda"


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(help="A study's folder.")],
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at a time, for the time left; by default the running ones."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Show waiting and finished runs as well.")
    ] = False,
) -> None:
    """Show the status of a study, during or after its sweep: running and failed runs, time left."""
    runs = study_status(folder)
    running = sum(run.state == "running" for run in runs)
    console.print(
        status_table(runs, jobs or running or os.cpu_count() or 1, every=every), highlight=False
    )
    for run in runs:
        if run.state == "damaged":
            console.print(f"{run.error}", soft_wrap=True, highlight=False, markup=False)


@app.command()
def select(
    folder: Annotated[Path, typer.Argument(help="A study's folder.")],
    prefer: Annotated[
        str | None, typer.Option(help="Weights of the tasks, like relevance=0.7,click=0.3.")
    ] = None,
    bound: Annotated[
        list[str] | None,
        typer.Option(help="Lower bound on the metric of a task, like 'click>=0.45'."),
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(help="The task set, if the study has several.")
    ] = None,
    fold: Annotated[
        int | None, typer.Option(min=1, help="The fold of the runs, if the study has several.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder for a copy of the chosen ranker.")
    ] = None,
) -> None:
    """Choose the ranker with the best validation metrics for given weights or bounds; copy it."""
    if out is not None:
        writable(out, "--out", folder=True)
    choice = choose(
        folder,
        None if prefer is None else parse_preference(prefer),
        dict(parse_bound(text) for text in bound or ()),
        names(tasks),
        fold,
    )
    splits = dict.fromkeys(("validation", choice.split))  # one split if there is no test
    table = Table("task", *(f"{choice.metric}, {split}" for split in splits), "% of its baseline")
    for i, task in enumerate(choice.tasks):
        change = choice.change[i]
        measured = (choice.validation[i], choice.reported[i])[: len(splits)]
        table.add_row(
            task, *map(_interval, measured), "–" if change is None else _interval(change, "+.1f")
        )
    console.print(f"{choice.result.name}, of {choice.candidates} runs", highlight=False)
    console.print(table)
    if choice.verdict:
        console.print(choice.verdict, highlight=False, soft_wrap=True)
    if out is not None:
        choice.export(out)
    console.print(f"Ranker: {out or choice.result.folder.ranker}", soft_wrap=True, highlight=False)


def _interval(estimate: IntervalEstimate, form: str = ".4f") -> str:
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A study's folder.")],
    against: Annotated[
        str, typer.Option(help="Reference method for the gain in hypervolume; stl: the baselines.")
    ] = "stl",
    resamples: Annotated[
        int, typer.Option(min=100, help="Draws of the bootstrap over lists.")
    ] = 1_000,
    level: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Confidence level of the intervals.")
    ] = 0.95,
) -> None:
    """Write a study's report from its finished runs: text, page, tables, figures, numbers."""
    _report(folder, against=against, resamples=resamples, level=level)


def _sweep(study: StudyConfig, out: Path, backend: Backend) -> None:
    writable(out, "--out", folder=True)
    outcomes = sweep(study, out, console=console, backend=backend)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if len(failed) < len(outcomes):
        _report(out)
    if failed:
        lines = "\n".join(f"  {outcome.name}: {outcome.error}" for outcome in failed)
        raise TrainingError(f"{len(failed)} of {len(outcomes)} runs failed:\n{lines}")


def _report(path: Path, **options: Any) -> None:
    if path.is_dir():
        writable(path, "FOLDER", folder=True)
    report = write_report(path, **options)
    for section in report.sections:
        # One section shows all points; several show only the methods.
        shown = ("points", "methods") if len(report.sections) == 1 else ("methods",)
        for name in shown:
            for found in section.tables:
                if found.name == name:
                    _print(found, " + ".join(section.analysis.tasks))
        for warning in section.warnings:
            console.print(f"note: {warning}\n", soft_wrap=True, highlight=False, markup=False)
    folder = report.folder
    for what, place in [
        ("Page", folder.page),
        ("Report", folder.report),
        ("Tables", folder.tables),
        ("Figures", folder.figures),
        ("Numbers", folder.results),
    ]:
        console.print(f"{what + ':':<9}{place}", soft_wrap=True, highlight=False)


def _print(found: ReportTable, tasks: str) -> None:
    # Without lines between the columns, two tasks fit into 80 characters.
    headings, *rows = found.plain(intervals=False)
    # Never break numbers or short names; headings where they must be.
    names = max((len(row[0]) for row in rows), default=0)
    least = [max(map(len, heading.split()), default=0) for heading in headings]
    least[0] = max(min(names, _NAME), least[0])
    narrow = sum(least) + 2 * len(least) > console.width
    if narrow:
        least[1:] = [max(n, _NUMBER) if n <= _HEADING else _NUMBER for n in least[1:]]
    ends = accumulate((width + 2 for width in least[1:]), initial=least[0] + 3)
    fitting = max(sum(end <= console.width for end in ends), 1)
    left_out = ", ".join(headings[fitting:])
    table = Table(
        title=f"{found.title}, {tasks}",
        caption=f"In the report, too: {left_out}" if left_out else None,
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for heading, width in zip(headings[:fitting], least, strict=False):
        # Left to itself, the table cuts what does not fit.
        exact = width if narrow else None
        table.add_column(heading, overflow="fold", min_width=width, width=exact)
    for row in rows:
        table.add_row(*row[:fitting])
    console.print(table)
