"""Rows to a table, in memory or in a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .._strings import Strings
from .._table import RankingTable


@dataclass(frozen=True)
class FeatureColumns:
    """What is known about the features of a file, beside their values; see `RankingTable`."""

    names: tuple[str, ...] | None = None
    nullable: tuple[int, ...] = ()
    kinds: Mapping[int, str] = field(default_factory=dict)
    words: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


NO_COLUMNS = FeatureColumns()


@dataclass(frozen=True)
class Rows:
    """Consecutive documents of a file; an absent feature is 0."""

    labels: npt.NDArray[np.float32] | None  # (row,); None if the file has no label
    query_ids: list[str]  # (run,), one per run of consecutive rows that share it
    starts: npt.NDArray[np.int64]  # (run,) first row of each run
    lines: npt.NDArray[np.int64]  # (row,) number of the line in the file
    counts: npt.NDArray[np.int64] | None  # (row,) features; None if `values` is a matrix
    indices: npt.NDArray[np.int64] | None  # (value,) 0-based columns, row by row; None likewise
    values: npt.NDArray[np.float32]  # (value,), or (row, feature) with every column
    document_ids: Strings | None = None  # (row,); None if the file has none
    weights: npt.NDArray[np.float32] | None = None  # (row,); None if the file has none

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def width(self) -> int:
        """The largest given feature number."""
        if self.indices is None:
            return int(self.values.shape[1])
        return int(self.indices.max(initial=-1)) + 1

    def matrix(self, width: int) -> npt.NDArray[np.float32]:
        """Return (row, width) float32, row-major; `width` is at least that of the rows."""
        if self.counts is None or self.indices is None:
            if self.values.shape[1] == width:
                return np.ascontiguousarray(self.values)
            matrix = np.zeros((len(self), width), dtype=np.float32)
            matrix[:, : self.values.shape[1]] = self.values
            return matrix
        matrix = np.zeros((len(self), width), dtype=np.float32)
        matrix[np.repeat(np.arange(len(self)), self.counts), self.indices] = self.values
        return matrix

    def line_of_feature(self, column: int) -> int:
        """Return the line of the first row with the 0-based column `column` or a later one."""
        if self.counts is None or self.indices is None:
            return int(self.lines[0])
        at = np.flatnonzero(self.indices >= column)[0]
        return int(self.lines[np.searchsorted(np.cumsum(self.counts), at, side="right")])


def runs(query_ids: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the query of each run of equal ids, and its first row.

    Examples:
        >>> runs(["7", "7", "9"])
        (['7', '9'], array([0, 2]))
    """
    starts = [
        row for row, query_id in enumerate(query_ids) if not row or query_id != query_ids[row - 1]
    ]
    return [query_ids[row] for row in starts], np.array(starts, dtype=np.int64)


class Sink(Protocol):
    """Where the features go, block by block, such as memory or a file."""

    def append(self, matrix: npt.NDArray[np.float32]) -> None:
        """Add a (row, width) matrix; the width never falls."""


