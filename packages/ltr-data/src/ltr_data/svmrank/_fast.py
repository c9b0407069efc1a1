"""Blocks parsed as a whole with NumPy and pyarrow: quick, and never more trusting than the text.

A line of two features is ``2 qid:11 1:0.5 2:3``. In every line a blank and a colon take turns, and
a line feed stands in the place of the last blank. Once that is verified for the separators of the
block, they say where each number begins and ends, and pyarrow casts all of them in one call, with
what lies between marked as null: the text is never copied.

Feature numbers are all verified: where each line has the features 1, 2, ..., F in this order, the
bytes before every colon are compared with what must stand there; elsewhere they are parsed, and a
feature given twice is found. A block that fails any check is left to the tolerant parser.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .._rows import Rows
from ._blocks import Block
from ._tolerant import MAX_INDEX

_COMMENT = re.compile(rb"[ \t]*#[^\n]*")
_TABS = bytes.maketrans(b"\t", b" ")
_BLANK, _COLON, _FEED, _ZERO = b" :\n0"
_HEAD = 3  # separators of a line without features: after the label, qid, the query id
_QID = np.frombuffer(b" qid", dtype="<u4")[0]
_WORD = 8  # bytes that are compared at once: a blank and up to 7 digits
_MAX_BYTES = 1 << 31  # pyarrow's offsets are int32

_Ints = npt.NDArray[np.int64]


def parse_block(block: Block) -> Rows | None:
    """Parse a block in which every line has a label, a query and well-formed features.

    Args:
        block: The lines.

    Returns:
        The rows, as `parse_lines` would give them, or None when the block is not of this form.
    """
    text = _one_form(block.text)
    if len(text) >= _MAX_BYTES:
        return None
    data, separators, kinds, touching = _separators(text)
    if len(touching) and not _end_lines(touching, kinds):
        text = _single_blanks(text)
        data, separators, kinds, touching = _separators(text)
        if not _end_lines(touching, kinds):
            return None
    if len(touching):
        # The blank takes the place of the line feed that follows it.
        kinds[touching] = _FEED
        separators, kinds = np.delete(separators, touching + 1), np.delete(kinds, touching + 1)
    ends = np.flatnonzero(kinds == _FEED)  # of lines, among the separators
    sizes = np.diff(ends, prepend=-1)
    starts = ends - sizes + 1
    if separators[0] == 0 or (sizes % 2 == 0).any() or sizes.min() < _HEAD:
        return None
    if not _take_turns(kinds, sizes, starts):
        return None
    heads = separators[starts], separators[starts + 1], separators[starts + 2]
    if (heads[1] - heads[0] != len(" qid")).any() or (heads[2] - heads[1] < 2).any():
        return None
    if (_words(text, len(" qid"))[heads[1] - len(" qid")] != _QID).any():
        return None
    begins = np.concatenate(([0], separators[ends[:-1]] + 1))
    if len(touching):  # after the blank comes the line feed
        begins[1:] += data[begins[1:]] == _FEED
    labels = _floats(text, np.stack((begins, heads[0]), axis=1))
    ids = zip((heads[1] + 1).tolist(), heads[2].tolist(), strict=True)
    try:
        query_ids = [text[start:stop].decode() for start, stop in ids]
    except UnicodeDecodeError:
        return None
    lines = np.arange(block.first_line, block.first_line + len(ends))

    same = sizes[0] > _HEAD and (sizes == sizes[0]).all()
    features = separators.reshape(len(ends), -1)[:, _HEAD - 1 :] if same else None
    if features is not None and _keys_count_up(text, features[:, 1::2]):
        spans = features[:, 1:].astype(np.int32)
        spans[:, ::2] += 1
        values = _floats(text, spans)
        counts = indices = None
        shape: tuple[int, ...] = (len(ends), spans.shape[1] // 2)
    else:
        colons = kinds == _COLON
        colons[starts + 1] = False  # those of the query ids
        at = np.flatnonzero(colons)
        counts = (sizes - _HEAD) // 2
        indices = _indices(data, separators[at - 1], separators[at], counts)
        if indices is None:
            return None
        values = _floats(text, np.stack((separators[at] + 1, separators[at + 1]), axis=1))
        shape = (-1,)
    if labels is None or values is None:
        return None
    return Rows(labels, query_ids, lines, counts, indices, values.reshape(shape))


def _one_form(text: bytes) -> bytes:
    """The lines without comments, carriage returns and tabs."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if b"#" in text:
        text = _COMMENT.sub(b"", text)
    return text.translate(_TABS) if b"\t" in text else text


