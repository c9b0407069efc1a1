"""Numbers and names between the separators of a text, without copying the text."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Positions = npt.NDArray[np.int32]

MAX_BYTES = 1 << 31  # positions are int32, as pyarrow's
BLANK, COLON, FEED = b" :\n"
QID = b" qid"
_LARGEST = np.finfo(np.float32).max


def floats(text: bytes, spans: Positions, *, clip: bool = False) -> npt.NDArray[np.float32] | None:
    """Parse the numbers text[begin:end] of (..., 2) ascending, C-contiguous spans, rounded once.

    Returns:
        (...,) float32, a view of twice the memory; None if one is no finite number, which with
        `clip` one beyond float32 is.
    """
    shape = spans.shape[:-1]
    if not spans.size:
        return np.zeros(shape, dtype=np.float32)
    # Every second element is what lies between two numbers: null, and so never looked at.
    count = spans.size - 1
    valid = np.full((count + 7) // 8, 0b01010101, dtype=np.uint8)
    strings = pa.StringArray.from_buffers(
        count, pa.py_buffer(spans), pa.py_buffer(text), pa.py_buffer(valid)
    )
    try:
        parsed = strings.cast(pa.float32())
    except pa.ArrowInvalid:
        return None
    numbers = np.frombuffer(parsed.buffers()[1], dtype=np.float32)[:count:2].reshape(shape)
    if clip and not np.isfinite(numbers).all():
        ends = spans.reshape(-1, 2)
        numbers = clipped(numbers, lambda i: text[slice(*ends[i].tolist())])
    return numbers if np.isfinite(numbers).all() else None


def clipped(
    numbers: npt.NDArray[np.float32], token: Callable[[int], bytes]
) -> npt.NDArray[np.float32]:
    """Return numbers in which those beyond float32 are its largest; a written infinity stays.

    `token(i)` is the text of the number at place i.
    """
    result = numbers.copy()
    for i in np.flatnonzero(np.isinf(result)).tolist():
        if token(i).lstrip(b"+-")[:1] in b".0123456789":
            result.flat[i] = np.copysign(_LARGEST, result.flat[i])
    return result


def query_runs(
    text: bytes, begins: npt.NDArray[np.integer], ends: npt.NDArray[np.integer]
) -> tuple[list[str], npt.NDArray[np.int64]] | None:
    """Return the name text[begin:end] of each run of rows that share one, and its first row.

    None if a name is empty, has blanks or control characters, or is not UTF-8.
    """
    names: list[str] = []
    starts: list[int] = []
    last = b""
    for row, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        raw = text[begin:end]
        if raw != last or not row:
            if min(raw, default=0) <= BLANK:
                return None
            try:
                names.append(raw.decode())
            except UnicodeDecodeError:
                return None
            starts.append(row)
            last = raw
    return names, np.array(starts, dtype=np.int64)
