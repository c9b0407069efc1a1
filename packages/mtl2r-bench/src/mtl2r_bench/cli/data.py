"""`mtl2r-bench data`: convert, describe, download and generate ranking data."""

from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import ltr_data
from ltr_data.datasets import MANIFESTS, Manifest, manifest, resolve_tasks, synthetic
from ltr_data.datasets import download as download_archive
from ltr_data.files import atomic_folder, atomic_write

from ..runs.disk import writable

app = typer.Typer(help="Convert, describe, download and generate ranking data.")
console = Console()


@app.command()
def convert(
    paths: Annotated[list[Path], typer.Argument(help="Ranking files.")],
    folder: Annotated[
        Path | None, typer.Option(help="Output folder; by default, beside each file.")
    ] = None,
) -> None:
    """Convert files once to a format that opens in milliseconds; skip files that are up to date.

    Studies convert their files automatically, into the user's cache folder, unless a converted file
    is beside the original.
    """
    if folder is not None:
        writable(folder, "--folder", folder=True)
    for path in paths:
        target = None if folder is None else folder / f"{path.name}.safetensors"
        done = ltr_data.convert(path, target, progress=ltr_data.ProgressPrinter(path.name))
        console.print(str(done), soft_wrap=True, highlight=False)


@app.command()
def describe(
    path: Annotated[Path, typer.Argument(help="A ranking file.")],
    tasks: Annotated[str, typer.Option(help="Comma-separated task names.")] = "relevance",
    plot: Annotated[Path | None, typer.Option(help="A PNG file for the figure.")] = None,
) -> None:
    """Print and plot list lengths, label shares, correlations and constant columns."""
    if plot is not None:
        writable(plot, "--plot")
    table = ltr_data.read(path)
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    specs = resolve_tasks(names, table.feature_ids)
    description = ltr_data.describe(ltr_data.RankingDataset.from_table(table, specs))
    console.print(str(description), soft_wrap=True, highlight=False, markup=False)
    if plot is not None:
        buffer = BytesIO()
        description.plot().savefig(buffer, format="png", dpi=160)
        with atomic_write(plot) as file:
            file.write(buffer.getvalue())
        console.print(f"Figure: {plot}", soft_wrap=True, highlight=False)


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
