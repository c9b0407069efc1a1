"""`mtl2r-bench demo|sweep|plan|status|select|report`: whole studies."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from .choose import choose, parse_bound, parse_preference
from .cli_options import (
    Config,
    Data,
    Epochs,
    Jobs,
    Out,
    Tasks,
    console,
    duration,
    names,
    override,
    vectors,
)
from .config import RunConfig, StudyConfig, load_study, validate
from .data import load_splits
from .estimate import estimate
from .report import write_report
from .status import seconds_left, study_status
from .study import plan
from .sweep import StudyFolder, sweep
from .train import TrainingError

__all__ = ["app"]

app = typer.Typer()


@app.command()
def demo(out: Out = Path("runs/demo"), jobs: Jobs = None, epochs: Epochs = None) -> None:
    """Trains several methods on synthetic lists with two conflicting labels and draws the front."""
    tables = load_study("demo")
    override(tables, ("train", "epochs"), epochs)
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
    override(tables, ("data", "path"), data)
    override(tables, ("data", "fold"), fold)
    override(tables, ("data", "tasks"), names(tasks))
    override(tables, ("train", "epochs"), epochs)
    override(tables, ("methods",), names(methods))
    override(tables, ("preferences",), vectors(preferences))
    override(tables, ("seeds",), names(seeds))
    _sweep(validate(StudyConfig, tables, str(config or "options")), out, jobs)


@app.command(name="plan")
def plan_command(config: Config = None, data: Data = None, jobs: Jobs = None) -> None:
    """Says what a study would take: its runs, time and disk. Times a few steps of each method."""
    tables = load_study(config) if config is not None else {}
    override(tables, ("data", "path"), data)
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
            duration(found.seconds * len(members)),
        )
    console.print(table)
    console.print(
        f"{len(runs)} runs of {found.parameters:,} parameters on {len(splits.train)} training "
        f"lists: about {duration(seconds / jobs)} with {jobs} at a time, {size / 1e6:,.0f} MB.",
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
    ahead = "" if left is None or left == 0 else f"; about {duration(left)} left"
    console.print(
        ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) + ahead,
        highlight=False,
    )


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
    for i, task in enumerate(record["labels"]):
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
def report(folder: Annotated[Path, typer.Argument(help="A study's folder.")]) -> None:
    """Writes report.md, results.parquet and figures/ from the finished runs of a study."""
    _report(folder)


def _sweep(study: StudyConfig, out: Path, jobs: int | None) -> None:
    outcomes = sweep(study, out, jobs=jobs, console=console)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if len(failed) < len(outcomes):
        _report(out)
    if failed:
        lines = "\n".join(f"  {outcome.name}: {outcome.error}" for outcome in failed)
        raise TrainingError(f"{len(failed)} of {len(outcomes)} runs failed:\n{lines}")


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
