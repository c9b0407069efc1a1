"""Blocks put together to a table."""

import os
from pathlib import Path

import numpy as np

from .._table import RankingTable
from ._blocks import Rows, read_blocks
from ._fast import parse_dense
from ._tolerant import parse_lines


def read_svmrank(path: str | os.PathLike[str], *, num_features: int | None = None) -> RankingTable:
    r"""Read ranking data in the text format of SVMrank and LETOR.

    A line is ``<label> qid:<id> <feature>:<value> ... # comment``. Features are numbered from 1,
    may come in any order, and are 0 where absent. Blank lines, comments, tabs, CRLF and a missing
    final line feed are understood; query ids are any text without blanks. The lines of a query
    must follow one another. Values are rounded to float32 once, from the decimal text.

    Args:
        path: The file; compressed with gzip where its name ends in ``.gz``.
        num_features: Number of columns of the table, for a sparse file in which the last ones may
            not occur; the largest feature of the file when not given.

    Returns:
        All documents with all columns.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There are no documents, or a line is wrong: the message has file and line.
            Wrong are: feature 0, a feature given twice or above `num_features`, a value or label
            that is no finite number, a query id that comes back after another.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "train.txt")
        ...     _ = path.write_text("2 qid:7 1:0.5 3:1e-2 # a\n0 qid:7 2:4\n1 qid:8\n")
        ...     table = read_svmrank(path)
        >>> table.features
        array([[0.5 , 0.  , 0.01], [0.  , 4.  , 0.  ], [0.  , 0.  , 0.  ]], dtype=float32)
        >>> table.query_ids, table.offsets
        (('7', '8'), array([0, 2, 3]))

    Note:
        Blocks in which each line has all features in order are parsed by pyarrow, with every
        feature number verified; any other block is parsed line by line.
    """
    path = Path(path)
    if num_features is not None and num_features < 1:
        raise ValueError(f"`num_features` must be at least 1, got {num_features}")
    builder = _Builder(path, num_features)
    for block in read_blocks(path):
        rows = parse_dense(block)
        builder.append(parse_lines(block) if rows is None else rows)
    return builder.build()


class _Builder:
    """Grows a table block by block."""

    def __init__(self, path: Path, num_features: int | None) -> None:
        self.path = path
        self.num_features = num_features
        self.features = np.zeros((0, num_features or 0), dtype=np.float32)
        self.num_rows = 0
        self.labels: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
        self.starts: list[int] = []  # first row of each query
        self.query_ids: list[str] = []
        self.first_lines: dict[str, int] = {}

    def append(self, rows: Rows) -> None:
        count = len(rows.labels)
        if count == 0:
            return
        self._append_queries(rows)
        self._append_features(rows)
        self.labels.append(rows.labels)
        self.num_rows += count

    def _append_queries(self, rows: Rows) -> None:
        last = self.query_ids[-1] if self.query_ids else None
        for row, query_id in enumerate(rows.query_ids):
            if query_id == last:
                continue
            last, line = query_id, int(rows.lines[row])
            if query_id in self.first_lines:
                raise ValueError(
                    f"{self.path}:{line}: query {query_id!r} comes back; it began in line "
                    f"{self.first_lines[query_id]} and ended before another query"
                )
            self.first_lines[query_id] = line
            self.query_ids.append(query_id)
            self.starts.append(self.num_rows + row)

    def _append_features(self, rows: Rows) -> None:
        count = len(rows.labels)
        if rows.counts is None or rows.indices is None:
            width = len(rows.values)
        else:
            width = int(rows.indices.max(initial=-1)) + 1
        if self.num_features is not None and width > self.num_features:
            line = rows.lines[0]
            if rows.counts is not None and rows.indices is not None:
                at = np.flatnonzero(rows.indices >= self.num_features)[0]
                line = rows.lines[np.searchsorted(np.cumsum(rows.counts), at, side="right")]
            raise ValueError(
                f"{self.path}:{line}: feature above `num_features`, "
                f"expected at most {self.num_features}, got {width}"
            )
        self._reserve(self.num_rows + count, width)
        target = self.features[self.num_rows : self.num_rows + count]
        if rows.counts is None or rows.indices is None:
            target[:, :width] = rows.values.T
            target[:, width:] = 0
        else:
            target[:] = 0
            target[np.repeat(np.arange(count), rows.counts), rows.indices] = rows.values

    def _reserve(self, num_rows: int, width: int) -> None:
        capacity, old_width = self.features.shape
        if width > old_width:
            wider = np.zeros((max(capacity, num_rows), width), dtype=np.float32)
            wider[: self.num_rows, :old_width] = self.features[: self.num_rows]
            self.features = wider
        elif num_rows > capacity:
            # Resizing in place moves pages instead of copying them: no second matrix in memory.
            self.features.resize((max(num_rows, capacity * 5 // 4), old_width), refcheck=False)

    def build(self) -> RankingTable:
        if not self.num_rows:
            raise ValueError(f"{self.path}: there are no documents in the file")
        self.features.resize((self.num_rows, self.features.shape[1]), refcheck=False)
        return RankingTable(
            features=self.features,
            feature_ids=tuple(range(1, self.features.shape[1] + 1)),
            labels=np.concatenate(self.labels),
            offsets=np.array([*self.starts, self.num_rows], dtype=np.int64),
            query_ids=tuple(self.query_ids),
        )
