"""Numbers and names between the separators of a text, without copying the text."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Positions = npt.NDArray[np.int32]

MAX_BYTES = 1 << 31  # positions are int32, as pyarrow's
BLANK, COLON, FEED = b" :\n"
QID = b" qid"


def floats(text: bytes, spans: Positions) -> npt.NDArray[np.float32] | None:
    """Parse the numbers text[begin:end] of (..., 2) ascending, C-contiguous spans, rounded once.

    Returns:
        (...,) float32, a view of twice the memory; None if one is no finite number.
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
    return numbers if np.isfinite(numbers).all() else None


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
