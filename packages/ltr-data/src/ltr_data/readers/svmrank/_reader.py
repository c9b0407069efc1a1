"""Text to rows and tables."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from ..._ahead import map_ahead
from ..._checks import check_at_least
from ..._table import RankingTable
from .._builder import MemorySink, Rows, TableBuilder
from .._streams import Stream
from ._blocks import Block, read_blocks
from ._dialect import STRICT, Dialect, has_feature_0
from ._fast import parse_block
from ._tolerant import parse_lines


def read_svmrank(
    path: str | os.PathLike[str],
    *,
    num_features: int | None = None,
    threads: int | None = None,
    zero_based: bool | Literal["auto"] = False,
    clip: bool = False,
) -> RankingTable:
    r"""Read ranking data in the text format of SVMrank and LETOR.

    A line is ``<label> qid:<id> <feature>:<value> ... # comment``. Features are numbered from 1,
    may come in any order, and are 0 if absent. Blank lines, comments, tabs, CRLF and a missing
    final line feed are accepted; query ids are any text without blanks. The lines of a query must
    be consecutive. Values are rounded to float32 once, from the decimal text. If the comments of
    all lines begin with the document's id, as LETOR's ``#docid = GX001-01-0001``, it is kept.

    Args:
        path: The file, compressed if its name ends in ``.gz``, ``.zst``, ``.bz2`` or ``.xz``, or a
            member of a zip archive, as ``archive.zip/Fold1/train.txt``.
        num_features: Number of columns of the table, for a sparse file in which the last ones may
            not occur; by default the largest feature of the file.
        threads: Number of blocks that are parsed at the same time; by default one per processor,
            at most 8.
        zero_based: Whether the file counts features from 0, as scikit-learn's `dump_svmlight_file`
            does unless told otherwise: feature 0 of the file is number 1 of the table. "auto" reads
            the file twice, and takes it for one that counts from 0 if a feature 0 occurs.
        clip: Whether finite numbers beyond float32, such as Istella's 1.797e308, become float32's
            largest; an error by default.

    Returns:
        All documents with all columns.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There are no documents, or a line is wrong: the message has file and line.
            Wrong are: feature 0, a feature given twice or above `num_features`, a value or label
            that is no finite number, a query id that comes back after another.

    Examples:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "train.txt")
        ...     _ = path.write_text("2 qid:7 1:0.5 3:1e-2 # a\n0 qid:7 2:4\n1 qid:8\n")
        ...     table = read_svmrank(path)
        >>> table.features
        array([[0.5 , 0.  , 0.01], [0.  , 4.  , 0.  ], [0.  , 0.  , 0.  ]], dtype=float32)
        >>> table.query_ids, table.offsets
        (('7', '8'), array([0, 2, 3]))

    Note:
        Blocks of well-formed lines are parsed as a whole, with every feature number verified; any
        other block is parsed line by line.
    """
    check_at_least(1, num_features=num_features)
    path = Path(path)
    sink = MemorySink()
    builder = TableBuilder(path, sink, num_features)
    dialect = resolve(Dialect(zero_based, clip), [path])
    with Stream(path) as stream:
        for rows in parse_blocks(read_blocks(stream), threads, dialect):
            builder.append(rows)
    return builder.table(sink.matrix())


def resolve(dialect: Dialect, paths: Sequence[Path]) -> Dialect:
    """Return the dialect in which files are read, which are looked at for "auto"."""
    if dialect.zero_based != "auto":
        return dialect
    for path in paths:
        with Stream(path) as stream:
            if has_feature_0(stream):
                return replace(dialect, zero_based=True)
    return replace(dialect, zero_based=False)


def parse_blocks(
    blocks: Iterable[Block], threads: int | None = None, dialect: Dialect = STRICT
) -> Iterator[Rows]:
    """Parse blocks, several at a time, in their order."""
    threads = min(os.cpu_count() or 1, 8) if threads is None else threads
    check_at_least(1, threads=threads)
    ahead = threads if threads > 1 else 0
    yield from map_ahead(partial(parse, dialect=dialect), blocks, threads=threads, ahead=ahead)


def parse(block: Block, dialect: Dialect = STRICT) -> Rows:
    """Parse a block, by the fast path if possible."""
    rows = parse_block(block, dialect)
    return parse_lines(block, dialect) if rows is None else rows
