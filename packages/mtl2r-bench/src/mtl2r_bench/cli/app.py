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
from ..evaluation import predict as prediction
from ..runs.disk import explain, writable
from ..runs.run_folder import RunFolder
from ..table import LOSSES, METHODS, METRICS, summary
from ..training import run as training
from ..training.epoch import TrainingError
from . import data as cli_data
from . import navigate as cli_navigate
from . import study as cli_study
from .options import Config, Data, Epochs, Out, Tasks, console, names, override, vector
from .progress import TrainingProgress

app = typer.Typer(
    help="Trains, sweeps and reports multi-task rankers.",
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
    method: Annotated[str | None, typer.Option(help="Code name, see `list methods`.")] = None,
    preference: Annotated[
        str | None, typer.Option(help="Comma-separated, sums to 1; for methods that take one.")
    ] = None,
    epochs: Epochs = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of weights, batches and dropout; 42 if left out.")
    ] = None,
    fold: Annotated[int | None, typer.Option(min=1, help="Fold of a root with folds.")] = None,
) -> None:
    """Trains one ranker. Goes on where a killed training stopped."""
    tables = load_study(config) if config is not None else {}
    override(tables, ("data", "path"), data)
    override(tables, ("data", "fold"), fold)
    override(tables, ("data", "tasks"), names(tasks))
    override(tables, ("method", "name"), method)
    override(tables, ("method", "preference"), vector(preference))
    override(tables, ("train", "epochs"), epochs)
    override(tables, ("seed",), seed)
    run = validate(RunConfig, tables, str(config or "options"))
    writable(out, "--out", folder=True)
    with console.status("Opening the lists"):
        splits = load_splits(run.data, run.evaluation)
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
        chosen = f"{record['epoch']} trees were chosen, in LightGBM's text: {place.trees}"
    console.print(chosen, soft_wrap=True, highlight=False)


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
            model, data, out, form=form.value, task=task, device=device, on_progress=show
        )
    finally:
        bar.stop()
    console.print(f"{documents} documents scored: {out}", soft_wrap=True, highlight=False)


@app.command()
def export(
    model: Annotated[Path, typer.Option(help="A run's folder, or a ranker's.")],
    out: Annotated[Path, typer.Option(help="The file to write: .onnx or .pt2 (torch.export).")],
) -> None:
    """Writes a trained ranker as a program that runs without this package."""
    exporters = {".onnx": export_onnx, ".pt2": export_program}
    if out.suffix not in exporters:
        raise ValueError(f"`--out` must end in {' or '.join(exporters)}, got {out}")
    writable(out, "--out")
    exporters[out.suffix](prediction.load_ranker(model), out)
    console.print(f"Exported: {out}", soft_wrap=True, highlight=False)


@app.command(name="list")
def list_command(what: Annotated[Listing, typer.Argument()]) -> None:
    """Lists the names that configs and options take."""
    table = Table("name", "what it is", box=None)
    for row in _listing(what):
        table.add_row(*row)
    console.print(table)


def _listing(what: Listing) -> Iterator[tuple[str, str]]:
    """The names, and what each is in a line."""
    if what is Listing.methods:
        yield from ((name, row.summary) for name, row in METHODS.items())
    elif what is Listing.losses:
        yield from ((name, summary(row.function)) for name, row in LOSSES.items())
    elif what is Listing.metrics:
        yield from ((name, summary(function)) for name, function in METRICS.items())
    elif what is Listing.datasets:
        yield "(no --data)", "Synthetic lists shaped like WEB30K, five conflicting labels."
        yield "--data FOLDER", "LETOR's layout: train, vali, test as .txt or .txt.gz."
    else:
        for name, path in STUDIES.items():
            yield name, path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def main() -> None:
    """Runs the command line; a user's mistake ends it with one message and exit code 1."""
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
        # What torchrun sends to the other processes when one is lost, and a cluster before a stop.
        Console(stderr=True).print(
            "terminated, perhaps since another process was lost; a training goes on from its last "
            "checkpoint by the same command",
            soft_wrap=True,
        )
        sys.exit(143)
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer's, for Ctrl-C
            Console(stderr=True).print(
                "interrupted; where a training ran, the same command goes on from here",
                soft_wrap=True,
            )
        raise


_INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended."""


class _TerminatedError(BaseException):
    """SIGTERM came."""


def _terminate(number: int, frame: object) -> None:
    raise _TerminatedError
