"""From a file to blocks of whole lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._streams import Stream

_FEED = ord("\n")
BLOCK_BYTES = 1 << 20  # larger blocks are no faster and need more memory


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


def read_blocks(stream: Stream, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Cut a stream into blocks of whole lines.

    Raises:
        ValueError: The compressed data are damaged or end too early.
    """
    path = stream.path
    line = 1
    rest: list[bytes] = []  # the beginning of a line, in pieces
    while True:
        try:
            read = stream.read(block_bytes)
        except ValueError as error:
            raise ValueError(f"{path}: {error}, after line {line - 1}") from error
        if not read:
            break
        head, feed, tail = read.rpartition(b"\n")
        if not feed:
            rest.append(read)
            continue
        text = b"".join((*rest, head, feed))
        yield Block(path, line, text)
        line += int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == _FEED))
        rest = [tail]
    last = b"".join(rest)
    if last:
        yield Block(path, line, last + b"\n")
