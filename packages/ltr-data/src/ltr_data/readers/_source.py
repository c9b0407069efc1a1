"""The format of a file, by its name, and the rows in it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from ._builder import NO_COLUMNS, FeatureColumns, Rows, TableBuilder
from ._lightgbm import (
    find_query_file,
    find_weight_file,
    parse_lightgbm,
    read_query_sizes,
    read_weights,
    spread,
    weigh,
)
from ._paths import SUFFIX
from ._streams import COMPRESSED, Stream, locate
from ._tabular import Columns, csv_names, parse_csv, parse_parquet
from .svmrank._blocks import read_blocks
from .svmrank._dialect import STRICT, Dialect
from .svmrank._reader import parse_blocks, resolve

_DELIMITERS = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True)
class Source:
    """An open file."""

    rows: Iterator[Rows]
    position: Callable[[], int]  # bytes of the file that have been read, to show progress
    about: FeatureColumns = NO_COLUMNS


def kind(path: Path) -> str:
    """Return the format of a file, by its name and the files beside it."""
    suffixes = [s for s in path.suffixes if s not in COMPRESSED]
    suffix = suffixes[-1].lower() if suffixes else ""
    if suffix in (".csv", ".tsv"):
        return suffix[1:]
    if suffix in (".parquet", ".pq"):
        return "parquet"
    return "svmrank" if find_query_file(path) is None else "lightgbm"


@contextmanager
def open_source(
    path: Path,
    *,
    columns: Columns | None = None,
    threads: int | None = None,
    queries_before: int = 0,
    dialect: Dialect = STRICT,
) -> Iterator[Source]:
    """Open a file of any format; queries without ids are numbered after `queries_before`."""
    if path.suffix == SUFFIX:
        raise ValueError(f"{path}: the file is already converted; `open` maps it")
    form = kind(path)
    if columns is not None and form in ("svmrank", "lightgbm"):
        raise ValueError(
            f"`columns` is for tables with named columns (.csv, .tsv, .parquet), got {path}"
        )
    if dialect != STRICT and form not in ("svmrank", "lightgbm"):
        raise ValueError(f"`zero_based` and `clip` are for SVMrank text, got {path}")
    columns = Columns() if columns is None else columns
    if form == "parquet":
        locate(path)
        with pa.OSFile(str(path)) as file:
            try:
                opened = pa.parquet.ParquetFile(file)
            except pa.ArrowInvalid as error:
                raise ValueError(f"{path}: {error}") from error
            rows, features, nullable = parse_parquet(path, opened, columns)
            yield Source(rows, file.tell, FeatureColumns(features, nullable))
        return
    with Stream(path) as stream:
        if form in _DELIMITERS:
            names = csv_names(path, _DELIMITERS[form])
            rows = parse_csv(stream, names, columns, _DELIMITERS[form])
            features = columns.resolve(names, path)
            nullable = columns.nullable_ids(features)
            yield Source(rows, stream.position, FeatureColumns(features, nullable))
            return
        query_file, weight_file = find_query_file(path), find_weight_file(path)
        weights = None if weight_file is None else read_weights(weight_file)
        if query_file is None:
            rows = parse_blocks(read_blocks(stream), threads, dialect)
        else:
            sizes = read_query_sizes(query_file)
            rows = parse_lightgbm(stream, query_file, sizes, threads, queries_before, dialect)
            if weights is not None and weight_file is not None:
                weights = spread(weights, sizes, weight_file)
        if weights is not None and weight_file is not None:
            rows = weigh(rows, weights, weight_file)
        yield Source(rows, stream.position)


def fill(
    builder: TableBuilder,
    paths: Sequence[Path],
    *,
    columns: Columns | None = None,
    threads: int | None = None,
    dialect: Dialect = STRICT,
    progress: Callable[[int], None] = lambda done: None,
) -> FeatureColumns:
    """Read files with the same columns in sequence, and give their rows to a builder.

    Returns:
        What the files say about their features.
    """
    done = 0
    found: list[FeatureColumns] = []
    if all(kind(path) in ("svmrank", "lightgbm") for path in paths):
        dialect = resolve(dialect, paths)
    for path in paths:
        builder.begin(path)
        with open_source(
            path,
            columns=columns,
            threads=threads,
            queries_before=builder.num_queries,
            dialect=dialect,
        ) as source:
            found.append(source.about)
            if (found[-1].names, found[-1].nullable) != (found[0].names, found[0].nullable):
                raise ValueError(
                    f"{path}: expected the columns of {paths[0]}, {_names(found[0].names)}, "
                    f"got {_names(found[-1].names)}"
                )
            for rows in source.rows:
                builder.append(rows)
                progress(done + source.position())
        done += locate(path).stat().st_size
    return found[0]


def _names(names: tuple[str, ...] | None) -> str:
    return "which have no names" if names is None else ", ".join(names)
