"""Matrices that are too large to copy: only the requested rows are in memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


class LazyMatrix(ABC):
    """A (document, feature) float32 matrix, indexed by rows; `np.asarray` copies it whole."""

    ndim = 2
    dtype = np.dtype(np.float32)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """(number of documents, number of features)."""

    @abstractmethod
    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return a (row, feature) copy of some rows."""

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[np.float32]:
        if copy is False:
            raise ValueError("`copy` must not be False: the numbers do not lie side by side")
        return np.asarray(self[:], dtype=dtype)


class ColumnView(LazyMatrix):
    """Columns of a (document, column) matrix, copied only for the rows that are requested.

    Args:
        matrix: (document, column) float32.
        columns: (feature,) positions of the columns.

    Examples:
        >>> matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
        >>> view = ColumnView(matrix, [2, 0])
        >>> view.shape, view[1:].tolist()
        ((2, 2), [[5.0, 3.0]])
    """

    def __init__(self, matrix: npt.NDArray[np.float32], columns: list[int]) -> None:
        self._matrix = matrix
        self._columns = np.array(columns, dtype=np.intp)

    @property
    def shape(self) -> tuple[int, int]:
        """(number of documents, number of features)."""
        return len(self._matrix), len(self._columns)

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return a (row, feature) copy of some rows."""
        chosen = self._matrix[rows]
        return chosen.take(self._columns, axis=1)


Features = npt.NDArray[np.float32] | LazyMatrix


class Recoded(LazyMatrix):
    """A matrix whose columns of codes have other codes, computed for the rows that are requested.

    Args:
        matrix: (document, feature) float32.
        codes: By position of a column, the new code of each old one. An old code after the last is
            the last; NaN stays.

    Examples:
        >>> matrix = np.array([[0, 5], [1, 6], [np.nan, 7]], dtype=np.float32)
        >>> Recoded(matrix, {0: np.array([3, 9], dtype=np.float32)})[:].tolist()
        [[3.0, 5.0], [9.0, 6.0], [nan, 7.0]]
    """

    def __init__(self, matrix: Features, codes: Mapping[int, npt.NDArray[np.float32]]) -> None:
        self._matrix = matrix
        self._codes = dict(codes)

    @property
    def shape(self) -> tuple[int, int]:
        """(number of documents, number of features)."""
        return self._matrix.shape[0], self._matrix.shape[1]

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return a (row, feature) copy of some rows."""
        chosen = np.array(self._matrix[rows], dtype=np.float32)
        for column, codes in self._codes.items():
            old = chosen[:, column]
            known = ~np.isnan(old)
            old[known] = codes[np.minimum(old[known], len(codes) - 1).astype(np.intp)]
        return chosen


_CHUNK_ROWS = 16_384


def row_chunks(array: npt.NDArray[Any] | LazyMatrix) -> Iterator[npt.NDArray[Any]]:
    """Yield the rows in blocks, since a mapped array may be larger than the memory."""
    for start in range(0, len(array), _CHUNK_ROWS):
        yield array[start : start + _CHUNK_ROWS]
