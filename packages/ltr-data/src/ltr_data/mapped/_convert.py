"""Ranking files to files that are mapped into memory."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from itertools import repeat
from pathlib import Path
from threading import Event
from typing import Any, Literal

import numpy as np

from .._checks import check_at_least
from .._progress import Progress
from ..files import atomic_write, remove_leftovers
from ..readers._builder import TableBuilder
from ..readers._lightgbm import find_query_file, find_weight_file
from ..readers._paths import SUFFIX, Files, Sources, expand, holders
from ..readers._source import fill, kind
from ..readers._tabular import Columns
from ..readers.svmrank._dialect import STRICT, Dialect
from ._cache_file import CacheFile, read_manifest

_VERSION = 4  # of the readers' results; a higher one makes all converted files out of date
_HASH_BYTES = 1 << 20


def convert(
    source: Sources,
    target: str | os.PathLike[str] | None = None,
    *,
    columns: Columns | None = None,
    num_features: int | None = None,
    threads: int | None = None,
    regroup: bool = False,
    zero_based: bool | Literal["auto"] = False,
    clip: bool = False,
    progress: Progress | None = None,
    force: bool = False,
) -> Path:
    r"""Convert a ranking file, or several, to one that `open` maps into memory.

    A target that is up to date is left as it is: one that this version made with the same options
    from files of the same size and time of change or, if the time differs, the same SHA-256.

    The source is read as a stream, in bounded memory. The target appears only when complete; a kill
    leaves the old one or none, and the next conversion removes the remains. Several processes may
    convert the same file at the same time.

    Args:
        source: A file in a format of `read`, a pattern, or a list of files.
        target: The file to write; by default beside the (first) source, and named after it.
        columns: Which column is what, in a table with named columns; see `read`.
        num_features: Number of columns; see `read`.
        threads: Number of blocks that are parsed at the same time.
        regroup: Whether a query that comes back is no error; see `read`.
        zero_based: Whether text counts features from 0; see `read_svmrank`.
        clip: Whether finite numbers beyond float32 become its largest; an error by default.
        progress: Called now and then with the bytes read and the bytes of all files, such as
            `ProgressPrinter`.
        force: Whether to convert even if the target is up to date.

    Returns:
        The target: arrays in the layout of safetensors (features, labels, offsets).

    Raises:
        FileNotFoundError: There is no such file.
        PermissionError: The folder of the target cannot be written to.
        RuntimeError: The source changed while it was read.
        ValueError: Something in the file is wrong: the message has file and line.

    Examples:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "train.txt")
        ...     _ = path.write_text("2 qid:7 1:0.5 2:3\n0 qid:7 1:0.1 2:0\n")
        ...     convert(path).name
        'train.txt.safetensors'
    """
    check_at_least(1, num_features=num_features)
    paths = expand(source, progress=progress)
    target = cache_path(paths) if target is None else Path(target)
    dialect = Dialect(zero_based, clip)
    options = describe_options(paths, columns, num_features, regroup, dialect)
    if not force and is_fresh(target, paths, options):
        return target
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(
            f"`target` must lie in a folder that can be written to, got {target}; give another "
            "folder for the cache, or none"
        )
    remove_leftovers(target)
    files = holders(paths)
    before = [file.stat() for file in files]
    total = sum(about.st_size for about in before)
    stop = Event()
    with atomic_write(target) as handle, ThreadPoolExecutor(1) as executor:
        checksums = executor.map(_sha256, files, repeat(stop))
        try:
            cache = CacheFile(handle)
            builder = TableBuilder(paths[0], cache, num_features, regroup=regroup)
            about = fill(
                builder,
                paths,
                columns=columns,
                threads=threads,
                dialect=dialect,
                progress=lambda done: (
                    None
                    if progress is None
                    else progress(paths.copied + done, paths.copied + total)
                ),
            )
        except BaseException:
            stop.set()
            raise
        no_features = np.broadcast_to(np.float32(0), (builder.num_rows, builder.width))
        table = builder.table(no_features, about)
        sources = [_unchanged(*one) for one in zip(paths, files, before, checksums, strict=True)]
        manifest = {"sources": sources, "options": options}
        cache.finish(builder.width, table, manifest, builder.segments())
    return target


def convert_all(
    sources: Sources,
    folder: str | os.PathLike[str] | None = None,
    *,
    columns: Columns | None = None,
    num_features: int | None = None,
    workers: int | None = None,
) -> list[Path]:
    """Convert several files, each to one of its own, some at the same time; see `convert`.

    Args:
        sources: Files, or a pattern such as ``"MSLR-WEB30K/Fold*/*.txt"``.
        folder: Where the targets go; by default each beside its source.
        columns: Which column is what, in all tables with named columns.
        num_features: Number of columns of all of them.
        workers: How many at the same time; by default one per processor, at most 4.

    Returns:
        The targets, in the order of the sources (sorted, for a pattern).
    """
    paths = expand(sources, folder)
    workers = min(os.cpu_count() or 1, 4) if workers is None else workers
    one = partial(convert, columns=columns, num_features=num_features)
    targets = [cache_path(path, folder) for path in paths]
    with ThreadPoolExecutor(workers) as executor:
        return list(executor.map(one, paths.each(), targets))


def cache_path(
    sources: Path | Sequence[Path], folder: str | os.PathLike[str] | None = None
) -> Path:
    """Return the target's path: beside the (first) source, or in a folder for many data sets."""
    paths = [sources] if isinstance(sources, Path) else sources
    source, file = paths[0], holders(paths)[0]
    inside = source.relative_to(file).parts if file != source else ()
    name = ".".join((file.name, *inside))
    # Files of the same name, such as the folds' train.txt, share the folder.
    resolved = b"\0".join(os.fsencode(path.resolve()) for path in paths)
    digest = hashlib.sha256(resolved).hexdigest()[:8]
    if len(paths) > 1:
        name = f"{name}+{len(paths) - 1}.{digest}"
    if folder is None:
        return file.with_name(name + SUFFIX)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            f"converted files need a folder, {error.filename} is a file or lies below one"
        ) from error
    return Path(folder) / f"{digest}.{name}{SUFFIX}"


