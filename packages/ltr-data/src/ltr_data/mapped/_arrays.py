"""Arrays in mapped files; other processes map the file instead of getting a copy."""

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._columns import ColumnView, Features


class MappedFile(mmap.mmap):
    """A file in memory, read only, that knows its path."""

    path: str
    stamp: tuple[int, int]  # size and time of change


def map_file(path: str | os.PathLike[str]) -> MappedFile:
    """Map a file."""
    with Path(path).open("rb") as file:
        content = MappedFile(file.fileno(), 0, access=mmap.ACCESS_READ)
        about = os.fstat(file.fileno())
    content.path = str(Path(path).absolute())
    content.stamp = (about.st_size, about.st_mtime_ns)
    return content


class MappedArray(np.ndarray[Any, Any]):
    """An array that is pickled as its place in a mapped file, if it is a part of one.

    This holds for its views too. A copy is an ordinary array.
    """

    def __reduce__(self) -> Any:
        file = file_of(self)
        if file is None:
            return super().__reduce__()
        start = np.frombuffer(file, dtype=np.uint8).__array_interface__["data"][0]
        offset = self.__array_interface__["data"][0] - start
        return _restore, (file.path, file.stamp, self.dtype, self.shape, self.strides, offset)


def file_of(array: np.ndarray[Any, Any]) -> MappedFile | None:
    """Return the mapped file that holds the elements; None if they are in memory."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, MappedFile) else None


def select_columns(matrix: npt.NDArray[np.float32], columns: list[int]) -> Features:
    """Return some columns of a matrix: a view if they are adjacent, lazily if it is mapped.

    A mapped matrix may be larger than the memory, and a copy would read all of it; selecting the
    columns of each batch costs little. In memory, one copy makes batches faster.
    """
    if columns == list(range(columns[0], columns[0] + len(columns))):
        return matrix[:, columns[0] : columns[0] + len(columns)]
    return ColumnView(matrix, columns) if file_of(matrix) is not None else matrix[:, columns]


def _restore(
    path: str,
    stamp: tuple[int, int],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
) -> MappedArray:
    file = map_file(path)
    if file.stamp != stamp:
        raise RuntimeError(f"{path}: the file changed since it was mapped; open the data set again")
    return MappedArray(shape, dtype, file, offset, strides)
