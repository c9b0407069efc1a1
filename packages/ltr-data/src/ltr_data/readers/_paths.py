"""One file, several, a pattern, a folder or a remote place: the files of one data set."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from .._progress import Progress
from ._partitions import NO_PARTITION, Partition, read_partitions
from ._parts import choose_parts, is_partition
from ._remote import Copies, is_remote
from ._streams import locate

Name = str | os.PathLike[str]
#: A file, a folder of parts, a pattern such as ``"part-*.txt"``, or several files.
Sources = Name | Sequence[Name]

SUFFIX = ".safetensors"  # of what `convert` makes
_BESIDE = (SUFFIX, ".query", ".group", ".weight", ".tmp")  # files beside data that hold no data
_BROKEN_ADDRESS = re.compile(r"(s3|gs|gcs|hf|https?):/[^/]")


class Files(tuple[Path, ...]):
    """The files of a data set in their order, each with the columns that its folders say."""

    partitions: tuple[Partition, ...]
    copied: int  # bytes of remote files that had to be copied for it

    def __new__(
        cls, paths: Sequence[Path], partitions: Sequence[Partition] = (), copied: int = 0
    ) -> Self:
        """Make the tuple; without `partitions` the folders say nothing."""
        files = super().__new__(cls, paths)
        files.partitions = tuple(partitions) or (NO_PARTITION,) * len(files)
        files.copied = copied
        return files

    def each(self) -> Iterator["Files"]:
        """Yield every file as a data set of its own."""
        for path, partition in zip(self, self.partitions, strict=True):
            yield Files([path], [partition])


def expand(
    path: Sources, cache: str | os.PathLike[str] | None = None, progress: Progress | None = None
) -> Files:
    """Return the files in their order; those of a pattern or folder are sorted by name.

    Remote ones are copied to `cache` first, by default the user's cache folder, unless the copy is
    up to date.
    """
    if isinstance(path, Files):
        return path
    if not isinstance(path, (str, os.PathLike, Sequence)):
        raise TypeError(f"`path` must be a file, a pattern or a list of files, got {path!r}")
    if not isinstance(path, (str, os.PathLike)) and not path:
        raise ValueError("`path` must be at least one file, got none")
    single = isinstance(path, (str, os.PathLike))
    copies = Copies(cache)
    paths: list[Path] = []
    partitions: list[Partition] = []
    for name in [path] if isinstance(path, (str, os.PathLike)) else path:
        text = os.fspath(name)
        root: Path | None
        if is_remote(text):
            root, names = copies.add(text)
        else:
            root, names = _find(text) if single else (None, [text])
        paths += [Path(name) if root is None else root / name for name in names]
        partitions += [NO_PARTITION] if root is None else read_partitions(names)
    return Files(paths, partitions, copies.fetch(progress))


def _find(name: str) -> tuple[Path | None, list[str]]:
    """Return the folder of a pattern's or folder's files, and their names relative to it."""
    path = Path(name)
    if path.is_dir():
        parts = choose_parts(list(_below(path)), name)
        return (path, parts) if parts else (None, [name])
    if not glob.has_magic(name) or _exists(path):
        if _BROKEN_ADDRESS.match(name) and not path.exists():
            raise ValueError(
                f"`path` must be a str for a remote place, since Path drops a slash, got {name}"
            )
        return None, [name]
    found = sorted(map(Path, glob.glob(name, recursive=True)))  # noqa: PTH207
    files = [file for file in found if file.suffix not in _BESIDE and file.is_file()]
    if not files:
        raise FileNotFoundError(f"`path` must name a file, no file matches {name}")
    fixed = next(i for i, step in enumerate(path.parts) if glob.has_magic(step))
    root = Path(*path.parts[:fixed])
    return root, [file.relative_to(root).as_posix() for file in files]


def _below(folder: Path) -> Iterator[str]:
    """Yield the names of the files in a folder, and in folders below that say a column."""
    for entry in folder.iterdir():
        if entry.is_file():
            yield entry.name
        elif is_partition(entry.name):
            yield from (f"{entry.name}/{name}" for name in _below(entry))


def _exists(path: Path) -> bool:
    """Return whether a file or a member's archive has a name that may look like a pattern."""
    return path.exists() or any(p.suffix == ".zip" and p.is_file() for p in path.parents)


def holders(paths: Sequence[Path]) -> list[Path]:
    """Return the files on the disk: themselves, or the archives they are in."""
    return [locate(path) for path in paths]
