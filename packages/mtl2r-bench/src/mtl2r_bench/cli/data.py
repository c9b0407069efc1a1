"""`mtl2r-bench data`: convert, describe, download and generate ranking data."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import ltr_data
from ltr_data import LabelSpec
from ltr_data.datasets import MANIFESTS, Manifest, manifest, resolve_tasks, synthetic
from ltr_data.datasets import download as download_archive
from ltr_data.files import atomic_folder, atomic_write

from ..config import DataConfig, validate
from ..data.splits import named_spec
from ..data.tables import columns_of
from ..runs.disk import writable
from .options import Exclude, Id, Query, Tasks, names, override_columns

app = typer.Typer(help="Convert, describe, download and generate ranking data.")
console = Console()


@app.command()
def convert(
    paths: Annotated[list[Path], typer.Argument(help="Ranking files.")],
    folder: Annotated[
        Path | None, typer.Option(help="Output folder; by default, beside each file.")
    ] = None,
    query: Query = None,
    document: Id = None,
    exclude: Exclude = None,
) -> None:
    """Convert files once to a format that opens in milliseconds; skip files that are up to date.

    Studies convert their files automatically, into the user's cache folder, unless a converted file
    is beside the original.
    """
    if folder is not None:
        writable(folder, "--folder", folder=True)
    for path in paths:
        target = None if folder is None else folder / f"{path.name}.safetensors"
        columns = columns_of(_config(query, document, exclude), str(path))
        shown = ltr_data.ProgressPrinter(path.name)
        done = ltr_data.convert(path, target, columns=columns, progress=shown)
        console.print(str(done), soft_wrap=True, highlight=False)


@app.command()
def describe(
    path: Annotated[str, typer.Argument(help="A ranking file.")],
    tasks: Tasks = None,
    query: Query = None,
    document: Id = None,
    exclude: Exclude = None,
    plot: Annotated[Path | None, typer.Option(help="A PNG file for the figure.")] = None,
) -> None:
    """Print and plot list lengths, label shares, correlations and constant columns."""
    if plot is not None:
        writable(plot, "--plot")
    config = _config(query, document, exclude)
    table = ltr_data.read(path, columns=columns_of(config, path))
    specs: Sequence[LabelSpec] = ()
    given = names(tasks)
    if table.feature_names is not None:
        specs = [named_spec(task, table) for task in given or ()]
    else:
        specs = resolve_tasks(given or ["relevance"], table.feature_ids)
    described = ltr_data.RankingDataset.from_table(table, specs) if specs else table
    description = ltr_data.describe(described)
    console.print(str(description), soft_wrap=True, highlight=False, markup=False)
    if plot is not None:
        buffer = BytesIO()
        description.plot().savefig(buffer, format="png", dpi=160)
        with atomic_write(plot) as file:
            file.write(buffer.getvalue())
        console.print(f"Figure: {plot}", soft_wrap=True, highlight=False)


def _config(query: str | None, document: str | None, exclude: str | None) -> DataConfig:
    """Return the data config of a file with these columns."""
    tables: dict[str, Any] = {"data": {}}
    override_columns(
        tables, query=query, document=document, inputs=None, exclude=exclude, split=None
    )
    return validate(DataConfig, tables["data"], "options")


@app.command("get", hidden=True)  # the old name
@app.command()
def download(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(MANIFESTS)}.")],
    root: Annotated[Path, typer.Argument(help="The folder for the archive.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Do not ask about the licence.")
    ] = False,
) -> None:
    """Download a public data set after you accept its licence; resumes and verifies the archive."""
    writable(root, "ROOT", folder=True)

    def ask(about: Manifest) -> bool:
        return typer.confirm(f"{about.title}: {about.licence} ({about.page}). Do you accept?")

    archive = download_archive(
        name,
        root,
        accept_licence=accept_licence or ask,
        progress=ltr_data.ProgressPrinter(manifest(name).archive),
    )
    console.print(str(archive), soft_wrap=True, highlight=False)


@app.command("synth", hidden=True)  # the old name
@app.command()
def generate(
    folder: Annotated[Path, typer.Argument(help="A new folder for train, vali and test.")],
    queries: Annotated[
        tuple[int, int, int], typer.Option(help="Lists of train, vali and test.")
    ] = (600, 200, 200),
    mean_length: Annotated[float, typer.Option(help="Mean number of documents per list.")] = 120.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the lists.")] = 0,
) -> None:
    """Write synthetic lists shaped like MSLR-WEB30K as LETOR text."""
    if folder.exists():
        raise ValueError(f"`folder` must be new, {folder} exists")
    writable(folder, "FOLDER", folder=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with console.status("Generating the lists"):
        tables = synthetic.splits(queries, seed=seed, mean_length=mean_length)
    with atomic_folder(folder) as fresh:
        for split, table in tables.items():
            name = f"{split}.txt.gz"
            shown = ltr_data.ProgressPrinter(f"{name}, numbers")
            ltr_data.write_svmrank(fresh / name, table, progress=shown)
            console.print(f"{split}: {table.num_queries} lists, {table.num_documents} documents")
    console.print(str(folder), soft_wrap=True, highlight=False)
