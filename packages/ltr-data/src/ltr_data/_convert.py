"""From a ranking file to a table that is memory-mapped, once."""

import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from ._builder import TableBuilder
from ._cache_file import CacheFile, read_manifest
from ._files import atomic_write, sweep
from ._source import kind, open_source
from ._streams import locate
from ._tabular import Columns
from .lightgbm import find_query_file
from .svmrank import check_num_features

SUFFIX = ".safetensors"
_VERSION = 1  # of what the readers make of a file; a higher one makes all caches stale
_HASH_BYTES = 1 << 20

#: Called with the bytes of the source read so far and all of them.
Progress = Callable[[int, int], None]


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    columns: Columns | None = None,
    num_features: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    force: bool = False,
) -> Path:
    r"""Convert a ranking file to one that `open` maps into memory, unless that was done before.

    The file is read as a stream: the memory needed does not grow with it. The target appears when
    it is complete; a kill leaves the old one or none, and what it leaves behind is removed by the
    next conversion. Several processes may convert the same file at the same time.

    A target is up to date when it was made by this version, with the same options, from a file of
    the same size and time of change; or, where the time differs, of the same size and SHA-256.

    Args:
        source: A file in a format of `read`.
        target: The file to write; beside the source, named after it, when not given.
        columns: Which column is what, in a table with named columns; see `read`.
        num_features: Number of columns; see `read`.
        threads: Number of blocks that are parsed at the same time.
        progress: Called now and then with the bytes read and the bytes of the file, such as
            `ProgressPrinter`.
        force: Whether to convert even where the target is up to date.

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
    check_num_features(num_features)
    source = Path(source)
    target = cache_path(source) if target is None else Path(target)
    options = describe_options(source, columns, num_features)
    if not force and is_fresh(target, source, options):
        return target
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(
            f"`target` must lie in a folder that can be written to, got {target}; give another "
            "folder for the cache, or none"
        )
    sweep(target)
    file = locate(source)
    before = file.stat()
    stop = Event()
    with atomic_write(target) as handle, ThreadPoolExecutor(1) as executor:
        checksum = executor.submit(_sha256, file, stop)
        try:
            cache = CacheFile(handle)
            builder = TableBuilder(source, cache, num_features)
            with open_source(source, columns=columns, threads=threads) as opened:
                for rows in opened.rows:
                    builder.append(rows)
                    if progress is not None:
                        progress(opened.position(), before.st_size)
        except BaseException:
            stop.set()
            raise
        features = _without_features(builder)
        table = builder.table(features, opened.feature_names, opened.nullable)
        after = file.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise RuntimeError(f"{file}: the file changed while it was read; convert it again")
        about = {
            "name": source.name,
            "size": before.st_size,
            "mtime_ns": before.st_mtime_ns,
            "sha256": checksum.result(),
        }
        cache.finish(builder.width, table, {"source": about, "options": options})
    return target


def convert_all(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str] | None = None,
    *,
    columns: Columns | None = None,
    num_features: int | None = None,
    workers: int | None = None,
) -> list[Path]:
    """Convert several files, some at the same time.

    Args:
        sources: Files, or a pattern such as ``"MSLR-WEB30K/Fold*/*.txt"``.
        folder: Where the targets go; each beside its source when not given.
        columns: Which column is what in all of them, where columns have names.
        num_features: Number of columns of all of them.
        workers: How many at the same time; one per processor, at most 4, when not given.

    Returns:
        The targets, in the order of the sources (sorted, for a pattern).

    Raises:
        FileNotFoundError: A file is missing, or none fits the pattern.
        ValueError: Something in a file is wrong.
    """
    if isinstance(sources, (str, os.PathLike)):
        paths = sorted(map(Path, glob.glob(os.fspath(sources), recursive=True)))  # noqa: PTH207
        paths = [path for path in paths if path.suffix != SUFFIX]
        if not paths:
            raise FileNotFoundError(f"`sources` must fit a file, there is none like {sources}")
    else:
        paths = [Path(source) for source in sources]
    workers = min(os.cpu_count() or 1, 4) if workers is None else workers

    def one(path: Path) -> Path:
        target = cache_path(path, folder)
        return convert(path, target, columns=columns, num_features=num_features)

    with ThreadPoolExecutor(workers) as executor:
        return list(executor.map(one, paths))


def cache_path(source: Path, folder: str | os.PathLike[str] | None = None) -> Path:
    """Where the converted file is: beside the source, or in a folder for several sources.

    Raises:
        FileNotFoundError: There is no such source.
    """
    file = locate(source)
    inside = source.relative_to(file).parts if file != source else ()
    name = ".".join((file.name, *inside)) + SUFFIX
    if folder is None:
        return file.with_name(name)
    # Files of the same name, such as the folds' train.txt, share the folder.
    digest = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:8]
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder) / f"{digest}.{name}"


def describe_options(
    source: Path, columns: Columns | None, num_features: int | None
) -> dict[str, Any]:
    """What else determines the table, as JSON holds it."""
    query_file = find_query_file(source)
    return {
        "version": _VERSION,
        "kind": kind(source),
        "columns": None if columns is None else json.loads(json.dumps(asdict(columns))),
        "num_features": num_features,
        "query_sha256": None if query_file is None else _sha256(query_file),
    }


def is_fresh(target: Path, source: Path, options: dict[str, Any]) -> bool:
    """Whether a converted file is up to date; see `convert`."""
    manifest = read_manifest(target)
    if manifest is None or manifest["options"] != options:
        return False
    file = locate(source)
    about, found = manifest["source"], file.stat()
    if about["size"] != found.st_size:
        return False
    return bool(about["mtime_ns"] == found.st_mtime_ns or about["sha256"] == _sha256(file))


def _sha256(path: Path, stop: Event | None = None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while (chunk := file.read(_HASH_BYTES)) and not (stop and stop.is_set()):
            digest.update(chunk)
    return digest.hexdigest()


def _without_features(builder: TableBuilder) -> Any:
    """A matrix of the right shape that takes no memory."""
    return np.broadcast_to(np.float32(0), (builder.num_rows, builder.width))
