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
_BESIDE = (SUFFIX, ".query", ".tmp")  # files that lie beside data and are none


def expand(path: Sources) -> tuple[Path, ...]:
    """The files that are meant, in their order; sorted by name, for a pattern.

    Raises:
        FileNotFoundError: No file fits the pattern.
        TypeError: It is no path.
        ValueError: There are no files.
    """
    if isinstance(path, (str, os.PathLike)):
        name = os.fspath(path)
        if not glob.has_magic(name) or _exists(Path(name)):
            return (Path(name),)
        found = sorted(map(Path, glob.glob(name, recursive=True)))  # noqa: PTH207
        files = tuple(file for file in found if file.suffix not in _BESIDE and file.is_file())
        if not files:
            raise FileNotFoundError(f"`path` must fit a file, there is none like {name}")
        return files
    if not isinstance(path, Sequence):
        raise TypeError(f"`path` must be a file, a pattern or a list of files, got {path!r}")
    if not path:
        raise ValueError("`path` must be at least one file, got none")
    return tuple(map(Path, path))


def _exists(path: Path) -> bool:
    """Whether there is a file of this name, signs of a pattern or not, or a member's archive."""
    return path.exists() or any(p.suffix == ".zip" and p.is_file() for p in path.parents)


def holders(paths: Sequence[Path]) -> list[Path]:
    """The files on the disk: themselves, or the archives they are in.

    Raises:
        FileNotFoundError: There is no such file.
        IsADirectoryError: One is a folder.
        ValueError: One is an archive, without a member's name.
    """
    return [locate(path) for path in paths]