class MemorySink:
    """One matrix that grows in place."""

    def __init__(self) -> None:
        self.features = np.zeros((0, 0), dtype=np.float32)
        self.num_rows = 0

    def append(self, matrix: npt.NDArray[np.float32]) -> None:
        """Add a (row, width) matrix."""
        count, width = matrix.shape
        capacity, old_width = self.features.shape
        end = self.num_rows + count
        if width > old_width:
            wider = np.zeros((max(capacity, end), width), dtype=np.float32)
            wider[: self.num_rows, :old_width] = self.features[: self.num_rows]
            self.features = wider
        elif end > capacity:
            # Resizing in place moves pages instead of copying them: no second matrix in memory.
            self.features.resize((max(end, capacity * 5 // 4), old_width), refcheck=False)
        self.features[self.num_rows : end] = matrix
        self.num_rows = end

    def matrix(self) -> npt.NDArray[np.float32]:
        """Return the whole (document, feature) matrix; nothing can be added afterwards."""
        self.features.resize((self.num_rows, self.features.shape[1]), refcheck=False)
        return self.features


class TableBuilder:
    """The checks of rows, and all of their table but the features, which go to a sink."""

    def __init__(
        self, path: Path, sink: Sink, num_features: int | None, *, regroup: bool = False
    ) -> None:
        self.path = path
        self.sink = sink
        self.num_features = num_features
        self.width = num_features or 0
        self.num_rows = 0
        self._regroup = regroup
        self._labels: list[npt.NDArray[np.float32] | None] = []
        self._document_ids: list[Strings | None] = []
        self._weights: list[npt.NDArray[np.float32] | None] = []
        self._last: str | None = None
        self._numbers: dict[str, int] = {}  # of the queries, in the order of their first documents
        self._first: list[tuple[Path, int]] = []  # file and line of it, per query
        self._runs: list[tuple[int, int]] = []  # number of the query and first row

    @property
    def num_queries(self) -> int:
        """Number of queries so far."""
        return len(self._numbers)

    def begin(self, path: Path) -> None:
        """Begin another file, in which no query of the one before continues."""
        self.path = path
        self._last = None

    def append(self, rows: Rows) -> None:
        """Add rows, or raise ValueError for a query that comes back or too large a feature."""
        if not len(rows):
            return
        self._append_queries(rows)
        if self.num_features is not None and rows.width > self.num_features:
            line = rows.line_of_feature(self.num_features)
            raise ValueError(
                f"{self.path}:{line}: feature above `num_features`, "
                f"expected at most {self.num_features}, got {rows.width}"
            )
        self.width = max(self.width, rows.width)
        self.sink.append(rows.matrix(self.width))
        self._labels.append(rows.labels)
        self._document_ids.append(rows.document_ids)
        self._weights.append(rows.weights)
        self.num_rows += len(rows)

    def _append_queries(self, rows: Rows) -> None:
        for query_id, row in zip(rows.query_ids, rows.starts.tolist(), strict=True):
            if query_id == self._last:
                continue
            self._last, line = query_id, int(rows.lines[row])
            number = self._numbers.setdefault(query_id, len(self._numbers))
            if number == len(self._first):
                self._first.append((self.path, line))
            elif not self._regroup:
                path, first = self._first[number]
                where = (
                    f"line {first} and ended before another query"
                    if path == self.path
                    else f"{path}:{first}"
                )
                raise ValueError(
                    f"{self.path}:{line}: query {query_id!r} comes back; it began in {where}; "
                    "`regroup=True` of `read` or `open` puts its documents together"
                )
            self._runs.append((number, self.num_rows + row))

    def segments(self) -> npt.NDArray[np.int64] | None:
        """Return (run, 2) first row and end, query by query; None if the rows are in order."""
        if len(self._runs) == len(self._numbers):
            return None
        numbers, starts = np.array(self._runs, dtype=np.int64).T
        ends = np.append(starts[1:], self.num_rows)
        return np.stack((starts, ends), axis=1)[np.argsort(numbers, kind="stable")]

    def table(
        self, features: npt.NDArray[np.float32], about: FeatureColumns = NO_COLUMNS
    ) -> RankingTable:
        """Make the table of the sink's features, query by query (see `segments`)."""
        if not self.num_rows:
            raise ValueError(f"{self.path}: there are no documents in the file")
        numbers, starts = np.array(self._runs, dtype=np.int64).T
        lengths = np.zeros(self.num_queries, dtype=np.int64)
        np.add.at(lengths, numbers, np.diff(starts, append=self.num_rows))
        segments = self.segments()
        labels = _joined("label", self._labels)
        weights = _joined("weight", self._weights)
        document_ids = join_strings(self._document_ids)
        if segments is not None:
            labels = None if labels is None else take_segments(labels, segments)
            weights = None if weights is None else take_segments(weights, segments)
            rows = np.concatenate([np.arange(*segment) for segment in segments.tolist()])
            document_ids = None if document_ids is None else document_ids.take(rows)
        return RankingTable(
            features=features,
            feature_ids=tuple(range(1, features.shape[1] + 1)),
            labels=labels,
            offsets=np.concatenate(([0], np.cumsum(lengths))),
            query_ids=tuple(self._numbers),
            feature_names=about.names,
            nullable=about.nullable,
            kinds=about.kinds,
            words=about.words,
            document_ids=document_ids,
            weights=weights,
        )


def _joined(
    what: str, parts: list[npt.NDArray[np.float32] | None]
) -> npt.NDArray[np.float32] | None:
    """Join blocks of a column, which all rows have or none has."""
    there = [part for part in parts if part is not None]
    if there and len(there) != len(parts):
        raise ValueError(f"the files must all have a {what} or none of them, some have")
    return np.concatenate(there) if there else None


def join_strings(parts: Sequence[Strings | None]) -> Strings | None:
    """Join blocks of strings; None unless all blocks have them."""
    there = [part for part in parts if part is not None]
    if len(there) != len(parts) or not parts:
        return None
    bases = np.cumsum([0, *(int(part.offsets[-1] - part.offsets[0]) for part in there)])
    starts = [
        part.offsets[:-1] - part.offsets[0] + base for part, base in zip(there, bases, strict=False)
    ]
    data = [part.data[part.offsets[0] : part.offsets[-1]] for part in there]
    return Strings(np.append(np.concatenate(starts), bases[-1]), np.concatenate(data))


def take_segments(
    array: npt.NDArray[np.float32], segments: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Return the rows of (run, 2) segments in sequence."""
    return np.concatenate([array[start:end] for start, end in segments.tolist()])