def describe_options(
    paths: Files,
    columns: Columns | None,
    num_features: int | None,
    regroup: bool,
    dialect: Dialect = STRICT,
) -> dict[str, Any]:
    """Return what determines the table besides the sources, for JSON."""
    beside = [find(path) for path in paths for find in (find_query_file, find_weight_file)]
    return {
        "version": _VERSION,
        "kinds": [kind(path) for path in paths],
        "columns": None if columns is None else json.loads(json.dumps(asdict(columns))),
        "num_features": num_features,
        "regroup": regroup,
        "dialect": asdict(dialect),
        "beside_sha256": [None if file is None else _sha256(file) for file in beside],
        "partitions": [dict(partition) for partition in paths.partitions],
    }


def is_fresh(target: Path, paths: Sequence[Path], options: dict[str, Any]) -> bool:
    """Return whether a converted file is up to date; see `convert`."""
    manifest = read_manifest(target) or {}
    if manifest.get("options") != options:
        return False
    sources, files = manifest.get("sources", []), holders(paths)
    return len(sources) == len(files) and all(map(_is_same, sources, files))


def _unchanged(path: Path, file: Path, was: os.stat_result, checksum: str) -> dict[str, Any]:
    now = file.stat()
    if (was.st_size, was.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
        raise RuntimeError(f"{file}: the file changed while it was read; convert it again")
    state = {"name": path.name, "size": was.st_size, "mtime_ns": was.st_mtime_ns}
    return {**state, "sha256": checksum}


def _is_same(about: dict[str, Any], file: Path) -> bool:
    found = file.stat()
    if about["size"] != found.st_size:
        return False
    return bool(about["mtime_ns"] == found.st_mtime_ns or about["sha256"] == _sha256(file))


def _sha256(path: Path, stop: Event | None = None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while (chunk := file.read(_HASH_BYTES)) and not (stop and stop.is_set()):
            digest.update(chunk)
    return digest.hexdigest()
