"""Any block of the format, line by line, with errors that say where and what."""

import re
from typing import NoReturn

import numpy as np
import pyarrow as pa

from .._rows import Rows, runs
from ._blocks import Block

_FEATURE = re.compile(rb"\d+:")
_NO_QUERIES = (
    "; a file without query ids needs one named .query, with the queries' sizes, beside it"
)
MAX_INDEX = 1_000_000  # a matrix of this width in float32 has 4 MB per document


def parse_lines(block: Block) -> Rows:
    """Parse lines with features in any order, absent ones, comments, blank lines.

    Args:
        block: The lines.

    Returns:
        The rows; none when there are only blank lines and comments.

    Raises:
        ValueError: A line is not of the form ``<label> qid:<id> <feature>:<value> ...``; the
            message begins with the file and the line.
    """
    labels: list[bytes] = []
    query_ids: list[str] = []
    lines: list[int] = []
    counts: list[int] = []
    indices: list[int] = []
    values: list[bytes] = []
    ids: dict[bytes, str] = {}
    for number, text in enumerate(block.text.split(b"\n")[:-1], start=block.first_line):
        fields = text.partition(b"#")[0].split()
        if not fields:
            continue
        if len(fields) < 2 or not fields[1].startswith(b"qid:"):
            found = repr(_show(fields[1])) if len(fields) > 1 else "the end of the line"
            hint = _NO_QUERIES if len(fields) > 1 and _FEATURE.match(fields[1]) else ""
            _fail(block, number, f"the second field must be qid:<id>, got {found}{hint}")
        if fields[1] not in ids:
            ids[fields[1]] = _query_id(block, number, fields[1])
        seen = set()
        for field in fields[2:]:
            key, colon, value = field.partition(b":")
            if not (colon and key.isdigit()):
                _fail(block, number, f"expected <feature>:<value>, got {_show(field)!r}")
            index = int(key) if len(key.lstrip(b"0")) < 20 else MAX_INDEX + 1
            if index == 0:
                _fail(
                    block,
                    number,
                    "features are numbered from 1, got 0; a file that counts from 0 must be "
                    "renumbered, or its columns get other files' names",
                )
            if index > MAX_INDEX:
                _fail(block, number, f"feature {_show(key)} is above the largest, {MAX_INDEX}")
            if index in seen:
                _fail(block, number, f"feature {index} is given twice")
            seen.add(index)
            indices.append(index - 1)
            values.append(value)
        labels.append(fields[0])
        query_ids.append(ids[fields[1]])
        lines.append(number)
        counts.append(len(fields) - 2)

    def where_label(row: int) -> tuple[int, str]:
        return lines[row], "the label"

    def where_value(at: int) -> tuple[int, str]:
        row = int(np.searchsorted(np.cumsum(counts), at, side="right"))
        return lines[row], f"the value of feature {indices[at] + 1}"

    parsed = []
    for tokens, where in ((labels, where_label), (values, where_value)):
        numbers, bad = _numbers(tokens)
        if bad is not None:
            number, what = where(bad)
            _fail(
                block, number, f"{what} must be a finite float32 number, got {_show(tokens[bad])!r}"
            )
        parsed.append(numbers)
    names, starts = runs(query_ids)
    return Rows(
        labels=parsed[0],
        query_ids=names,
        starts=starts,
        lines=np.array(lines, dtype=np.int64),
        counts=np.array(counts, dtype=np.int64),
        indices=np.array(indices, dtype=np.int64),
        values=parsed[1],
    )


def _numbers(
    tokens: list[bytes],
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float32]], int | None]:
    """Parse as the fast way does, so that both round alike; also the first bad token's position."""
    try:
        numbers = pa.array(tokens, pa.binary()).cast(pa.string()).cast(pa.float32()).to_numpy()
    except pa.ArrowInvalid:
        if len(tokens) == 1:
            return np.empty(0, dtype=np.float32), 0
        half = len(tokens) // 2
        left, bad = _numbers(tokens[:half])
        if bad is not None:
            return left, bad
        right, bad = _numbers(tokens[half:])
        return right, None if bad is None else bad + half
    wrong = np.flatnonzero(~np.isfinite(numbers))
    return numbers, int(wrong[0]) if len(wrong) else None


def _query_id(block: Block, number: int, field: bytes) -> str:
    try:
        query_id = field[len(b"qid:") :].decode()
    except UnicodeDecodeError:
        _fail(block, number, f"the query id must be UTF-8, got {field!r}")
    if not query_id:
        _fail(block, number, "the query id is empty")
    return query_id


def _show(field: bytes) -> str:
    text = field.decode(errors="backslashreplace")
    return text if len(text) <= 40 else text[:40] + "…"


def _fail(block: Block, number: int, message: str) -> NoReturn:
    raise ValueError(f"{block.path}:{number}: {message}")
