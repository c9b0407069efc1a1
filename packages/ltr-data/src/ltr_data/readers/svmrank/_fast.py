"""Well-formed blocks parsed with NumPy and pyarrow: fast, and as strict as line by line.

A line of two features is ``2 qid:11 1:0.5 2:3``. In every line a blank and a colon take turns, and
a line feed stands in the place of the last blank. Once that is verified for the separators of the
block, they say where each number begins and ends, and pyarrow casts all of them in one call, with
what lies between marked as null: the text is never copied.

All feature numbers are parsed, and one that is given twice is found. Blocks in which every line has
the features 1, 2, ..., F in this order are verified with less work (`_dense`); one that fails any
check is left to the tolerant parser.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .._builder import Rows
from ._blocks import Block
from ._comments import COMMENT, document_ids
from ._dense import parse_dense
from ._dialect import STRICT, Dialect
from ._spans import BLANK, COLON, FEED, MAX_BYTES, QID, Positions, floats, query_runs
from ._tolerant import MAX_INDEX

_TABS = bytes.maketrans(b"\t", b" ")
_HEAD = 3  # separators of a line without features: after the label, qid, the query id

_Ints = npt.NDArray[np.int64]


def parse_block(block: Block, dialect: Dialect = STRICT) -> Rows | None:
    """Parse a block in which every line has a label, a query and well-formed features.

    Returns:
        The rows, as `parse_lines` would return them, or None if the block is not of this form.
    """
    text, ids = _one_form(block.text)
    if len(text) >= MAX_BYTES:
        return None
    rows = None
    if not dialect.zero_based:
        rows = parse_dense(text, block.first_line, clip=dialect.clip)
    if rows is None:
        rows = _parse_spaced(text, block.first_line, dialect)
    if rows is None or not ids:
        return rows
    return replace(rows, document_ids=document_ids(ids, len(rows)))


def _parse_spaced(text: bytes, first_line: int, dialect: Dialect) -> Rows | None:
    """Parse lines in which blanks and colons take turns, with any features."""
    data, separators, kinds, touching = _separators(text)
    if len(touching) and not _end_lines(touching, kinds):
        text = _single_blanks(text)
        data, separators, kinds, touching = _separators(text)
        if not _end_lines(touching, kinds):
            return None
    if len(touching):
        # The blank takes the place of the line feed that follows it.
        kinds[touching] = FEED
        separators, kinds = np.delete(separators, touching + 1), np.delete(kinds, touching + 1)
    ends = np.flatnonzero(kinds == FEED)  # of lines, among the separators
    sizes = np.diff(ends, prepend=-1)
    starts = ends - sizes + 1
    if separators[0] == 0 or (sizes % 2 == 0).any() or sizes.min() < _HEAD:
        return None
    if not _take_turns(kinds, sizes, starts):
        return None
    heads = separators[starts], separators[starts + 1], separators[starts + 2]
    if (heads[1] - heads[0] != len(QID)).any():
        return None
    if any((data.take(heads[0] + i) != byte).any() for i, byte in enumerate(QID)):
        return None
    begins = np.concatenate(([0], separators[ends[:-1]] + 1))
    if len(touching):  # after the blank comes the line feed
        begins[1:] += data[begins[1:]] == FEED
    labels = floats(text, _spans(begins, heads[0]), clip=dialect.clip)
    queries = query_runs(text, heads[1] + 1, heads[2])
    colons = kinds == COLON
    colons[starts + 1] = False  # those of the query ids
    at = np.flatnonzero(colons)
    counts = (sizes - _HEAD) // 2
    lowest = 0 if dialect.zero_based else 1
    indices = _indices(data, separators[at - 1], separators[at], counts, lowest)
    if indices is None:
        return None
    values = floats(text, _spans(separators[at] + 1, separators[at + 1]), clip=dialect.clip)
    if labels is None or queries is None or values is None:
        return None
    lines = np.arange(first_line, first_line + len(ends))
    return Rows(labels.copy(), *queries, lines, counts, indices, values)


def _spans(begins: _Ints, ends: _Ints) -> Positions:
    return np.stack((begins, ends), axis=-1).astype(np.int32)


def _one_form(text: bytes) -> tuple[bytes, list[bytes | None]]:
    """Return the lines without comments, carriage returns and tabs; and the comments' ids."""
    ids: list[bytes | None] = []
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if b"#" in text:
        parts = COMMENT.split(text)  # text, id, text, id, ..., text
        text, ids = b"".join(parts[::2]), parts[1::2]
    return text.translate(_TABS) if b"\t" in text else text, ids


def _single_blanks(text: bytes) -> bytes:
    """Return the lines with one blank between fields."""
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def _separators(text: bytes) -> tuple[npt.NDArray[np.uint8], _Ints, npt.NDArray[np.uint8], _Ints]:
    """Find blanks, colons, line feeds and control characters.

    Return the bytes of the text, the positions of the separators, the separators, and which of them
    are directly followed by another.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    mask = (data <= BLANK) | (data == COLON)
    separators = np.flatnonzero(mask)
    touching = np.flatnonzero(mask[1:] & mask[:-1])  # positions in the text, most often none
    return data, separators, data[separators], np.searchsorted(separators, touching)


def _end_lines(touching: _Ints, kinds: npt.NDArray[np.uint8]) -> bool:
    """Return whether those that touch the next one are blanks before a line feed."""
    return bool((kinds[touching] == BLANK).all() and (kinds[touching + 1] == FEED).all())


def _take_turns(kinds: npt.NDArray[np.uint8], sizes: _Ints, starts: _Ints) -> bool:
    """Return whether each line's separators are a blank, a colon, a blank, ..., a line feed."""
    longest = int(sizes.max())
    pattern = np.full(longest, BLANK, dtype=np.uint8)
    pattern[1::2] = COLON
    if (sizes == longest).all():
        pattern[-1] = FEED
        return bool((kinds.reshape(-1, longest) == pattern).all())
    within = np.arange(len(kinds)) - np.repeat(starts, sizes)
    expected = pattern[within]
    expected[starts + sizes - 1] = FEED
    return bool((kinds == expected).all())


def _indices(
    data: npt.NDArray[np.uint8], blanks: _Ints, colons: _Ints, counts: _Ints, lowest: int
) -> _Ints | None:
    """Return (value,) columns from 0; None if a key is no number, out of range or given twice."""
    digits = colons - blanks - 1
    longest = int(digits.max(initial=1))
    if longest > len(str(MAX_INDEX)) or digits.min(initial=1) < 1:
        return None
    numbers = np.zeros(len(colons), dtype=np.int64)
    for place in range(longest):
        has = digits > place
        digit = data[colons - 1 - place] - np.uint8(ord("0"))
        if (digit[has] > 9).any():
            return None
        numbers += np.where(has, digit, 0) * np.int64(10**place)
    if numbers.min(initial=1) < lowest or numbers.max(initial=1) > MAX_INDEX:
        return None
    ranks = np.repeat(np.arange(len(counts)), counts) * np.int64(MAX_INDEX + 1) + numbers
    if (np.diff(ranks) <= 0).any() and (np.diff(np.sort(ranks)) == 0).any():
        return None
    return numbers - lowest