def _single_blanks(text: bytes) -> bytes:
    """The lines with one blank between fields."""
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def _separators(
    text: bytes,
) -> tuple[npt.NDArray[np.uint8], _Ints, npt.NDArray[np.uint8], _Ints]:
    """Blanks, colons, line feeds, control characters.

    Returns:
        The bytes of the text; the positions of the separators in it; what they are; and which of
        them are followed by another at once.
    """
    data = np.frombuffer(text, dtype=np.uint8)
    mask = (data <= _BLANK) | (data == _COLON)
    separators = np.flatnonzero(mask)
    touching = np.flatnonzero(mask[1:] & mask[:-1])  # positions in the text, most often none
    return data, separators, data[separators], np.searchsorted(separators, touching)


def _end_lines(touching: _Ints, kinds: npt.NDArray[np.uint8]) -> bool:
    """Whether those that touch the next one are blanks before a line feed."""
    return bool((kinds[touching] == _BLANK).all() and (kinds[touching + 1] == _FEED).all())


def _take_turns(kinds: npt.NDArray[np.uint8], sizes: _Ints, starts: _Ints) -> bool:
    """Whether each line's separators are a blank, a colon, a blank, ..., and the line feed."""
    longest = int(sizes.max())
    pattern = np.full(longest, _BLANK, dtype=np.uint8)
    pattern[1::2] = _COLON
    if (sizes == longest).all():
        pattern[-1] = _FEED
        return bool((kinds.reshape(-1, longest) == pattern).all())
    within = np.arange(len(kinds)) - np.repeat(starts, sizes)
    expected = pattern[within]
    expected[starts + sizes - 1] = _FEED
    return bool((kinds == expected).all())


def _words(text: bytes, size: int) -> npt.NDArray[np.unsignedinteger]:
    """(len(text) − size + 1,) the `size` bytes from each position on, as one number."""
    count = max(len(text) - size + 1, 0)
    return np.ndarray((count,), dtype=f"<u{size}", buffer=text, strides=(1,))


def _keys_count_up(text: bytes, colons: _Ints) -> bool:
    """Whether the keys before the (row, feature) colons are 1, 2, ... in every row."""
    keys = [f" {j}".encode() for j in range(1, colons.shape[1] + 1)]
    if len(keys[-1]) > _WORD:
        return False
    expected = np.frombuffer(b"".join(key.rjust(_WORD, b"\0") for key in keys), "<u8")
    masks = b"".join((b"\xff" * len(key)).rjust(_WORD, b"\0") for key in keys)
    found = _words(text, _WORD)[colons - _WORD]
    found &= np.frombuffer(masks, "<u8")
    return bool((found == expected).all())


def _indices(data: npt.NDArray[np.uint8], blanks: _Ints, colons: _Ints, counts: _Ints) -> Any:
    """(value,) columns from 0; None for a key that is no number or out of range, or given twice."""
    digits = colons - blanks - 1
    longest = int(digits.max(initial=1))
    if longest > len(str(MAX_INDEX)) or digits.min(initial=1) < 1:
        return None
    numbers = np.zeros(len(colons), dtype=np.int64)
    for place in range(longest):
        has = digits > place
        digit = data[colons - 1 - place] - np.uint8(_ZERO)
        if (digit[has] > 9).any():
            return None
        numbers += np.where(has, digit, 0) * np.int64(10**place)
    if numbers.min(initial=1) < 1 or numbers.max(initial=1) > MAX_INDEX:
        return None
    ranks = np.repeat(np.arange(len(counts)), counts) * np.int64(MAX_INDEX + 1) + numbers
    if (np.diff(ranks) <= 0).any() and (np.diff(np.sort(ranks)) == 0).any():
        return None
    return numbers - 1


def _floats(text: bytes, spans: npt.NDArray[np.integer]) -> npt.NDArray[np.float32] | None:
    """Parse the numbers from text[spans[0]] up to text[spans[1]] and so on, rounded once.

    Args:
        text: Holds the numbers.
        spans: Start and end of each number, ascending, of any shape.

    Returns:
        (number,) float32, or None where one is no finite number.
    """
    count = spans.size // 2
    if not count:
        return np.zeros(0, dtype=np.float32)
    offsets = np.empty(2 * count + 1, dtype=np.int32)
    offsets[:-1] = spans.ravel()
    offsets[-1] = offsets[-2]
    # Every second element is what lies between two numbers: null, and so never looked at.
    valid = np.full((2 * count + 7) // 8, 0b01010101, dtype=np.uint8)
    strings = pa.StringArray.from_buffers(
        2 * count, pa.py_buffer(offsets), pa.py_buffer(text), pa.py_buffer(valid)
    )
    try:
        parsed = strings.cast(pa.float32())
    except pa.ArrowInvalid:
        return None
    numbers = np.frombuffer(parsed.buffers()[1], dtype=np.float32)[: 2 * count : 2].copy()
    return numbers if np.isfinite(numbers).all() else None
