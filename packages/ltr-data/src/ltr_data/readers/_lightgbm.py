"""LightGBM's text: SVMrank without query ids, but with a file of the queries' sizes beside it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ._builder import Rows
from ._streams import COMPRESSED, Stream
from .svmrank._blocks import Block, read_blocks
from .svmrank._reader import parse_blocks


def find_query_file(path: Path) -> Path | None:
    """Return ``NAME.query`` beside a file NAME, NAME.gz and the like, or None without one.

    Examples:
        >>> find_query_file(Path("nowhere.txt")) is None
        True
    """
    name = path.name
    for suffix in ("", *COMPRESSED):
        query_file = path.with_name(name.removesuffix(suffix) + ".query")
        if query_file.is_file():
            return query_file
    return None


def read_query_sizes(path: Path) -> list[int]:
    """Read the number of documents of each query, one per line."""
    sizes = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip()
        if not text:
            continue
        if not (text.isascii() and text.isdigit()) or int(text) < 1:
            raise ValueError(f"{path}:{number}: expected the size of a query, got {text!r}")
        sizes.append(int(text))
    return sizes


def parse_lightgbm(
    stream: Stream,
    query_file: Path,
    sizes: list[int],
    threads: int | None = None,
    queries_before: int = 0,
) -> Iterator[Rows]:
    """Yield the rows of a file; its queries are numbered from ``queries_before + 1``."""
    yield from parse_blocks(_with_query_ids(stream, query_file, sizes, queries_before), threads)


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
