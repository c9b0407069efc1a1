"""From files to a table or a data set in one call."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from ._checks import check_at_least
from ._dataset import RELEVANCE, RankingDataset
from ._progress import Progress
from ._table import RankingTable
from .labels._spec import LabelSpec
from .mapped._cache_file import map_table
from .mapped._convert import cache_path, convert, describe_options, is_fresh
from .readers._builder import MemorySink, TableBuilder, take_segments
from .readers._paths import SUFFIX, Sources, expand
from .readers._source import NAMED, fill, kind
from .readers._tabular import Columns
from .readers.svmrank._dialect import Dialect


def read(
    path: Sources,
    *,
    columns: Columns | None = None,
    num_features: int | None = None,
    threads: int | None = None,
    regroup: bool = False,
    zero_based: bool | Literal["auto"] = False,
    clip: bool = False,
) -> RankingTable:
    r"""Read a ranking file of any format, or several, into memory.

    The name determines the format: tables with named columns (``.csv``, ``.tsv``, ``.parquet``),
    else SVMrank text (see `read_svmrank`), or LightGBM's, which has no query ids but a file of the
    same name and ``.query`` (for XGBoost ``.group``) with the sizes of the queries. A file
    ``.weight`` beside text has a weight per document, or per query of that file. Text may be
    compressed (``.gz``, ``.zst``, ``.bz2``, ``.xz``) or a member of a zip archive.

    Args:
        path: The file, a pattern (``"part-*.txt"``, sorted by name) or a list of files, which are
            read in sequence. A query is in one file only.
        columns: Which column is what, in a table with named columns; `Columns` has the defaults.
        num_features: Number of columns, for sparse text in which the last ones may not occur.
        threads: Number of blocks that are parsed at the same time.
        regroup: Whether a query that comes back, in the same or another file, is no error: its
            documents are joined, in their order, at the place of the first.
        zero_based: Whether text counts features from 0; see `read_svmrank`.
        clip: Whether finite numbers beyond float32 become its largest; an error by default.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: There are no documents, or something in the file is wrong: the message has file
            and line.

    Examples:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "rank.train")
        ...     _ = path.write_text("2 1:0.5\n0 1:0.1\n1 1:0.3\n")
        ...     _ = pathlib.Path(folder, "rank.train.query").write_text("2\n1\n")
        ...     table = read(path)
        >>> table.query_ids, table.lengths
        (('1', '2'), array([2, 1]))
    """
    check_at_least(1, num_features=num_features)
    paths = expand(path)
    sink = MemorySink()
    builder = TableBuilder(paths[0], sink, num_features, regroup=regroup)
    dialect = Dialect(zero_based, clip)
    about = fill(builder, paths, columns=columns, threads=threads, dialect=dialect)
    features, segments = sink.matrix(), builder.segments()
    if segments is not None:
        features = take_segments(features, segments)
    return builder.table(features, about)


def open(  # noqa: A001 - ltr_data.open is to ranking files what open is to files
    path: Sources,
    labels: Sequence[LabelSpec] = (RELEVANCE,),
    inputs: Collection[int | str] | None = None,
    *,
    cache: bool | str | os.PathLike[str] = True,
    columns: Columns | None = None,
    num_features: int | None = None,
    threads: int | None = None,
    regroup: bool = False,
    zero_based: bool | Literal["auto"] = False,
    clip: bool = False,
    progress: Progress | None = None,
) -> RankingDataset:
    r"""Open a ranking file, or several as one data set, and choose labels and inputs.

    The first call converts the file (see `convert`); every later call maps the result into memory,
    which takes milliseconds for any size.

    Args:
        path: A file in a format of `read`, a pattern such as ``"part-*.txt"``, or a list of files;
            or a file that `convert` has written.
        labels: One specification per task; see `RankingDataset.from_table`.
        inputs: Numbers or names of the features to rank by; by default all but those of the labels.
        cache: True for a converted file beside `path`; a folder for one there, unless there is one
            beside `path` that is up to date; False to read into memory and write nothing.
        columns: Which column is what, in a table with named columns; see `read`.
        num_features: Number of columns of the file; see `read`.
        threads: Number of blocks that are parsed at the same time.
        regroup: Whether a query that comes back is no error; see `read`.
        zero_based: Whether text counts features from 0; see `read_svmrank`.
        clip: Whether finite numbers beyond float32 become its largest; an error by default.
        progress: Called during the conversion; see `convert`.

    Raises:
        FileNotFoundError: There is no such file.
        PermissionError: The folder of the cache cannot be written to.
        TypeError: `path`, `labels` or `cache` has a wrong type.
        ValueError: A line is wrong, or labels and inputs do not fit the columns.

    Examples:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "train.txt")
        ...     _ = path.write_text("2 qid:7 1:0.5 2:3\n0 qid:7 1:0.1 2:0\n")
        ...     dataset = open(path, labels=[LabelSpec("relevance"), LabelSpec("click", source=2)])
        ...     sorted(path.name for path in pathlib.Path(folder).iterdir())
        ['train.txt', 'train.txt.safetensors']
        >>> dataset.tasks, dataset.feature_ids, dataset.labels.tolist()
        (('relevance', 'click'), (1,), [[2.0, 0.0], [3.0, 0.0]])
    """
    table = open_table(
        path,
        cache=cache,
        columns=columns,
        num_features=num_features,
        threads=threads,
        regroup=regroup,
        zero_based=zero_based,
        clip=clip,
        progress=progress,
    )
    return RankingDataset.from_table(table, labels, inputs)


def open_table(
    path: Sources,
    *,
    cache: bool | str | os.PathLike[str] = True,
    columns: Columns | None = None,
    num_features: int | None = None,
    threads: int | None = None,
    regroup: bool = False,
    zero_based: bool | Literal["auto"] = False,
    clip: bool = False,
    progress: Progress | None = None,
) -> RankingTable:
    r"""Open a ranking file, or several as one table, with all its columns.

    The arguments and errors are those of `open`, which chooses labels and inputs among the columns.

    Examples:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "stays.csv")
        ...     _ = path.write_text("list,label,price,beds\n7,1,80,2\n7,0,95,1\n")
        ...     table = open_table(path, columns=Columns(query="list"))
        >>> table.names, table.column("price")
        (('price', 'beds'), MappedArray([80., 95.], dtype=float32))
    """
    if not isinstance(cache, (bool, str, os.PathLike)):
        raise TypeError(f"`cache` must be True, False or a folder, got {cache!r}")
    paths = expand(path, None if isinstance(cache, bool) else cache, progress)
    if len(paths) == 1 and paths[0].suffix == SUFFIX:
        return map_table(paths[0])
    if cache is False:
        return read(
            paths,
            columns=columns,
            num_features=num_features,
            threads=threads,
            regroup=regroup,
            zero_based=zero_based,
            clip=clip,
        )
    target = cache_path(paths)
    options = describe_options(paths, columns, num_features, regroup, Dialect(zero_based, clip))
    if cache is not True and not is_fresh(target, paths, options):
        target = cache_path(paths, cache)
    convert(
        paths,
        target,
        columns=columns,
        num_features=num_features,
        threads=threads,
        regroup=regroup,
        zero_based=zero_based,
        clip=clip,
        progress=progress,
    )
    return map_table(target)


def has_named_columns(path: Sources) -> bool:
    """Return whether files, or the parts in a folder, have named columns, by their own names.

    Examples:
        >>> has_named_columns("stays.csv.gz"), has_named_columns("train.txt")
        (True, False)
    """
    first = path if isinstance(path, (str, os.PathLike)) else path[0]
    if Path(first).is_dir():
        first = expand(first)[0]
    return kind(Path(first)) in NAMED
