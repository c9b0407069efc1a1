"""The command line `mtl2r-bench`."""

import signal
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mtl2r_models import export_onnx, export_program

from ..config import STUDIES, RunConfig, load_study, validate
from ..data.splits import load_splits
from ..data.suspicious import print_notes
from ..evaluation import predict as prediction
from ..runs.disk import explain, writable
from ..runs.run_folder import RunFolder
from ..table import LOSSES, METHODS, METRICS, summary
from ..training import run as training
from ..training.epoch import TrainingError
from . import data as cli_data
from . import navigate as cli_navigate
from . import study as cli_study
from .options import (
    Config,
    Data,
    Epochs,
    Exclude,
    Id,
    Inputs,
    Out,
    Query,
    Split,
    Tasks,
    console,
    names,
    override,
    override_columns,
)
from .progress import TrainingProgress

app = typer.Typer(
    help="Train, sweep and report multi-task rankers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_data.app, name="data")
app.registered_commands += cli_study.app.registered_commands
app.registered_commands += cli_navigate.app.registered_commands


class Listing(StrEnum):
    """What `mtl2r-bench list` can list."""

    methods = "methods"
    losses = "losses"
    metrics = "metrics"
    datasets = "datasets"
    studies = "studies"


@app.command()
def train(
    config: Config = None,
    out: Out = Path("runs/train"),
    data: Data = None,
    tasks: Tasks = None,
    query: Query = None,
    document: Id = None,
    inputs: Inputs = None,
    exclude: Exclude = None,
    split: Split = None,
    method: Annotated[str | None, typer.Option(help="Code name, see `list methods`.")] = None,
    preference: Annotated[
        str | None, typer.Option(help="Comma-separated, sums to 1; for methods that take one.")
    ] = None,
    epochs: Epochs = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of weights, batches and dropout; default 42.")
    ] = None,
    fold: Annotated[int | None, typer.Option(min=1, help="Fold of a root with folds.")] = None,
) -> None:
    """Train one ranker, or resume a training that was interrupted."""
    tables = load_study(config) if config is not None else {}
    override(tables, ("data", "path"), data)
    override(tables, ("data", "fold"), fold)
    override(tables, ("data", "tasks"), names(tasks))
    override_columns(
        tables, query=query, document=document, inputs=inputs, exclude=exclude, split=split
    )
    override(tables, ("method", "name"), method)
    override(tables, ("method", "preference"), names(preference))
    override(tables, ("train", "epochs"), epochs)
    override(tables, ("seed",), seed)
    run = validate(RunConfig, tables, str(config or "options"))
    writable(out, "--out", folder=True)
    with console.status("Opening the lists"):
        splits = load_splits(run.data, run.evaluation)
    print_notes(console, splits.notes)
    with TrainingProgress(console) as progress:
        record = training.train(run, splits, out, progress)
    table = Table("split", "metric", *record["labels"])
    for split, metrics in record["metrics"].items():
        for metric, values in metrics.items():
            table.add_row(split, metric, *(f"{value:.4f}" for value in values.values()))
    console.print(table)
    place = RunFolder(out)
    if METHODS[run.method.name].has_network:
        chosen = f"Epoch {record['epoch']} was chosen. Ranker: {place.ranker}"
    else:
        chosen = f"{record['epoch']} trees were chosen. LightGBM text file: {place.trees}"
    console.print(chosen, soft_wrap=True, highlight=False)


class Form(StrEnum):
    """What `mtl2r-bench predict` can write."""

    scores = "scores"
    trec = "trec"
    csv = "csv"
    parquet = "parquet"


@app.command()
def predict(
    model: Annotated[Path, typer.Option(help="A run's folder, or a ranker's.")],
    data: Annotated[str, typer.Option(help="A ranking file with the columns of the training.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="One score per line, a TREC run, or a table of query, document, rank and scores.",
        ),
    ] = Form.scores,
    task: Annotated[
        str | None, typer.Option(help="Task of the scores, if the ranker has a score per task.")
    ] = None,
    query: Query = None,
    document: Id = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:n.")] = "cpu",
) -> None:
    """Score every document of a file with a trained ranker."""
    writable(out, "--out")
    bar = Progress(
        BarColumn(), MofNCompleteColumn(), TextColumn("documents"), TimeRemainingColumn()
    )
    row = bar.add_task("", total=None)

    def show(done: int, documents: int) -> None:
        bar.start()  # not before there is something to show
        bar.update(row, completed=done, total=documents)

    try:
        documents = prediction.predict(
            model,
            data,
            out,
            form=form.value,
            task=task,
            query=query,
            document=document,
            device=device,
            on_progress=show,
        )
    finally:
        bar.stop()
    console.print(f"{documents} documents scored: {out}", soft_wrap=True, highlight=False)


@app.command()
def export(
    model: Annotated[Path, typer.Option(help="A run's folder, or a ranker's.")],
    out: Annotated[Path, typer.Option(help="The file to write: .onnx or .pt2 (torch.export).")],
) -> None:
    """Export a trained ranker as a program that runs without this package."""
    exporters = {".onnx": export_onnx, ".pt2": export_program}
    if out.suffix not in exporters:
        raise ValueError(f"`--out` must end in {' or '.join(exporters)}, got {out}")
    writable(out, "--out")
    exporters[out.suffix](prediction.load_ranker(model), out)
    console.print(f"Exported: {out}", soft_wrap=True, highlight=False)


@app.command(name="list")
def list_command(what: Annotated[Listing, typer.Argument()]) -> None:
    """List the names that configs and options take."""
    if what is Listing.methods:
        table = Table("name", "class", "preference", "what it is", box=None)
        for name, method in METHODS.items():
            takes = "yes" if method.takes_preference else ""
            table.add_row(name, method.class_name, takes, method.summary)
        console.print(table)
        return
    table = Table("name", "what it is", box=None)
    for row in _listing(what):
        table.add_row(*row)
    console.print(table)


def _listing(what: Listing) -> Iterator[tuple[str, str]]:
    """Yield the names, each with a description of one line."""
    if what is Listing.losses:
        yield from ((name, summary(row.function)) for name, row in LOSSES.items())
    elif what is Listing.metrics:
        yield from ((name, summary(function)) for name, function in METRICS.items())
    elif what is Listing.datasets:
        yield "(no --data)", "Synthetic lists shaped like WEB30K, five conflicting labels."
        yield "--data TABLE", "CSV, Parquet, Arrow or JSON lines, with --query and --labels."
        yield "--data FOLDER", "train, vali and test, as text of LETOR or as such tables."
    else:
        for name, path in STUDIES.items():
            yield name, path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def main() -> None:
    """Run the command line; a user's mistake ends it with one message and exit code 1."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app(standalone_mode=True)
    except (ValueError, OSError, ImportError, TrainingError) as error:
        said = explain(error) if isinstance(error, OSError) else str(error)
        # Markup off: a message may quote brackets of the user's input.
        Console(stderr=True).print(
            f"error: {said}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(1)
    except _TerminatedError:
        # torchrun sends SIGTERM to the other processes when one is lost, a cluster before it stops.
        Console(stderr=True).print(
            "terminated, perhaps because another process was lost; run the same command again to "
            "resume a training from its last checkpoint",
            soft_wrap=True,
        )
        sys.exit(143)
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer's, for Ctrl-C
            Console(stderr=True).print(
                "interrupted; run the same command again to resume a training", soft_wrap=True
            )
        raise


_INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended."""


class _TerminatedError(BaseException):
    """The process received SIGTERM."""


def _terminate(number: int, frame: object) -> None:
    raise _TerminatedError
