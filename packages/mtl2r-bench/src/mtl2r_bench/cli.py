"""The command line `mtl2r-bench`."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mtl2r_models.export import export_onnx, export_program

from . import cli_data
from . import predict as prediction
from . import train as training
from .choose import choose, parse_bound, parse_preference
from .config import STUDIES, RunConfig, StudyConfig, load_study, validate
from .data import load_splits
from .estimate import estimate
from .report import write_report
from .status import seconds_left, study_status
from .study import plan
from .sweep import StudyFolder, sweep
from .tables import LOSSES, METHODS, METRICS, summary

__all__ = ["app", "main"]

app = typer.Typer(
    help="Trains, sweeps and reports multi-task rankers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_data.app, name="data")
# Of the processes that torchrun starts, the first one speaks.
console = Console(quiet=os.environ.get("RANK", "0") != "0")

Out = Annotated[Path, typer.Option(help="Folder for the results; finished runs are kept.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Runs at a time, one thread each; one per core if left out."),
]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder in LETOR's layout (train, vali, test), or a root with Fold1..Fold5."),
]
Tasks = Annotated[str | None, typer.Option(help="Comma-separated task names.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Passes over the training lists.")]
Config = Annotated[
    Path | None,
    typer.Argument(help="TOML file, or a name of `list studies`; options here override it."),
]


class Listing(StrEnum):
    """What `mtl2r-bench list` can list."""

    methods = "methods"
    losses = "losses"
    metrics = "metrics"
    datasets = "datasets"
    studies = "studies"


@app.command()
def demo(out: Out = Path("runs/demo"), jobs: Jobs = None, epochs: Epochs = None) -> None:
    """Trains several methods on synthetic lists with two conflicting labels and draws the front."""
    tables = load_study("demo")
    _override(tables, ("train", "epochs"), epochs)
    _sweep(validate(StudyConfig, tables, "demo.toml"), out, jobs)


@app.command(name="sweep")
def sweep_command(
    config: Config = None,
    out: Out = Path("runs/sweep"),
    data: Data = None,
    tasks: Tasks = None,
    methods: Annotated[str | None, typer.Option(help="Comma-separated code names.")] = None,
    preferences: Annotated[
        str | None,
        typer.Option(help="How many evenly spaced vectors, or the vectors: '.2,.8; .5,.5'."),
    ] = None,
    epochs: Epochs = None,
    seeds: Annotated[str | None, typer.Option(help="Comma-separated seeds.")] = None,
    fold: Annotated[int | None, typer.Option(min=1, help="Fold of a root with folds.")] = None,
    jobs: Jobs = None,
) -> None:
    """Trains every method, preference and seed of a study, and reports. Resumes what was begun."""
    tables = load_study(config) if config is not None else {}
    _override(tables, ("data", "path"), data)
    _override(tables, ("data", "fold"), fold)
    _override(tables, ("data", "tasks"), _names(tasks))
    _override(tables, ("train", "epochs"), epochs)
    _override(tables, ("methods",), _names(methods))
    _override(tables, ("preferences",), _vectors(preferences))
    _override(tables, ("seeds",), _names(seeds))
    _sweep(validate(StudyConfig, tables, str(config or "options")), out, jobs)


@app.command(name="plan")
def plan_command(config: Config = None, data: Data = None, jobs: Jobs = None) -> None:
    """Says what a study would take: its runs, time and disk. Times a few steps of each method."""
    tables = load_study(config) if config is not None else {}
    _override(tables, ("data", "path"), data)
    study = validate(StudyConfig, tables, str(config or "options"))
    splits = load_splits(study.data, study.evaluation)
    runs = plan(study, splits.tasks)
    jobs = min(jobs or os.cpu_count() or 1, len(runs))
    kinds: dict[str, list[RunConfig]] = {}
    for run in runs.values():
        kinds.setdefault(run.method.name, []).append(run)
    table = Table("method", "runs", "s per step", "steps", "epochs", "on one core")
    seconds, size = 0.0, 0
    for name, members in kinds.items():
        found = estimate(members[0], splits)
        seconds += found.seconds * len(members)
        size += found.bytes * len(members)
        table.add_row(
            name,
            str(len(members)),
            f"{found.step_seconds:.3f}",
            str(found.steps),
            str(members[0].train.epochs),
            _duration(found.seconds * len(members)),
        )
    console.print(table)
    console.print(
        f"{len(runs)} runs of {found.parameters:,} parameters on {len(splits.train)} training "
        f"lists: about {_duration(seconds / jobs)} with {jobs} at a time, {size / 1e6:,.0f} MB.",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(help="A study's folder.")], jobs: Jobs = None
) -> None:
    """Shows how far a study is, also while it runs."""
    runs = study_status(folder)
    counts = Counter(run.state for run in runs)
    table = Table("run", "state", "epochs", "minutes", "error")
    for run in runs:
        table.add_row(
            run.name,
            run.state,
            f"{run.epoch}/{run.epochs}",
            f"{run.seconds / 60:.1f}",
            run.error or "",
        )
    console.print(table)
    left = seconds_left(runs, jobs or os.cpu_count() or 1)
    ahead = "" if left is None or left == 0 else f"; about {_duration(left)} left"
    console.print(
        ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) + ahead,
        highlight=False,
    )


@app.command()
def train(
    config: Config = None,
    out: Out = Path("runs/train"),
    data: Data = None,
    tasks: Tasks = None,
    method: Annotated[str | None, typer.Option(help="Code name, see `list methods`.")] = None,
    preference: Annotated[
        str | None, typer.Option(help="Comma-separated, sums to 1; for methods that take one.")
    ] = None,
    epochs: Epochs = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    fold: Annotated[int | None, typer.Option(min=1, help="Fold of a root with folds.")] = None,
) -> None:
    """Trains one ranker. Goes on where a killed training stopped."""
    tables = load_study(config) if config is not None else {}
    _override(tables, ("data", "path"), data)
    _override(tables, ("data", "fold"), fold)
    _override(tables, ("data", "tasks"), _names(tasks))
    _override(tables, ("method", "name"), method)
    _override(tables, ("method", "preference"), _vector(preference))
    _override(tables, ("train", "epochs"), epochs)
    _override(tables, ("seed",), seed)
    run = validate(RunConfig, tables, str(config or "options"))
    splits = load_splits(run.data, run.evaluation)
    bar = Progress(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TimeRemainingColumn(),
        console=console,
    )
    with bar:
        row = bar.add_task("", total=None, epoch="", losses="")

        def show(at: training.Progress) -> None:
            bar.update(
                row,
                completed=(at.epoch - 1) * at.batches + at.batch,
                total=at.epochs * at.batches,
                epoch=f"{at.epoch}/{at.epochs}",
                losses="losses " + " ".join(f"{value:.4f}" for value in at.losses),
            )

        record = training.train(run, splits, out, show)
    table = Table("split", "metric", *record["tasks"])
    for split, metrics in record["metrics"].items():
        for metric, values in metrics.items():
            table.add_row(split, metric, *(f"{value:.4f}" for value in values.values()))
    console.print(table)
    console.print(f"Epoch {record['epoch']} was chosen. Ranker: {out / 'ranker'}")


class Form(StrEnum):
    """What `mtl2r-bench predict` can write."""

    scores = "scores"
    trec = "trec"


@app.command()
def predict(
    model: Annotated[Path, typer.Option(help="A run's folder, or a ranker's.")],
    data: Annotated[Path, typer.Option(help="A ranking file with the columns of the training.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    form: Annotated[
        Form, typer.Option("--format", help="One score per line, or a TREC run.")
    ] = Form.scores,
    task: Annotated[
        str | None, typer.Option(help="Whose scores, where the ranker has a score per task.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:n.")] = "cpu",
) -> None:
    """Scores every document of a file with a trained ranker."""
    bar = Progress(
        BarColumn(), MofNCompleteColumn(), TextColumn("documents"), TimeRemainingColumn()
    )
    with bar:
        row = bar.add_task("", total=None)

        def show(done: int, documents: int) -> None:
            bar.update(row, completed=done, total=documents)

        documents = prediction.predict(
            model, data, out, form=form.value, task=task, device=device, on_progress=show
        )
    console.print(f"{documents} documents scored: {out}", soft_wrap=True, highlight=False)


@app.command()
def select(
    folder: Annotated[Path, typer.Argument(help="A study's folder.")],
    prefer: Annotated[
        str | None, typer.Option(help="Weights of the tasks, like relevance=0.7,click=0.3.")
    ] = None,
    bound: Annotated[
        list[str] | None, typer.Option(help="The least metric of a task, like 'click>=0.45'.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder for the ranker that is chosen.")
    ] = None,
) -> None:
    """Chooses the ranker that serves a wish best on the validation lists, and copies it."""
    choice = choose(
        folder,
        None if prefer is None else parse_preference(prefer),
        dict(parse_bound(text) for text in bound or ()),
    )
    record = choice.result.record
    shown = "test" if "test" in record["metrics"] else "validation"
    table = Table("task", f"{choice.metric}, validation", f"{choice.metric}, {shown}")
    for i, task in enumerate(record["tasks"]):
        there = record["metrics"][shown][choice.metric][task]
        error = record["standard_errors"][shown][choice.metric][task]
        table.add_row(
            task, f"{choice.means[i]:.4f} ± {choice.errors[i]:.4f}", f"{there:.4f} ± {error:.4f}"
        )
    console.print(f"{choice.result.name}, of {choice.candidates} runs", highlight=False)
    console.print(table)
    if choice.runner_up is not None:
        console.print(
            f"By the wish it leads {choice.runner_up.name} by {choice.lead:.4f} "
            f"± {choice.lead_error:.4f} (one standard error, paired over validation lists).",
            highlight=False,
            soft_wrap=True,
        )
    if out is not None:
        choice.export(out)
    console.print(f"Ranker: {out or choice.result.folder.ranker}", soft_wrap=True, highlight=False)


@app.command()
def export(
    model: Annotated[Path, typer.Option(help="A run's folder, or a ranker's.")],
    out: Annotated[Path, typer.Option(help="The file to write: .onnx or .pt2 (torch.export).")],
) -> None:
    """Writes a trained ranker as a program that runs without this package."""
    exporters = {".onnx": export_onnx, ".pt2": export_program}
    if out.suffix not in exporters:
        raise ValueError(f"`--out` must end in {' or '.join(exporters)}, got {out}")
    exporters[out.suffix](prediction.load_ranker(model), out)
    console.print(f"Exported: {out}", soft_wrap=True, highlight=False)


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="A study's folder.")]) -> None:
    """Writes report.md, results.parquet and figures/ from the finished runs of a study."""
    _report(folder)


@app.command(name="list")
def list_command(what: Annotated[Listing, typer.Argument()]) -> None:
    """Lists the names that configs and options take."""
    table = Table("name", "what it is", box=None)
    listings: dict[Listing, dict[str, Callable[..., Any]]] = {
        Listing.methods: {name: entry.factory for name, entry in METHODS.items()},
        Listing.losses: dict(LOSSES),
        Listing.metrics: dict(METRICS),
        Listing.datasets: {},
        Listing.studies: {},
    }
    if what is Listing.methods:
        table.add_row("stl", "Single-task training: the baselines of a study.")
    if what is Listing.datasets:
        table.add_row("(no --data)", "Synthetic lists shaped like WEB30K, five conflicting labels.")
        table.add_row("--data FOLDER", "LETOR's layout: train, vali, test as .txt or .txt.gz.")
    if what is Listing.studies:
        for name, path in STUDIES.items():
            table.add_row(name, path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# "))
    for name, item in listings[what].items():
        table.add_row(name, summary(item))
    console.print(table)


def main() -> None:
    """Runs the command line; a user's mistake ends it with one message and exit code 1."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app(standalone_mode=True)
    except (ValueError, OSError, ImportError, training.TrainingError) as error:
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        hint = "\nFinished runs are kept: free some space, and the same command goes on." * full
        # Markup off: a message may quote brackets of the user's input.
        Console(stderr=True).print(
            f"error: {error}{hint}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(1)
    except _TerminatedError:
        # What torchrun sends to the other processes when one is lost, and a cluster before a stop.
        Console(stderr=True).print(
            "terminated, perhaps since another process was lost; the same command goes on from the "
            "last checkpoint",
            soft_wrap=True,
        )
        sys.exit(143)
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the same command goes on from here")
        sys.exit(130)


class _TerminatedError(BaseException):
    """SIGTERM came."""


def _terminate(number: int, frame: object) -> None:
    raise _TerminatedError


def _sweep(study: StudyConfig, out: Path, jobs: int | None) -> None:
    outcomes = sweep(study, out, jobs=jobs, console=console)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if len(failed) < len(outcomes):
        _report(out)
    if failed:
        lines = "\n".join(f"  {outcome.name}: {outcome.error}" for outcome in failed)
        raise training.TrainingError(f"{len(failed)} of {len(outcomes)} runs failed:\n{lines}")


def _report(path: Path) -> None:
    analysis, rows = write_report(path)
    table = Table(title=f"{analysis.metric} on {analysis.split}")
    for heading in rows[0]:
        table.add_column(heading, overflow="fold")
    for row in rows[1:]:
        table.add_row(*row)
    console.print(table)
    if len(analysis.tasks) > 1:
        summary_table = Table("method", "points", "hypervolume", "best Δm %")
        for method in analysis.methods:
            summary_table.add_row(
                method.method,
                str(method.points),
                f"{method.hypervolume:.4f}",
                "–" if method.best_delta_m is None else f"{method.best_delta_m:+.2f}",
            )
        console.print(summary_table)
    folder = StudyFolder(path)
    console.print(f"Report:  {folder.report}\nFigures: {folder.figures}\nNumbers: {folder.results}")


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _override(tables: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    """Sets tables[key[0]][key[1]]... unless the option was left out."""
    if value is None:
        return
    for part in key[:-1]:
        tables = tables.setdefault(part, {})
    tables[key[-1]] = value


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _vector(text: str | None) -> list[str] | None:
    return _names(text)


def _vectors(text: str | None) -> int | list[list[str]] | None:
    if text is None:
        return None
    if text.strip().isdigit():
        return int(text)
    return [_names(vector) or [] for vector in text.split(";")]
