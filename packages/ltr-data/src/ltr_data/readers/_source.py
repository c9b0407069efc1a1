"""The format of a file, by its name, and the rows in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from ._builder import NO_COLUMNS, FeatureColumns, Rows, TableBuilder
from ._lightgbm import find_query_file, parse_lightgbm, read_query_sizes
from ._partitions import NO_PARTITION, Partition, PartitionedFile
from ._paths import SUFFIX, Files
from ._streams import COMPRESSED, Stream, locate
from ._tabular import Columns, csv_names, parse_csv, parse_parquet
from .svmrank._blocks import read_blocks
from .svmrank._reader import parse_blocks

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
    partition: Partition = NO_PARTITION,
) -> Iterator[Source]:
    """Open a file of any format; queries without ids are numbered after `queries_before`."""
    if path.suffix == SUFFIX:
        raise ValueError(f"{path}: the file is already converted; `open` maps it")
    form = kind(path)
    if columns is not None and form in ("svmrank", "lightgbm"):
        raise ValueError(
            f"`columns` is for tables with named columns (.csv, .tsv, .parquet), got {path}"
        )
    if partition and form != "parquet":
        raise ValueError(
            f"{path}: columns in the names of folders, {', '.join(partition)}, need Parquet files; "
            "give a list of the files to read them without"
        )
    columns = Columns() if columns is None else columns
    if form == "parquet":
        locate(path)
        with pa.OSFile(str(path)) as file:
            try:
                opened = pa.parquet.ParquetFile(file)
            except pa.ArrowInvalid as error:
                raise ValueError(f"{path}: {error}") from error
            whole = PartitionedFile(opened, partition) if partition else opened
            rows, features, nullable = parse_parquet(path, whole, columns)
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
        query_file = find_query_file(path)
        if query_file is None:
            rows = parse_blocks(read_blocks(stream), threads)
        else:
            sizes = read_query_sizes(query_file)
            rows = parse_lightgbm(stream, query_file, sizes, threads, queries_before)
        yield Source(rows, stream.position)


def fill(
    builder: TableBuilder,
    paths: Files,
    *,
    columns: Columns | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> FeatureColumns:
    """Read files with the same columns in sequence, and give their rows to a builder.

    Returns:
        What the files say about their features.
    """
    done = 0
    found: list[FeatureColumns] = []
    for path, partition in zip(paths, paths.partitions, strict=True):
        builder.begin(path)
        with open_source(
            path,
            columns=columns,
            threads=threads,
            queries_before=builder.num_queries,
            partition=partition,
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
