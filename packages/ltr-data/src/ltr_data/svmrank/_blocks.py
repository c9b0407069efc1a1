"""From a file to blocks of whole lines, and what a parser makes of a block."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

BLOCK_BYTES = 2 << 20  # larger blocks are hardly faster and need more memory

# By suffix; what has none of these is plain text.
OPENERS: dict[str, Callable[[Path], IO[bytes] | gzip.GzipFile]] = {".gz": gzip.GzipFile}


@dataclass(frozen=True)
class Block:
    """Whole lines of a file.

    Attributes:
        path: The file, for messages.
        first_line: Number of the first line, 1-based.
        text: The lines; each ends with a line feed.
    """

    path: Path
    first_line: int
    text: bytes


@dataclass(frozen=True)
class Rows:
    """The documents of a block; a feature that is absent is 0.

    Attributes:
        labels: (row,) float32.
        query_ids: (row,).
        lines: (row,) number of the line in the file.
        counts: (row,) number of features given, or None when `values` is a matrix of all of them.
        indices: (value,) 0-based columns of the values, row by row, or None likewise.
        values: (value,) float32, or (feature, row) with every column present.
    """

    labels: npt.NDArray[np.float32]
    query_ids: list[str]
    lines: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64] | None
    indices: npt.NDArray[np.int64] | None
    values: npt.NDArray[np.float32]


def read_blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Cut a file, plain or compressed, into blocks of whole lines.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: It is a folder.
        ValueError: The compressed data are damaged or end too early.
    """
    if path.is_dir():
        raise IsADirectoryError(f"`path` must name a file, {path} is a folder")
    if not path.exists():
        raise FileNotFoundError(f"`path` must name an existing file, there is no {path}")
    line, rest = 1, b""
    with OPENERS.get(path.suffix, _open_plain)(path) as file:
        while True:
            try:
                read = file.read(block_bytes)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise ValueError(
                    f"{path}: the compressed data are damaged after line {line - 1}: {error}"
                ) from error
            if not read:
                break
            head, feed, tail = read.rpartition(b"\n")
            if not feed:
                rest += read
                continue
            text = rest + head + feed
            yield Block(path, line, text)
            line += text.count(b"\n")
            rest = tail
    if rest:
        yield Block(path, line, rest + b"\n")


def _open_plain(path: Path) -> IO[bytes]:
    return path.open("rb")
