"""Any block of the format, line by line, with errors that say where and what."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .._builder import Rows, runs
from .._recognise import recognise_line
from ._blocks import Block
from ._comments import COMMENT, document_ids
from ._dialect import STRICT, Dialect
from ._spans import clipped

_NO_QUERIES = (
    "; a file without query ids needs one named .query, with the queries' sizes, beside it"
)
MAX_INDEX = 1_000_000  # a matrix of this width in float32 has 4 MB per document


def parse_lines(block: Block, dialect: Dialect = STRICT) -> Rows:
    """Parse lines with features in any order, absent ones, comments, blank lines.

    Raises:
        ValueError: A line is not of the form ``<label> qid:<id> <feature>:<value> ...``; the
            message begins with the file and the line.
    """
    lines: list[int] = []
    labels: list[bytes] = []
    query_ids: list[str] = []
    counts: list[int] = []
    numbers: list[int] = []
    values: list[bytes] = []
    ids: list[bytes | None] = []
    lowest = 0 if dialect.zero_based else 1
    known: dict[bytes, str] = {}  # query ids by their fields
    for line, text in enumerate(block.text.split(b"\n")[:-1], start=block.first_line):
        content, comment, _ = text.partition(b"#")
        fields = content.split()
        if not fields:
            continue
        ids.append(_document_id(text[len(content) :]) if comment else None)
        query = fields[1] if len(fields) > 1 else b""
        try:
            if query not in known:
                known[query] = _query_id(query)
            features = _features(fields[2:], lowest)
        except ValueError as error:
            begins = block.first_line == 1 and not lines
            other = recognise_line(text) if begins else None
            hint = "" if other is None else f"; {other.message}"
            raise ValueError(f"{block.path}:{line}: {error}{hint}") from error
        lines.append(line)
        labels.append(fields[0])
        query_ids.append(known[query])
        counts.append(len(features))
        numbers += features
        values += features.values()

    def where_value(at: int) -> str:
        row = int(np.searchsorted(np.cumsum(counts), at, side="right"))
        return f"{block.path}:{lines[row]}: the value of feature {numbers[at]}"

    names, starts = runs(query_ids)
    return Rows(
        labels=to_floats(
            labels, lambda row: f"{block.path}:{lines[row]}: the label", clip=dialect.clip
        ),
        query_ids=names,
        starts=starts,
        lines=np.array(lines, dtype=np.int64),
        counts=np.array(counts, dtype=np.int64),
        indices=np.array(numbers, dtype=np.int64) - lowest,
        values=to_floats(values, where_value, clip=dialect.clip),
        document_ids=document_ids(ids, len(lines)),
    )


def _document_id(comment: bytes) -> bytes | None:
    found = COMMENT.match(comment)
    return None if found is None else found[1]


def _query_id(field: bytes) -> str:
    """Parse the second field of a line, which is empty if the line has only one."""
    if not field.startswith(b"qid:"):
        found = repr(show(field)) if field else "the end of the line"
        number, colon, _ = field.partition(b":")
        hint = _NO_QUERIES if colon and number.isdigit() else ""
        raise ValueError(f"the second field must be qid:<id>, got {found}{hint}")
    try:
        query_id = field.removeprefix(b"qid:").decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"the query id must be UTF-8, got {field!r}") from error
    if not query_id:
        raise ValueError("the query id is empty")
    return query_id


def _features(fields: list[bytes], lowest: int) -> dict[int, bytes]:
    """Return the value of each feature number, in the order of the line."""
    found: dict[int, bytes] = {}
    for field in fields:
        key, colon, value = field.partition(b":")
        if not (colon and key.isdigit()):
            raise ValueError(f"expected <feature>:<value>, got {show(field)!r}")
        number = int(key) if len(key) < 20 else int(key.lstrip(b"0")[:20] or b"0")
        if number in found or not lowest <= number <= MAX_INDEX:
            raise ValueError(_wrong_number(number, key, lowest))
        found[number] = value
    return found


def _wrong_number(number: int, key: bytes, lowest: int) -> str:
    if number == 0 and lowest:
        return (
            "features are numbered from 1, got 0; `zero_based=True` reads a file that counts from 0"
        )
    if number > MAX_INDEX:
        return f"feature {show(key)} is above the largest, {MAX_INDEX}"
    return f"feature {number} is given twice"


def to_floats(
    tokens: list[bytes], where: Callable[[int], str], *, clip: bool = False
) -> npt.NDArray[np.float32]:
    """Parse numbers as the fast path does, so that both round alike."""
    numbers, bad = _numbers(tokens, clip)
    if bad is not None:
        beyond = not clip and _numbers([tokens[bad]], clip=True)[1] is None
        hint = "; `clip=True` reads it as the largest one" if beyond else ""
        raise ValueError(
            f"{where(bad)} must be a finite float32 number, got {show(tokens[bad])!r}{hint}"
        )
    return numbers


def _numbers(tokens: list[bytes], clip: bool) -> tuple[npt.NDArray[np.float32], int | None]:
    """Parse numbers; return them, and the position of the first bad one or None."""
    try:
        numbers = pa.array(tokens, pa.binary()).cast(pa.string()).cast(pa.float32()).to_numpy()
    except pa.ArrowInvalid:
        if len(tokens) == 1:
            return np.empty(0, dtype=np.float32), 0
        half = len(tokens) // 2
        left, bad = _numbers(tokens[:half], clip)
        if bad is not None:
            return left, bad
        right, bad = _numbers(tokens[half:], clip)
        return right, None if bad is None else bad + half
    if clip:
        numbers = clipped(numbers, tokens.__getitem__)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    return numbers, int(wrong[0]) if len(wrong) else None


def show(field: bytes) -> str:
    """Return a field for a message, shortened."""
    text = field.decode(errors="backslashreplace")
    return text if len(text) <= 40 else text[:40] + "…"
