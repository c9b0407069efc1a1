"""Options that the commands of `mtl2r-bench` share, their parsing, and the console."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

# Only the first of torchrun's processes prints.
console = Console(quiet=os.environ.get("RANK", "0") != "0")

Out = Annotated[Path, typer.Option(help="Folder for the results; finished runs are kept.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Runs at a time, one thread each; by default one per core."),
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


def override(tables: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    """Set tables[key[0]][key[1]]... unless the option was left out."""
    if value is None:
        return
    for part in key[:-1]:
        tables = tables.setdefault(part, {})
    tables[key[-1]] = value


def names(text: str | None) -> list[str] | None:
    """Split comma-separated names, or numbers that the config checks."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def vectors(text: str | None) -> int | list[list[str]] | None:
    """Parse a number of vectors, or the vectors."""
    if text is None:
        return None
    if text.strip().isdigit():
        return int(text)
    return [names(vector) or [] for vector in text.split(";")]
