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
    str | None,
    typer.Option(
        help="A ranking table (CSV, Parquet, ...), a folder with train, vali and test in any "
        "format, or a root with Fold1..Fold5."
    ),
]
Tasks = Annotated[
    str | None,
    typer.Option(
        "--labels",
        "--tasks",
        help="Comma-separated labels: names of columns, with options as in "
        "price:lower or rating:threshold=4.5; or names of tasks.",
    ),
]
Query = Annotated[str | None, typer.Option(help="Column that identifies the query; default qid.")]
Id = Annotated[str | None, typer.Option("--id", help="Column that identifies the document.")]
Inputs = Annotated[
    str | None, typer.Option(help="Comma-separated columns to rank by; default all others.")
]
Exclude = Annotated[str | None, typer.Option(help="Comma-separated columns to leave out.")]
Split = Annotated[
    str | None,
    typer.Option(
        help="How one table is split: shares like .6,.2,.2, a column that says train, vali and "
        "test, or a column and shares like date:.6,.2,.2 to split in its order."
    ),
]
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


def override_columns(
    tables: dict[str, Any],
    *,
    query: str | None,
    document: str | None,
    inputs: str | None,
    exclude: str | None,
    split: str | None,
) -> None:
    """Set which columns of a table are what, unless the options were left out."""
    override(tables, ("data", "query"), query)
    override(tables, ("data", "id"), document)
    override(tables, ("data", "inputs"), numbers_or_names(inputs))
    override(tables, ("data", "exclude"), names(exclude))
    override(tables, ("data", "split"), None if split is None else _split(split))


def numbers_or_names(text: str | None) -> list[int | str] | str | None:
    """Split comma-separated columns, of which digits are numbers; a preset stays its name."""
    columns = names(text)
    if columns is None or text in ("paper", "strict", "all"):
        return text
    return [int(column) if column.isdigit() else column for column in columns]


def _split(text: str) -> Any:
    column, colon, shares = text.rpartition(":")
    numbers = names(shares) or []
    if not all(_is_number(number) for number in numbers):
        return text
    return {"order": column, "shares": numbers} if colon else numbers


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def vectors(text: str | None) -> int | list[list[str]] | None:
    """Parse a number of vectors, or the vectors."""
    if text is None:
        return None
    if text.strip().isdigit():
        return int(text)
    return [names(vector) or [] for vector in text.split(";")]
