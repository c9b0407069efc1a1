"""LightGBM's and XGBoost's text: files beside it hold the queries' sizes, and weights."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ._builder import Rows
from ._streams import COMPRESSED, Stream
from .svmrank._blocks import Block, read_blocks
from .svmrank._dialect import STRICT, Dialect
from .svmrank._reader import parse_blocks
from .svmrank._tolerant import show, to_floats

_MAX_DIGITS = 19  # of a size; more are no int64


def find_query_file(path: Path) -> Path | None:
    """Return the file with the sizes of the queries beside a file, or None without one.

    It is called ``NAME.query`` for LightGBM and ``NAME.group`` for XGBoost, whether the file is
    called NAME or NAME.gz and the like.

    Examples:
        >>> find_query_file(Path("nowhere.txt")) is None
        True
    """
    query, group = _beside(path, ".query"), _beside(path, ".group")
    if query and group and query.read_bytes() != group.read_bytes():
        raise ValueError(
            f"{path}: expected one file with the sizes of its queries, got {query.name} and "
            f"{group.name}, which differ"
        )
    return query or group


def find_weight_file(path: Path) -> Path | None:
    """Return ``NAME.weight`` beside a file, or None without one."""
    return _beside(path, ".weight")


def _beside(path: Path, suffix: str) -> Path | None:
    for compressed in ("", *COMPRESSED):
        file = path.with_name(path.name.removesuffix(compressed) + suffix)
        if file.is_file():
            return file
    return None


def read_query_sizes(path: Path) -> list[int]:
    """Read the number of documents of each query, one per line."""
    sizes = []
    for number, field in _fields(path):
        if not field.isdigit() or len(field) >= _MAX_DIGITS or int(field) < 1:
            raise ValueError(f"{path}:{number}: expected the size of a query, got {show(field)!r}")
        sizes.append(int(field))
    return sizes


def read_weights(path: Path) -> npt.NDArray[np.float32]:
    """Read (line,) weights, one per line."""
    found = list(_fields(path))
    lines = [number for number, _ in found]
    weights = to_floats([field for _, field in found], lambda i: f"{path}:{lines[i]}: the weight")
    negative = np.flatnonzero(weights < 0)
    if len(negative):
        at = int(negative[0])
        raise ValueError(f"{path}:{lines[at]}: a weight must not be negative, got {weights[at]}")
    return weights


def _fields(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the content of each line that is not blank."""
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if field := line.strip():
            yield number, field


def spread(
    weights: npt.NDArray[np.float32], sizes: list[int], path: Path
) -> npt.NDArray[np.float32]:
    """Return a weight per document, of LightGBM's, which are that, or XGBoost's, one per query."""
    if len(weights) == sum(sizes):
        return weights
    if len(weights) == len(sizes):
        return np.repeat(weights, sizes)
    raise ValueError(
        f"{path}: expected {sum(sizes)} weights, one per document, or {len(sizes)}, one per query, "
        f"got {len(weights)}"
    )


def weigh(rows: Iterable[Rows], weights: npt.NDArray[np.float32], path: Path) -> Iterator[Rows]:
    """Yield rows with their weights."""
    start = 0
    for some in rows:
        end = start + len(some)
        if end <= len(weights):
            yield replace(some, weights=weights[start:end])
        start = end
    if start != len(weights):
        raise ValueError(f"{path}: expected {start} weights, one per document, got {len(weights)}")


def parse_lightgbm(
    stream: Stream,
    query_file: Path,
    sizes: list[int],
    threads: int | None = None,
    queries_before: int = 0,
    dialect: Dialect = STRICT,
) -> Iterator[Rows]:
    """Yield the rows of a file; its queries are numbered from ``queries_before + 1``."""
    blocks = _with_query_ids(stream, query_file, sizes, queries_before)
    yield from parse_blocks(blocks, threads, dialect)


def _with_query_ids(
    stream: Stream, query_file: Path, sizes: list[int], queries_before: int
) -> Iterator[Block]:
    """Insert the query's number into each line, as SVMrank has it."""
    query, left, documents = 0, 0, 0
    for block in read_blocks(stream):
        lines = block.text.split(b"\n")
        for i, line in enumerate(lines):
            text, sign, comment = line.partition(b"#")
            content = text.split(None, 2)
            if not content:
                continue
            where = f"{block.path}:{block.first_line + i}"
            if len(content) > 1 and content[1].startswith(b"qid:"):
                raise ValueError(
                    f"{where}: expected no query ids, since {query_file} has the sizes of the "
                    f"queries, got {content[1].decode(errors='backslashreplace')!r}"
                )
            while left == 0:
                if query == len(sizes):
                    raise ValueError(
                        f"{where}: {query_file} has the sizes of {query} queries with "
                        f"{documents} documents together, here is one more"
                    )
                left = sizes[query]
                query += 1
            left -= 1
            documents += 1
            query_id = b"qid:%d" % (queries_before + query)
            lines[i] = b" ".join((content[0], query_id, *content[1:])) + sign + comment
        yield replace(block, text=b"\n".join(lines))
    if left or query < len(sizes):
        raise ValueError(
            f"{query_file}: the sizes must add up to the documents, "
            f"got {sum(sizes)} and {documents} in {stream.path}"
        )
