"""Tables from and to Arrow, pandas and NumPy, and to Parquet files."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from .._table import RankingTable
from ..files import atomic_write
from ._builder import FeatureColumns, MemorySink, TableBuilder
from ._tabular import Columns, parse_batches


def from_arrow(table: pa.Table | pa.RecordBatch, columns: Columns | None = None) -> RankingTable:
    """Make a table of Arrow's columns.

    Args:
        table: Of pyarrow.
        columns: Which column is what; None for "qid", "label", and all others as features.

    Returns:
        The same documents; features are numbered from 1 and named.

    Raises:
        ValueError: A column is missing or holds anything but finite numbers, or a query comes back.

    Examples:
        >>> import pyarrow as pa
        >>> table = from_arrow(pa.table({"qid": [7, 7, 8], "label": [2, 0, 1], "bm25": [3, 1, 2]}))
        >>> table.query_ids, table.feature_names, table.features.ravel()
        (('7', '8'), ('bm25',), array([3., 1., 2.], dtype=float32))
    """
    columns = Columns() if columns is None else columns
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    vectors = columns.vectors(
        table.schema, lambda name: table.column(name).slice(0, 1).combine_chunks()
    )
    columns = columns.flat(vectors)
    features = columns.resolve(vectors.names(table.schema.names))
    batches = vectors.flat(table.to_batches(), "table", first_line=0)
    sink = MemorySink()
    builder = TableBuilder(Path("table"), sink, None)
    for rows in parse_batches(batches, features, columns, "table", first_line=0):
        builder.append(rows)
    about = FeatureColumns(features, columns.nullable_ids(features))
    return builder.table(sink.matrix(), about)


def from_pandas(frame: Any, columns: Columns | None = None) -> RankingTable:
    """Make a table of a `pandas.DataFrame`; see `from_arrow`."""
    return from_arrow(pa.Table.from_pandas(frame, preserve_index=False), columns)


def from_numpy(
    features: npt.ArrayLike, labels: npt.ArrayLike, query_ids: npt.ArrayLike
) -> RankingTable:
    """Make a table of arrays.

    Args:
        features: (document, feature) numbers; a float32 matrix is used as it is.
        labels: (document,) numbers.
        query_ids: (document,) equal for the documents of a query, which must be consecutive.

    Returns:
        The table; features are numbered from 1.

    Raises:
        ValueError: The shapes do not agree, a number is not finite, or a query comes back.

    Examples:
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
    """Return the columns qid, label and the features, named ``f1``, ``f2``, ... if without names.

    Examples:
        >>> to_arrow(from_numpy([[0.5, 3]], [2], [7])).schema.names
        ['qid', 'label', 'f1', 'f2']
    """
    names = table.feature_names or tuple(f"f{feature_id}" for feature_id in table.feature_ids)
    queries = np.repeat(np.array(table.query_ids, dtype=object), table.lengths)
    columns = {"qid": pa.array(queries, pa.string())}
    if table.labels is not None:
        columns["label"] = pa.array(table.labels)
    for name, column in zip(names, table.features.T, strict=True):
        columns[name] = pa.array(np.ascontiguousarray(column))
    return pa.table(columns)


def write_parquet(path: str | Path, table: RankingTable) -> None:
    """Write the columns of `to_arrow` to a Parquet file, which appears only when complete.

    Examples:
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
