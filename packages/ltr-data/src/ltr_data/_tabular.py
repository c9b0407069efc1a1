"""Tables with named columns: CSV, TSV, Parquet, Arrow, pandas; and plain arrays."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ._builder import MemorySink, TableBuilder
from ._files import atomic_write
from ._rows import Rows
from ._streams import Stream
from ._table import RankingTable

_BATCH_ROWS = 16_384
_CSV_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Columns:
    """Which column is what in a table with named columns.

    Args:
        query: Its values tell the queries; equal ones must follow one another.
        label: A number per document.
        features: In this order; all others, in the order of the table, when None.
        nullable: Of the label and the features, those in which values may be missing (null, NaN or
            an empty field); they are NaN in the table, and may be labels but not inputs.

    Example:
        >>> Columns(query="query_id", label="grade").resolve(["grade", "bm25", "query_id", "pr"])
        ('bm25', 'pr')
    """

    query: str = "qid"
    label: str = "label"
    features: tuple[str, ...] | None = None
    nullable: tuple[str, ...] = ()

    def resolve(self, names: Sequence[str], path: object = "the table") -> tuple[str, ...]:
        """The names of the features in a table with columns `names`.

        Raises:
            ValueError: A column is missing, is there twice, or is a feature and not only that.
        """
        twice = sorted({name for name in names if list(names).count(name) > 1})
        if twice:
            raise ValueError(f"{path}: the column {twice[0]!r} is there twice")
        features = self.features
        if features is None:
            features = tuple(name for name in names if name not in (self.query, self.label))
        for name in (self.query, self.label, *features):
            if name not in names:
                raise ValueError(
                    f"{path}: `columns` must name columns of the table, got {name!r}; "
                    f"it has {', '.join(names)}"
                )
        if not features or len({self.query, self.label, *features}) != len(features) + 2:
            raise ValueError(
                f"{path}: `columns` must name a query, a label and at least one feature, "
                f"all different, got {self.query!r}, {self.label!r}, {features}"
            )
        for name in self.nullable:
            if name not in (self.label, *features):
                raise ValueError(
                    f"{path}: `nullable` must name the label or a feature, got {name!r}"
                )
        return features

    def nullable_ids(self, features: Sequence[str]) -> tuple[int, ...]:
        """Numbers of the features in which values may be missing."""
        return tuple(j for j, name in enumerate(features, start=1) if name in self.nullable)


def csv_names(path: Path, delimiter: str) -> list[str]:
    """The names in the first line of a file.

    Raises:
        ValueError: There is none.
    """
    with Stream(path) as stream:
        text = stream.read(_CSV_BLOCK_BYTES).decode("utf-8-sig", errors="replace")
    names = next(csv.reader(text.splitlines()[:1], delimiter=delimiter), [])
    if not names:
        raise ValueError(f"{path}:1: expected the names of the columns, got nothing")
    return names


def parse_csv(
    stream: Stream, names: Sequence[str], columns: Columns, delimiter: str
) -> Iterator[Rows]:
    """The rows of a file with the names of its columns in the first line.

    Raises:
        ValueError: A value is no finite number, or a line has another number of fields.
    """
    features = columns.resolve(names, stream.path)
    types = {name: pa.float32() for name in (columns.label, *features)}
    try:
        with pa.csv.open_csv(
            pa.PythonFile(stream, "r"),
            # Without threads the errors have the line.
            pa.csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK_BYTES),
            pa.csv.ParseOptions(delimiter=delimiter),
            pa.csv.ConvertOptions(
                column_types={**types, columns.query: pa.string()},
                include_columns=[columns.query, columns.label, *features],
                # An empty field is missing; whether it may be is the column's matter.
                null_values=[""],
                strings_can_be_null=False,
            ),
        ) as batches:
            yield from parse_batches(batches, features, columns, stream.path, first_line=2)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{stream.path}: {error}") from error


def parse_parquet(path: Path, file: Any, columns: Columns) -> Iterator[Rows]:
    """The rows of an open `pyarrow.parquet.ParquetFile`."""
    features = columns.resolve(file.schema_arrow.names, path)
    wanted = [columns.query, columns.label, *features]
    batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted)
    return parse_batches(batches, features, columns, path, first_line=1)


def parse_batches(
    batches: Iterable[pa.RecordBatch],
    features: Sequence[str],
    columns: Columns,
    path: object,
    first_line: int,
) -> Iterator[Rows]:
    """The rows of record batches.

    Args:
        batches: With all columns that are named.
        features: Names of the features.
        columns: Names of query and label.
        path: Of what, for messages.
        first_line: Number of the first row, for messages.

    Raises:
        ValueError: A value is missing or no finite number; the message has its row and column.
    """
    line = first_line
    for batch in batches:
        if not batch.num_rows:
            continue
        queries = batch.column(columns.query)
        if queries.null_count:
            row = queries.is_null().index(pa.scalar(True)).as_py()
            raise ValueError(f"{path}:{line + row}: the query in column {columns.query!r} is null")
        values = np.empty((batch.num_rows, len(features)), dtype=np.float32)
        for j, name in enumerate(features):
            values[:, j] = _numbers(batch.column(name), name, path, line, columns)
        labels = _numbers(batch.column(columns.label), columns.label, path, line, columns)
        lines = np.arange(line, line + batch.num_rows)
        yield Rows(labels, queries.cast(pa.string()).to_pylist(), lines, None, None, values)
        line += batch.num_rows


def _numbers(
    array: pa.Array, name: str, path: object, line: int, columns: Columns
) -> npt.NDArray[np.float32]:
    if not (
        pa.types.is_integer(array.type)
        or pa.types.is_floating(array.type)
        or pa.types.is_boolean(array.type)
    ):
        raise ValueError(f"{path}: column {name!r} must hold numbers, got {array.type}")
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    numbers: npt.NDArray[np.float32] = array.to_numpy(zero_copy_only=False).astype(np.float32)
    allowed = np.isfinite(numbers)
    if name in columns.nullable:
        allowed |= np.isnan(numbers)
    wrong = np.flatnonzero(~allowed)
    if len(wrong):
        found = array[int(wrong[0])].as_py()
        raise ValueError(
            f"{path}:{line + wrong[0]}: column {name!r} must be a finite float32 number, "
            f"got {'null' if found is None else found}"
        )
    return numbers


def from_arrow(table: pa.Table | pa.RecordBatch, columns: Columns | None = None) -> RankingTable:
    """A table from Arrow's columns.

    Args:
        table: Of pyarrow.
        columns: Which column is what; "qid" and "label", and all others features, when None.

    Returns:
        The same documents; features are numbered from 1 and named.

    Raises:
        ValueError: A column is missing or holds anything but finite numbers, or a query comes back.

    Example:
        >>> import pyarrow as pa
        >>> table = from_arrow(pa.table({"qid": [7, 7, 8], "label": [2, 0, 1], "bm25": [3, 1, 2]}))
        >>> table.query_ids, table.feature_names, table.features.ravel()
        (('7', '8'), ('bm25',), array([3., 1., 2.], dtype=float32))
    """
    columns = Columns() if columns is None else columns
    features = columns.resolve(table.schema.names)
    batches = [table] if isinstance(table, pa.RecordBatch) else table.to_batches()
    sink = MemorySink()
    builder = TableBuilder(Path("table"), sink, None)
    for rows in parse_batches(batches, features, columns, "table", first_line=0):
        builder.append(rows)
    return builder.table(sink.matrix(), features, columns.nullable_ids(features))


def from_pandas(frame: Any, columns: Columns | None = None) -> RankingTable:
    """A table from a `pandas.DataFrame`; see `from_arrow`."""
    return from_arrow(pa.Table.from_pandas(frame, preserve_index=False), columns)


def from_numpy(
    features: npt.ArrayLike, labels: npt.ArrayLike, query_ids: npt.ArrayLike
) -> RankingTable:
    """A table from arrays.

    Args:
        features: (document, feature) numbers; a float32 matrix is used as it is.
        labels: (document,) numbers.
        query_ids: (document,) equal for the documents of a query, which must follow one another.

    Returns:
        The table; features are numbered from 1.

    Raises:
        ValueError: The shapes do not agree, a number is not finite, or a query comes back.

    Example:
        >>> table = from_numpy([[0.5, 3], [0.1, 0], [1, 4]], labels=[2, 0, 1], query_ids=[7, 7, 8])
        >>> table.query_ids, table.lengths
        (('7', '8'), array([2, 1]))
    """
    matrix = np.asarray(features, dtype=np.float32)
    numbers = np.asarray(labels, dtype=np.float32)
    ids = np.asarray(query_ids)
    if matrix.ndim != 2 or numbers.shape != matrix.shape[:1] or ids.shape != matrix.shape[:1]:
        raise ValueError(
            "`features`, `labels` and `query_ids` must be (document, feature), (document,) and "
            f"(document,), got shapes {matrix.shape}, {numbers.shape} and {ids.shape}"
        )
    if not len(matrix):
        raise ValueError("`features` must hold at least one document, got none")
    for name, values in (("features", matrix), ("labels", numbers)):
        if not np.isfinite(values).all():
            at = tuple(np.argwhere(~np.isfinite(values))[0].tolist())
            raise ValueError(f"`{name}` must be finite, got {values[at]} at {at}")
    starts = np.flatnonzero(np.concatenate(([True], ids[1:] != ids[:-1])))
    names = tuple(map(str, ids[starts].tolist()))
    seen: set[str] = set()
    for name, start in zip(names, starts, strict=True):
        if name in seen:
            raise ValueError(f"`query_ids` must be grouped, got {name!r} again at document {start}")
        seen.add(name)
    return RankingTable(
        features=matrix,
        feature_ids=tuple(range(1, matrix.shape[1] + 1)),
        labels=numbers,
        offsets=np.append(starts, len(matrix)).astype(np.int64),
        query_ids=names,
    )


def to_arrow(table: RankingTable) -> pa.Table:
    """The columns qid, label and the features by name, or ``f1``, ``f2``, ... where they have none.

    Example:
        >>> to_arrow(from_numpy([[0.5, 3]], [2], [7])).schema.names
        ['qid', 'label', 'f1', 'f2']
    """
    names = table.feature_names or tuple(f"f{feature_id}" for feature_id in table.feature_ids)
    queries = np.repeat(np.array(table.query_ids, dtype=object), table.lengths)
    arrays = [pa.array(queries, pa.string()), pa.array(table.labels)]
    arrays.extend(pa.array(np.ascontiguousarray(column)) for column in table.features.T)
    return pa.table(arrays, names=["qid", "label", *names])


def write_parquet(path: str | Path, table: RankingTable) -> None:
    """Write the columns of `to_arrow` to a Parquet file, which appears when it is complete.

    Example:
        >>> import tempfile
        >>> from ltr_data import read
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "train.parquet")
        ...     write_parquet(path, from_numpy([[0.5, 3]], [2], [7]))
        ...     read(path).features
        array([[0.5, 3. ]], dtype=float32)
    """
    with atomic_write(path) as file:
        pa.parquet.write_table(to_arrow(table), file)
