"""CSV files in blocks of whole rows, which span lines where a line break stands between quotes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._streams import Stream

BLOCK_BYTES = 4 << 20
_LONGEST_ROW = 64 << 20
_QUOTE, _FEED, _RETURN = b'"\n\r'


@dataclass(frozen=True)
class CSVBlock:
    """Whole rows of a CSV file."""

    first_line: int  # its number, 1-based
    text: bytes
    feeds: int  # line feeds in the text
    separator: str

    def lines(self, rows: int) -> npt.NDArray[np.int64]:
        """Return the numbers of the lines in which the rows begin, of which there are so many."""
        if self.feeds + (self.text[-1:] != b"\n") != rows:
            found = self._starts()
            if len(found) == rows:
                return found
        return np.arange(self.first_line, self.first_line + rows)

    def line(self, row: int) -> int:
        """Return the number of the line in which a row begins, counted from 1."""
        found = self._starts()
        return int(found[row - 1]) if row <= len(found) else self.first_line + row - 1

    def _starts(self) -> npt.NDArray[np.int64]:
        starts = np.append(0, row_ends(self.text, self.separator))
        starts = starts[starts < len(self.text)]
        # Blank lines are no rows.
        here = np.frombuffer(self.text + b"\n", dtype=np.uint8)
        blank = (here[starts] == _FEED) | ((here[starts] == _RETURN) & (here[starts + 1] == _FEED))
        feeds = np.flatnonzero(here == _FEED)
        before: npt.NDArray[np.int64] = np.searchsorted(feeds, starts[~blank])
        return self.first_line + before


def cut(stream: Stream, separator: str) -> Iterator[CSVBlock]:
    """Cut what is left of a stream into blocks of whole rows, from line 2 of the file.

    Raises:
        ValueError: The compressed data are damaged, or a row does not end.
    """
    line, rest = 2, b""
    while read := stream.read(max(BLOCK_BYTES, len(rest))):  # a row may be longer than a block
        rest += read
        end = last_row_end(rest, separator)
        if end:
            text, rest = rest[:end], rest[end:]
            feeds = text.count(b"\n")
            if not _blank(text):
                yield CSVBlock(line, text, feeds, separator)
            line += feeds
        if len(rest) > _LONGEST_ROW:
            raise ValueError(
                f"{stream.path}:{line}: expected a row of at most {_LONGEST_ROW >> 20} MB; a quote "
                "may not be closed"
            )
    if not _blank(rest):
        yield CSVBlock(line, rest, rest.count(b"\n"), separator)


def _blank(text: bytes) -> bool:
    """Return whether there are blank lines alone; a tab separates two empty fields."""
    return not text or (text.isspace() and not text.strip(b"\r\n"))


def last_row_end(text: bytes, separator: str) -> int:
    r"""Return where the last whole row of a text ends that begins with a row; 0 without one.

    A quote at the begin of a field opens it, the next single one closes it, and a line feed between
    them belongs to the field.

    Examples:
        >>> last_row_end(b'1,2\n3,"a\nb"\n4,"c\nd', ",")
        12
    """
    quotes = _quotes(text, separator)
    if quotes is None:
        return int(_row_ends_of_any(text, separator)[-1:].sum())
    end = text.rfind(b"\n") + 1
    while end and np.searchsorted(quotes, end) % 2:
        end = text.rfind(b"\n", 0, end - 1) + 1
    return end


def row_ends(text: bytes, separator: str) -> npt.NDArray[np.int64]:
    """Return where all rows end, see `last_row_end`."""
    quotes = _quotes(text, separator)
    if quotes is None:
        return _row_ends_of_any(text, separator)
    feeds = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == _FEED)
    ends: npt.NDArray[np.int64] = feeds[np.searchsorted(quotes, feeds) % 2 == 0] + 1
    return ends


def _quotes(text: bytes, separator: str) -> npt.NDArray[np.int64] | None:
    """Return where quotes stand, if every second one opens; None if some stand within a field."""
    if b'"' not in text:
        return np.zeros(0, dtype=np.int64)
    here = np.frombuffer(text, dtype=np.uint8)
    quotes = np.flatnonzero(here == _QUOTE)
    edges = np.array([ord(separator), _FEED, _RETURN, _QUOTE], dtype=np.uint8)
    opening, closing = quotes[::2], quotes[1::2]
    before = here[opening[opening > 0] - 1]
    behind = here[closing[closing < len(here) - 1] + 1]
    return quotes if np.isin(before, edges).all() and np.isin(behind, edges).all() else None


def _row_ends_of_any(text: bytes, separator: str) -> npt.NDArray[np.int64]:
    """Return the same, row by row, whatever quotes stand in the fields."""
    mark = re.escape(separator).encode()
    field = rb'(?:"(?:[^"]|"")*+"[^%b\n]*+|(?!")[^%b\n]*+)' % (mark, mark)
    row = re.compile(rb"%b(?:%b%b)*+\n" % (field, mark, field))
    ends, end = [], 0
    while found := row.match(text, end):
        end = found.end()
        ends.append(end)
    return np.array(ends, dtype=np.int64)
