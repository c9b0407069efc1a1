"""One file, several, or a pattern: the files of one data set."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from ._streams import locate

Name = str | os.PathLike[str]
#: A file, a pattern such as ``"part-*.txt"``, or several files.
Sources = Name | Sequence[Name]

SUFFIX = ".safetensors"  # of what `convert` makes
_BESIDE = (SUFFIX, ".query", ".group", ".weight", ".tmp")  # files beside data that hold no data


def expand(path: Sources) -> tuple[Path, ...]:
    """Return the files in their order; those of a pattern are sorted by name."""
    if isinstance(path, (str, os.PathLike)):
        name = os.fspath(path)
        if not glob.has_magic(name) or _exists(Path(name)):
            return (Path(name),)
        found = sorted(map(Path, glob.glob(name, recursive=True)))  # noqa: PTH207
        files = tuple(file for file in found if file.suffix not in _BESIDE and file.is_file())
        if not files:
            raise FileNotFoundError(f"`path` must name a file, no file matches {name}")
        return files
    if not isinstance(path, Sequence):
        raise TypeError(f"`path` must be a file, a pattern or a list of files, got {path!r}")
    if not path:
        raise ValueError("`path` must be at least one file, got none")
    return tuple(map(Path, path))


def _exists(path: Path) -> bool:
    """Return whether a file or a member's archive has a name that may look like a pattern."""
    return path.exists() or any(p.suffix == ".zip" and p.is_file() for p in path.parents)


def holders(paths: Sequence[Path]) -> list[Path]:
    """Return the files on the disk: themselves, or the archives they are in."""
    return [locate(path) for path in paths]
