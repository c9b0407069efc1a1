"""Tables to text."""

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..._progress import Progress
from ..._table import RankingTable
from .._streams import write_stream

_QUERY_ID = re.compile(r"[^\s#]+")
_DOCUMENT_ID = re.compile(r"[^\s]+", re.ASCII)  # of all blanks, those that end an id
_CHUNK_ROWS = 4096


def write_svmrank(
    path: str | os.PathLike[str], table: RankingTable, *, progress: Progress | None = None
) -> None:
    """Write a table in the text format of SVMrank and LETOR.

    Every feature of every document is written, each number with the fewest digits that are read as
    the same float32. The ids of documents are comments, ``#docid = <id>``, as LETOR has them. The
    file appears only when complete.

    Args:
        path: The file, compressed with gzip if its name ends in ``.gz``.
        table: What to write.
        progress: Called now and then with the written and the total bytes of the features in
            memory, such as a `ProgressPrinter`.

    Raises:
        ValueError: A query id has blanks or "#", a document's id has blanks, or a number is not
            finite.

    Examples:
        >>> import tempfile, pathlib
        >>> from ltr_data import read_svmrank
        >>> from ltr_data.datasets import synthetic
        >>> table = synthetic.generate(3, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "train.txt.gz")
        ...     write_svmrank(path, table)
        ...     back = read_svmrank(path)
        >>> bool((back.features == table.features).all())
        True
    """
    for query_id in table.query_ids:
        if not _QUERY_ID.fullmatch(query_id):
            raise ValueError(f"`query_ids` must be text without blanks and #, got {query_id!r}")
    for document_id in table.document_ids or ():
        if not _DOCUMENT_ID.fullmatch(document_id):
            raise ValueError(f"`document_ids` must be text without blanks, got {document_id!r}")
    if table.labels is None:
        raise ValueError("`table` must have labels to be written as SVMrank text, got none")
    for name, values in (("labels", table.labels), ("features", table.features)):
        if not np.isfinite(values).all():
            raise ValueError(f"`{name}` must be finite to be written as text, got NaN or infinity")
    with write_stream(Path(path)) as file:
        _write(file, table, progress)


def _write(file: IO[bytes] | gzip.GzipFile, table: RankingTable, progress: Progress | None) -> None:
    query_ids = np.repeat(np.array(table.query_ids, dtype=object), table.lengths)
    labels = np.zeros(0) if table.labels is None else table.labels
    for start in range(0, table.num_documents, _CHUNK_ROWS):
        rows = slice(start, start + _CHUNK_ROWS)
        fields = _fields(labels[rows], query_ids[rows], table, rows)
        lines = pc.binary_join_element_wise(*fields, "")
        # The data of the array are the joined lines in sequence: the text itself.
        size = pc.sum(pc.binary_length(lines)).as_py()
        file.write(memoryview(lines.buffers()[2])[:size])
        if progress is not None:
            progress(table.features[: rows.stop].nbytes, table.features.nbytes)


def _fields(labels: Any, query_ids: Any, table: RankingTable, rows: slice) -> Iterator[Any]:
    yield _text(labels)
    yield pa.scalar(" qid:")
    yield pa.array(query_ids, pa.string())
    for j, feature_id in enumerate(table.feature_ids):
        yield pa.scalar(f" {feature_id}:")
        yield _text(np.ascontiguousarray(table.features[rows, j]))
    if table.document_ids is not None:
        yield pa.scalar(" #docid = ")
        yield pa.array(table.document_ids[rows], pa.string())
    yield pa.scalar("\n")


def _text(values: Any) -> Any:
    return pa.array(values).cast(pa.string())
