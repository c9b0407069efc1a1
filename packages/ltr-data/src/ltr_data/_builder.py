"""Rows put together to a table, in memory or in a file."""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ._rows import Rows
from ._table import RankingTable


class Sink(Protocol):
    """Where the features go, block by block."""

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
        """(document, feature): all that was added; nothing can be added after."""
        self.features.resize((self.num_rows, self.features.shape[1]), refcheck=False)
        return self.features


class TableBuilder:
    """Checks and collects all of a table but its features, which go to a sink.

    Args:
        path: The file, for messages.
        sink: Takes the features.
        num_features: Number of columns; the largest that occurs when None.
    """

    def __init__(self, path: Path, sink: Sink, num_features: int | None) -> None:
        self.path = path
        self.sink = sink
        self.num_features = num_features
        self.width = num_features or 0
        self.num_rows = 0
        self._labels: list[npt.NDArray[np.float32]] = []
        self._starts: list[int] = []  # first row of each query
        self._query_ids: list[str] = []
        self._first_lines: dict[str, int] = {}

    def append(self, rows: Rows) -> None:
        """Add rows.

        Raises:
            ValueError: A query comes back after another, or a feature is above `num_features`.
        """
        if not len(rows.labels):
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
        self.num_rows += len(rows.labels)

    def _append_queries(self, rows: Rows) -> None:
        last = self._query_ids[-1] if self._query_ids else None
        for query_id, row in zip(rows.query_ids, rows.starts.tolist(), strict=True):
            if query_id == last:
                continue
            last, line = query_id, int(rows.lines[row])
            if query_id in self._first_lines:
                raise ValueError(
                    f"{self.path}:{line}: query {query_id!r} comes back; it began in line "
                    f"{self._first_lines[query_id]} and ended before another query"
                )
            self._first_lines[query_id] = line
            self._query_ids.append(query_id)
            self._starts.append(self.num_rows + row)

    def labels(self) -> npt.NDArray[np.float32]:
        """(document,) float32.

        Raises:
            ValueError: There are no documents.
        """
        if not self.num_rows:
            raise ValueError(f"{self.path}: there are no documents in the file")
        return np.concatenate(self._labels)

    def offsets(self) -> npt.NDArray[np.int64]:
        """(query + 1,) first document of each query, and the number of documents."""
        return np.array([*self._starts, self.num_rows], dtype=np.int64)

    def query_ids(self) -> tuple[str, ...]:
        """(query,) in the order of the file."""
        return tuple(self._query_ids)

    def table(
        self,
        features: npt.NDArray[np.float32],
        feature_names: tuple[str, ...] | None = None,
        nullable: tuple[int, ...] = (),
    ) -> RankingTable:
        """The table with the features that the sink has got.

        Raises:
            ValueError: There are no documents.
        """
        labels = self.labels()
        return RankingTable(
            features=features,
            feature_ids=tuple(range(1, features.shape[1] + 1)),
            labels=labels,
            offsets=self.offsets(),
            query_ids=self.query_ids(),
            feature_names=feature_names,
            nullable=nullable,
        )
