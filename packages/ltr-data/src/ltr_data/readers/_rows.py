"""Documents on their way from a file to a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Rows:
    """Consecutive documents of a file; an absent feature is 0."""

    labels: npt.NDArray[np.float32]  # (row,)
    query_ids: list[str]  # (run,), one per run of consecutive rows that share it
    starts: npt.NDArray[np.int64]  # (run,) first row of each run
    lines: npt.NDArray[np.int64]  # (row,) number of the line in the file
    counts: npt.NDArray[np.int64] | None  # (row,) features; None if `values` is a matrix
    indices: npt.NDArray[np.int64] | None  # (value,) 0-based columns, row by row; None likewise
    values: npt.NDArray[np.float32]  # (value,), or (row, feature) with every column

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
            matrix = np.zeros((len(self.labels), width), dtype=np.float32)
            matrix[:, : self.values.shape[1]] = self.values
            return matrix
        matrix = np.zeros((len(self.labels), width), dtype=np.float32)
        matrix[np.repeat(np.arange(len(self.labels)), self.counts), self.indices] = self.values
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
