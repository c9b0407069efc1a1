"""Parquet, Arrow and JSON lines: files whose columns have types."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from ._recognise import START_BYTES, recognise, recognise_line
from ._streams import Stream, locate

_BATCH_VALUES = 1 << 19  # the memory of a batch depends on its rows and columns
_BLOCK_BYTES = 8 << 20
_DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)  # a wrong size is a lack of memory


@dataclass(frozen=True)
class TypedFile:
    """An open file: its schema, its record batches, and the bytes that have been read."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    position: Callable[[], int]
    first_line: int = 1


@contextmanager
def open_parquet(path: Path) -> Iterator[TypedFile]:
    """Open a Parquet file."""
    with _open_raw(path) as file:
        try:
            # The buffer of whole row groups takes memory, and saves no time on a disk.
            opened = pa.parquet.ParquetFile(file, pre_buffer=False)
            schema = _names_and_types(opened.schema_arrow)
        except _DAMAGED as error:
            raise ValueError(_other(path, "Parquet", error)) from error
        batches = _checked(path, opened.iter_batches(batch_size=_batch_rows(schema)))
        yield TypedFile(schema, batches, file.tell)


@contextmanager
def open_arrow(path: Path) -> Iterator[TypedFile]:
    """Open an Arrow file (also called Feather), or an Arrow stream."""
    with _open_raw(path) as file:
        try:
            try:
                opened = pa.ipc.open_file(file)
                found = (opened.get_batch(i) for i in range(opened.num_record_batches))
            except pa.ArrowInvalid:
                file.seek(0)
                opened = found = pa.ipc.open_stream(file)
            schema = _names_and_types(opened.schema)
        except _DAMAGED as error:
            raise ValueError(_other(path, "Arrow", error)) from error
        yield TypedFile(schema, _checked(path, _cut(found)), file.tell)


@contextmanager
def open_json_lines(path: Path) -> Iterator[TypedFile]:
    """Open a file with one JSON object per line."""
    with Stream(path) as stream:
        tables = _json_tables(stream)
        first = next(tables, None)
        if first is None:
            raise ValueError(f"{path}: there are no documents in the file")
        schema = first.schema
        yield TypedFile(schema, _json_batches(path, first, tables), stream.position)


def _open_raw(path: Path) -> pa.NativeFile:
    if locate(path) != path:
        raise ValueError(f"{path}: Parquet and Arrow files are read unpacked, not from an archive")
    return pa.OSFile(str(path))


def _other(path: Path, wanted: str, error: Exception) -> str:
    """Return what the file is, if it is not what its name says."""
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    found = recognise(start) or recognise_line(start.partition(b"\n")[0])
    if found is None or path.suffix.lower() == found.suffix:
        return f"{path}: the {wanted} file is damaged: {error}"
    return f"{path}: expected a whole {wanted} file, {found.message}"


def _names_and_types(schema: pa.Schema) -> pa.Schema:
    """Return a schema without metadata. A name that is no UTF-8 is an error here."""
    return pa.schema(zip(schema.names, schema.types, strict=True))


def _checked(path: Path, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the batches; what is damaged is an error with the path."""
    try:
        for batch in batches:
            batch.validate(full=True)  # a wrong place in a file would end the process
            yield batch
    except _DAMAGED as error:
        raise ValueError(f"{path}: the file is damaged: {error}") from error


def _cut(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = _batch_rows(batch.schema)
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def _batch_rows(schema: pa.Schema) -> int:
    return min(max(_BATCH_VALUES // max(len(schema), 1), 1_024), 16_384)


def _json_tables(stream: Stream) -> Iterator[pa.Table]:
    """Yield a table per block of whole lines."""
    rest, line = b"", 1
    while chunk := stream.read(_BLOCK_BYTES):
        content, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline and content.strip():
            yield _json_table(stream.path, content, line)
            line += content.count(b"\n") + 1
    if rest.strip():
        yield _json_table(stream.path, rest, line)


def _json_table(path: Path, content: bytes, line: int) -> pa.Table:
    try:
        content.decode()  # which pyarrow does not try
        # A block that is smaller than an object is an error of pyarrow.
        options = pa.json.ReadOptions(use_threads=False, block_size=len(content) + 1)
        return pa.json.read_json(io.BytesIO(content), options)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: expected JSON lines in the block from line {line}: {error}"
        ) from error


def _json_batches(
    path: Path, first: pa.Table, others: Iterator[pa.Table]
) -> Iterator[pa.RecordBatch]:
    """Yield the batches of all blocks with the columns of the first."""
    names = first.schema.names
    yield from first.to_batches(_batch_rows(first.schema))
    for table in others:
        new = set(table.schema.names) - set(names)
        if new:
            raise ValueError(
                f"{path}: expected the columns of the first lines, {', '.join(names)}, got "
                f"{min(new)!r} later"
            )
        arrays = [
            table.column(name) if name in table.schema.names else pa.nulls(table.num_rows)
            for name in names
        ]
        yield from pa.table(arrays, names=names).to_batches(_batch_rows(first.schema))
