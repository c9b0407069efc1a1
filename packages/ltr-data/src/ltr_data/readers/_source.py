"""The format of a file, by its name, and the rows in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa

from ._arrow_files import TypedFile, open_arrow, open_json_lines, open_parquet
from ._builder import NO_COLUMNS, FeatureColumns, Rows, TableBuilder
from ._coding import Coding
from ._csv import CSVHead
from ._lightgbm import (
    find_query_file,
    find_weight_file,
    parse_lightgbm,
    read_query_sizes,
    read_weights,
    spread,
    weigh,
)
from ._lists import documents_schema, one_row_per_document
from ._partitions import NO_PARTITION, Partition, with_columns
from ._paths import SUFFIX, Files
from ._streams import COMPRESSED, Stream, locate
from ._table_rows import numbered, table_rows
from ._tabular import Columns
from .svmrank._blocks import read_blocks
from .svmrank._dialect import STRICT, Dialect
from .svmrank._reader import parse_blocks, resolve

_TYPED = {
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "arrow"),
    **dict.fromkeys((".jsonl", ".ndjson"), "json_lines"),
}
_OPENERS = {"parquet": open_parquet, "arrow": open_arrow, "json_lines": open_json_lines}
NAMED = ("csv", "tsv", *_OPENERS)
"""The formats of tables with named columns."""


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
    if suffix in _TYPED:
        return _TYPED[suffix]
    return "svmrank" if find_query_file(path) is None else "lightgbm"


@contextmanager
def open_source(
    path: Path,
    *,
    columns: Columns | None = None,
    threads: int | None = None,
    queries_before: int = 0,
    dialect: Dialect = STRICT,
    coding: Coding | None = None,
    partition: Partition = NO_PARTITION,
) -> Iterator[Source]:
    """Open a file of any format; queries without ids are numbered after `queries_before`."""
    if path.suffix == SUFFIX:
        raise ValueError(f"{path}: the file is already converted; `open` maps it")
    form = kind(path)
    if columns is not None and form not in NAMED:
        raise ValueError(
            "`columns` is for tables with named columns (.csv, .tsv, .parquet, .arrow, .jsonl), "
            f"got {path}"
        )
    if dialect.zero_based and form in NAMED:
        raise ValueError(f"`zero_based` is for SVMrank text, got {path}")
    if partition and form not in _OPENERS:
        raise ValueError(
            f"{path}: columns in the names of folders, {', '.join(partition)}, need Parquet, "
            "Arrow or JSON lines; "
            "give a list of the files to read them without"
        )
    columns = Columns() if columns is None else columns
    columns = replace(columns, clip=columns.clip or dialect.clip)
    coding = columns.coding() if coding is None else coding
    if form in _OPENERS:
        locate(path)
        with _OPENERS[form](path) as file:
            yield typed_source(path, with_columns(file, partition), columns, coding, threads)
        return
    with Stream(path) as stream:
        if form in NAMED:
            head = CSVHead.read(path, "\t" if form == "tsv" else None)
            features = columns.resolve(head.names, path)
            if coding.infer:
                head.infer(features, coding)
            parse = partial(head.parse, types=head.types(features, columns, coding))
            blocks = head.blocks(stream)
            rows = table_rows(blocks, parse, features, columns, coding, path, threads)
            about = FeatureColumns(features, columns.nullable_ids(features))
            yield Source(rows, stream.position, about)
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


def typed_source(
    path: object, file: TypedFile, columns: Columns, coding: Coding, threads: int | None = None
) -> Source:
    """Return the rows of a file whose columns have types."""
    batches: Iterator[pa.RecordBatch] = iter(file.batches)
    schema = file.schema
    if columns.has_lists(schema):
        batches = one_row_per_document(batches, columns.query, path)
        schema = documents_schema(schema, columns.query)
    few = next(batches, None)
    if few is not None:
        batches = chain([few], batches)

    def first(name: str) -> pa.Array:
        kind = schema.field(name).type
        return pa.array([], kind) if few is None else few.column(name).slice(0, 1)

    vectors = columns.vectors(schema, first, path)
    columns = columns.flat(vectors)
    features = columns.resolve(vectors.names(schema.names), path)
    wanted = vectors.stored(schema.names, [*columns.others(schema.names), *features])
    chosen = (batch.select(wanted) for batch in batches)
    flat = vectors.flat(chosen, path, first_line=file.first_line)
    items = numbered(flat, file.first_line)
    rows = table_rows(items, lambda item: item, features, columns, coding, path, threads)
    return Source(rows, file.position, FeatureColumns(features, columns.nullable_ids(features)))


def fill(
    builder: TableBuilder,
    paths: Files,
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
    coding = (Columns() if columns is None else columns).coding()
    found: list[FeatureColumns] = []
    if all(kind(path) in ("svmrank", "lightgbm") for path in paths):
        dialect = resolve(dialect, paths)
    for path, partition in zip(paths, paths.partitions, strict=True):
        builder.begin(path)
        with open_source(
            path,
            columns=columns,
            threads=threads,
            queries_before=builder.num_queries,
            dialect=dialect,
            coding=coding,
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
    pa.default_memory_pool().release_unused()  # what comes next is not Arrow's
    names = found[0].names
    return found[0] if names is None else coding.about(names, found[0].nullable)


def _names(names: tuple[str, ...] | None) -> str:
    return "which have no names" if names is None else ", ".join(names)
