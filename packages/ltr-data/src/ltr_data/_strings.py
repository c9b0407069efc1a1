"""Many strings in two arrays, such as the ids of all documents."""

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt


class Strings(Sequence[str]):
    """A sequence of strings as their bytes in UTF-8 and where each begins.

    A tuple of a hundred million strings would take 6 GB; these arrays take their bytes, and may be
    those of a mapped file.

    Args:
        offsets: (string + 1,) int64; string i has the bytes offsets[i] to offsets[i + 1].
        data: (byte,) uint8.

    Examples:
        >>> ids = Strings.of(["a1", "", "ü"])
        >>> len(ids), ids[2], list(ids[1:])
        (3, 'ü', ['', 'ü'])
        >>> list(ids.take(np.array([2, 0])))
        ['ü', 'a1']
    """

    def __init__(self, offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> None:
        if offsets.ndim != 1 or not len(offsets) or data.ndim != 1 or offsets[-1] > len(data):
            raise ValueError(
                f"`offsets` must be ends of strings in the {len(data)} bytes of `data`, "
                f"got shape {offsets.shape}"
            )
        self.offsets = offsets
        self.data = data

    @classmethod
    def of(cls, strings: Iterable[str]) -> "Strings":
        """Make it of strings."""
        encoded = [string.encode() for string in strings]
        lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
        offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(lengths)))
        return cls(offsets, np.frombuffer(b"".join(encoded), dtype=np.uint8))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> "Strings": ...

    def __getitem__(self, index: int | slice) -> "str | Strings":
        """Return one string, or some consecutive ones without a copy."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                return self.take(np.arange(start, stop, step))
            return Strings(self.offsets[start : max(start, stop) + 1], self.data)
        if not -len(self) <= index < len(self):
            raise IndexError(f"`index` must be below the {len(self)} strings, got {index}")
        at = range(len(self))[index]
        return self.data[self.offsets[at] : self.offsets[at + 1]].tobytes().decode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # arrays may change

    def take(self, rows: npt.NDArray[np.integer]) -> "Strings":
        """Return a copy of some strings, in the given order."""
        starts, lengths = self.offsets[:-1][rows], np.diff(self.offsets)[rows]
        offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(lengths)))
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return Strings(offsets, self.data[places])
