"""Matrices of which only the rows asked for are made: for what is too large to copy."""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt


class LazyMatrix(ABC):
    """Stands in for a (document, feature) float32 array where that is indexed by rows.

    `np.asarray` makes it one.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """(number of documents, number of features)."""

    @abstractmethod
    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """(row, feature) some rows, in memory of their own."""

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[np.float32]:
        if copy is False:
            raise ValueError("`copy` must not be False: the numbers do not lie side by side")
        return np.asarray(self[:], dtype=dtype)


class ColumnView(LazyMatrix):
    """Columns of a (document, column) matrix, copied only for the rows that are asked for.

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
        """(row, feature) a copy of some rows."""
        chosen = self._matrix[rows]
        return chosen.take(self._columns, axis=1)


Features = npt.NDArray[np.float32] | LazyMatrix
