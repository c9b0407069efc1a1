"""Blocks in which every line has the features 1, 2, ..., F in this order, parsed as a whole.

Only colons and line feeds are looked for. That each line has as many colons as the others, and that
before every colon stands what must stand there (`` qid``, `` 1``, `` 2``, ...), says where each
number begins and ends: from a colon to the blank of the next key. Nothing that is no part of a
number can lie between, since pyarrow's parser refuses all else, blanks too.
"""

import functools

import numpy as np
import numpy.typing as npt

from .._builder import Rows
from ._spans import BLANK, COLON, FEED, QID, Positions, floats, query_runs

_REACH = 5  # bytes before a colon that are looked at: a blank and up to 4 digits


def parse_dense(text: bytes, first_line: int, *, clip: bool = False) -> Rows | None:
    """Parse lines without comments, tabs and carriage returns, shorter than `MAX_BYTES`.

    Returns:
        The rows, or None if a line is not of this form.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    # A line begins with a label and " qid:", so that no colon is missed at the beginning, and the
    # bytes before the colons can be taken without a subtraction.
    found = np.flatnonzero(data[_REACH:] == COLON)
    feeds = np.flatnonzero(data == FEED).astype(np.int32)
    rows = len(feeds)
    width, rest = divmod(len(found), rows)  # the query and the features
    if rest or not 2 <= width < 10 ** (_REACH - 1) or not _keys_stand(data, found, rows):
        return None
    colons = found.astype(np.int32).reshape(rows, width)
    colons += _REACH
    # Of the label and of the features, begin and end.
    spans = np.empty((rows, width, 2), dtype=np.int32)
    spans[0, 0, 0] = 0
    spans[1:, 0, 0] = feeds[:-1] + 1
    spans[:, 0, 1] = colons[:, 0] - len(QID)
    np.add(colons[:, 1:], 1, out=spans[:, 1:, 0])
    np.subtract(colons[:, 2:], _key_sizes(width)[2:], out=spans[:, 1:-1, 1])
    spans[:, -1, 1] = feeds - (data.take(feeds - 1) == BLANK)
    # The colons of a line lie in it: the first after its label, the last before its end.
    if (spans[:, 0, 0] >= spans[:, 0, 1]).any() or (colons[:, -1] >= feeds).any():
        return None
    queries = query_runs(text, colons[:, 0] + 1, colons[:, 1] - len(" 1"))
    numbers = floats(text, spans, clip=clip)
    if queries is None or numbers is None:
        return None
    return Rows(
        labels=numbers[:, 0].copy(),
        query_ids=queries[0],
        starts=queries[1],
        lines=np.arange(first_line, first_line + rows),
        counts=None,
        indices=None,
        values=numbers[:, 1:].copy(),
    )


def _keys_stand(data: npt.NDArray[np.uint8], found: npt.NDArray[np.int64], rows: int) -> bool:
    """Return whether " qid", " 1", ... stand before the colons data[found + _REACH] of each row."""
    width = len(found) // rows
    for place in range(1, _REACH + 1):  # from the colon back
        first, expected = _expected(width, place)
        if first < width:
            before = data[_REACH - place :].take(found).reshape(rows, width)
            if before[:, first:].tobytes() != expected * rows:
                return False
    qid = found.reshape(rows, width)[:, 0] + (_REACH - len(QID))
    return all((data[i:].take(qid) == byte).all() for i, byte in enumerate(QID))


@functools.lru_cache(maxsize=64)
def _expected(width: int, place: int) -> tuple[int, bytes]:
    """Return the first key with `place` bytes before its colon, and that byte of it and later keys.

    All keys but the first, the query's, are a blank and a number.
    """
    first = 10 ** max(place - 2, 0)
    return first, bytes((b" %d" % key)[-place] for key in range(first, width))


@functools.lru_cache(maxsize=64)
def _key_sizes(width: int) -> Positions:
    """Return the (width,) numbers of bytes of " 0", " 1", ..."""
    return np.array([len(f" {key}") for key in range(width)], dtype=np.int32)
