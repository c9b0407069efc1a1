"""Tables from and to Arrow, pandas and NumPy, and to Parquet files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from .._strings import Strings
from .._table import RankingTable
from ..files import atomic_write
from ._arrow_files import TypedFile
from ._builder import MemorySink, TableBuilder, take_segments
from ._source import typed_source
from ._tabular import Columns


def from_arrow(
    table: Any, columns: Columns | None = None, *, regroup: bool = False
) -> RankingTable:
    """Make a table of Arrow's columns.

    Args:
        table: A table or record batch of pyarrow, or anything that gives its columns to Arrow, such
            as a frame of polars.
        columns: Which column is what; None for "qid", "label", and all others as features.
        regroup: Whether a query that comes back is no error; see `read`.

    Returns:
        The same documents; features are numbered from 1 and named.

    Raises:
        TypeError: `table` is nothing that Arrow understands.
        ValueError: A column is missing or holds what it must not, or a query comes back.

    Examples:
        >>> import pyarrow as pa
        >>> table = from_arrow(pa.table({"qid": [7, 7, 8], "label": [2, 0, 1], "bm25": [3, 1, 2]}))
        >>> table.query_ids, table.feature_names, table.features.ravel()
        (('7', '8'), ('bm25',), array([3., 1., 2.], dtype=float32))
    """
    columns = Columns() if columns is None else columns
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    elif not isinstance(table, pa.Table):
        if not hasattr(table, "__arrow_c_stream__"):
            raise TypeError(
                "`table` must be a table of Arrow or a frame that gives one, such as polars', got "
                f"{type(table).__name__}"
            )
        table = pa.table(table)
    coding = columns.coding()
    file = TypedFile(table.schema, iter(table.to_batches()), lambda: 0, first_line=0)
    source = typed_source("table", file, columns, coding)
    sink = MemorySink()
    builder = TableBuilder(Path("table"), sink, None, regroup=regroup)
    for rows in source.rows:
        builder.append(rows)
    features, segments = sink.matrix(), builder.segments()
    if segments is not None:
        features = take_segments(features, segments)
    return builder.table(features, coding.about(source.about.names or (), source.about.nullable))


def from_pandas(
    frame: Any, columns: Columns | None = None, *, regroup: bool = False
) -> RankingTable:
    """Make a table of a `pandas.DataFrame`; see `from_arrow`.

    Raises:
        TypeError: `frame` is no frame of pandas.
        ValueError: As `from_arrow`, or a column holds values of several types.
    """
    if not hasattr(frame, "iloc") or not hasattr(frame, "columns"):
        raise TypeError(f"`frame` must be a pandas.DataFrame, got {type(frame).__name__}")
    sparse = [name for name in frame.columns if hasattr(frame[name].dtype, "fill_value")]
    if sparse:
        frame = frame.assign(**{name: frame[name].sparse.to_dense() for name in sparse})
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"`frame` must have one type of values per column: {error}") from error
    return from_arrow(table, columns, regroup=regroup)


def from_numpy(
    features: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    query_ids: npt.ArrayLike | None = None,
    *,
    group_sizes: npt.ArrayLike | None = None,
    feature_names: Sequence[str] | None = None,
    document_ids: Sequence[object] | None = None,
    weights: npt.ArrayLike | None = None,
    gaps: bool = False,
) -> RankingTable:
    """Make a table of arrays.

    Args:
        features: (document, feature) numbers; a float32 matrix is used as it is.
        labels: (document,) numbers, or None.
        query_ids: (document,) equal for the documents of a query, which must be consecutive.
        group_sizes: (query,) numbers of documents, as LightGBM and XGBoost take them, instead of
            `query_ids`; the queries are then numbered from 1.
        feature_names: (feature,) names of the columns.
        document_ids: (document,) ids.
        weights: (document,) numbers that are not negative.
        gaps: Whether NaN among the features means a missing value.

    Returns:
        The table; features are numbered from 1.

    Raises:
        TypeError: `features` is a sparse matrix.
        ValueError: The shapes do not agree, a number is not finite, or a query comes back.

    Examples:
        >>> table = from_numpy([[0.5, 3], [0.1, 0], [1, 4]], labels=[2, 0, 1], query_ids=[7, 7, 8])
        >>> table.query_ids, table.lengths
        (('7', '8'), array([2, 1]))
        >>> from_numpy([[0.5], [0.1], [1]], [2, 0, 1], group_sizes=[2, 1]).query_ids
        ('1', '2')
    """
    if hasattr(features, "toarray"):
        raise TypeError("`features` must be a dense matrix, got a sparse one: call its `toarray`")
    matrix = np.asarray(features, dtype=np.float32)
    if (query_ids is None) == (group_sizes is None):
        raise ValueError("`query_ids` or `group_sizes` must be given, and not both")
    ids = _numbered(group_sizes) if query_ids is None else np.asarray(query_ids)
    numbers = None if labels is None else np.asarray(labels, dtype=np.float32)
    worth = None if weights is None else np.asarray(weights, dtype=np.float32)
    shape = matrix.shape[:1]
    if matrix.ndim != 2 or ids.shape != shape or (numbers is not None and numbers.shape != shape):
        raise ValueError(
            "`features`, `labels` and `query_ids` must be (document, feature), (document,) and "
            f"(document,), got shapes {matrix.shape}, "
            f"{None if numbers is None else numbers.shape} and {ids.shape}"
        )
    if not len(matrix):
        raise ValueError("`features` must hold at least one document, got none")
    for name, values in (("features", matrix), ("labels", numbers), ("weights", worth)):
        if values is None:
            continue
        wrong = np.isinf(values) if name == "features" and gaps else ~np.isfinite(values)
        if wrong.any():
            at = tuple(np.argwhere(wrong)[0].tolist())
            raise ValueError(f"`{name}` must be finite, got {values[at]} at {at}")
    starts, names = _queries(ids)
    missing = np.flatnonzero(np.isnan(matrix).any(axis=0)) + 1 if gaps else ()
    return RankingTable(
        features=matrix,
        feature_ids=tuple(range(1, matrix.shape[1] + 1)),
        labels=numbers,
        offsets=np.append(starts, len(matrix)).astype(np.int64),
        query_ids=names,
        feature_names=None if feature_names is None else tuple(feature_names),
        nullable=tuple(int(column) for column in missing),
        document_ids=None if document_ids is None else Strings.of(map(str, document_ids)),
        weights=worth,
    )


def _numbered(group_sizes: npt.ArrayLike | None) -> npt.NDArray[np.int64]:
    sizes = np.asarray(group_sizes)
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or (sizes < 1).any():
        raise ValueError(f"`group_sizes` must be (query,) numbers from 1, got {group_sizes!r}")
    return np.repeat(np.arange(1, len(sizes) + 1), sizes)


def _queries(ids: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Return the first document of each query, and the queries' names."""
    if ids.dtype.kind == "f" and np.isnan(ids).any():
        at = int(np.flatnonzero(np.isnan(ids))[0])
        raise ValueError(f"`query_ids` must not be NaN, got NaN at document {at}")
    starts = np.flatnonzero(np.concatenate(([True], ids[1:] != ids[:-1])))
    names = tuple(map(str, ids[starts].tolist()))
    seen: set[str] = set()
    for name, start in zip(names, starts, strict=True):
        if name in seen:
            raise ValueError(f"`query_ids` must be grouped, got {name!r} again at document {start}")
        seen.add(name)
    return starts, names


