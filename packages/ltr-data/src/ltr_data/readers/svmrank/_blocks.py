"""Files in blocks of whole lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._streams import Stream

_FEED = ord("\n")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # editors on Windows begin a text in UTF-8 with it
BLOCK_BYTES = 1 << 19  # the arrays of larger blocks do not fit the processor's cache


@dataclass(frozen=True)
class Block:
    """Whole lines of a file."""

    path: Path  # for messages
    first_line: int  # its number, 1-based
    text: bytes  # each line ends with a line feed


def read_blocks(stream: Stream, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Cut a stream into blocks of whole lines, or raise ValueError if it is damaged."""
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
        if line == 1 and not rest:
            read = read.removeprefix(_BYTE_ORDER_MARK)
        end = read.rfind(b"\n") + 1
        if not end:
            rest.append(read)
            continue
        text = b"".join((*rest, memoryview(read)[:end]))
        yield Block(path, line, text)
        line += int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == _FEED))
        rest = [read[end:]]
    last = b"".join(rest)
    if last:
        yield Block(path, line, last + b"\n")