def to_arrow(table: RankingTable) -> pa.Table:
    """Return the columns qid, id, label, weight and the features, those that there are.

    Features without names are called ``f1``, ``f2``, ...; words are text and gaps null.

    Examples:
        >>> to_arrow(from_numpy([[0.5, 3]], [2], [7])).schema.names
        ['qid', 'label', 'f1', 'f2']
    """
    names = table.feature_names or tuple(f"f{feature_id}" for feature_id in table.feature_ids)
    queries = np.repeat(np.array(table.query_ids, dtype=object), table.lengths)
    columns = {"qid": pa.array(queries, pa.string())}
    if table.document_ids is not None:
        columns["id"] = pa.array(list(table.document_ids), pa.string())
    if table.labels is not None:
        columns["label"] = pa.array(table.labels)
    if table.weights is not None:
        columns["weight"] = pa.array(table.weights)
    for feature_id, name, column in zip(table.feature_ids, names, table.features.T, strict=True):
        if feature_id in table.words:
            words = np.array([*table.words[feature_id], None], dtype=object)
            codes = np.where(np.isnan(column), -1, column).astype(np.int64)
            columns[name] = pa.array(words[codes], pa.string())
        else:
            gaps = feature_id in table.nullable
            columns[name] = pa.array(np.ascontiguousarray(column), from_pandas=gaps)
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
