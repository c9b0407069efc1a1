"""Which names below a folder are the parts of one data set, by the names alone."""

import glob
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from ._streams import COMPRESSED

_TABLES = (".csv", ".tsv", ".parquet", ".pq", ".arrow", ".feather", ".ipc", ".jsonl", ".ndjson")
_SAME = {".pq": ".parquet", ".ipc": ".arrow", ".feather": ".arrow", ".ndjson": ".jsonl"}
_TRAIN = re.compile(r"train(ing|ingset)?(?![a-z])", re.IGNORECASE)


def table_suffix(name: str) -> str | None:
    """Return the suffix of a table with named columns, or None for another file.

    Examples:
        >>> table_suffix("part-0.csv.gz"), table_suffix("train.txt"), table_suffix("x.pq")
        ('.csv', None, '.parquet')
    """
    suffixes = [s.lower() for s in PurePosixPath(name).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    return _SAME.get(suffix, suffix) if suffix in _TABLES else None


def split_pattern(name: str) -> tuple[str, str]:
    """Return the folder of a pattern that has no signs of one, and the rest.

    Examples:
        >>> split_pattern("bucket/year=*/part-?.csv"), split_pattern("*.csv")
        (('bucket', 'year=*/part-?.csv'), ('', '*.csv'))
    """
    steps = name.split("/")
    first = next(i for i, step in enumerate(steps) if glob.has_magic(step))
    return "/".join(steps[:first]), "/".join(steps[first:])


def matches(name: str, pattern: str) -> bool:
    """Return whether a relative name matches a pattern, in which ``**`` is any number of folders.

    Examples:
        >>> matches("a/b/x.csv", "**/*.csv"), matches("a/x.csv", "*.csv"), matches("x.csv", "?.csv")
        (True, False, True)
    """
    return _matches(name.split("/"), pattern.split("/"))


def _matches(steps: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not steps
    if pattern[0] == "**" and len(pattern) > 1:
        return any(_matches(steps[i:], pattern[1:]) for i in range(len(steps)))
    if not steps or steps[0].startswith(".") > pattern[0].startswith("."):
        return False
    return fnmatchcase(steps[0], pattern[0]) and _matches(steps[1:], pattern[1:])


def choose_parts(names: Sequence[str], folder: str) -> list[str]:
    """Return the tables among the relative names of a folder's files, sorted.

    They lie in the folder itself or in folders like ``year=2024``. What begins with ``.`` or ``_``,
    such as ``_SUCCESS``, is no part.

    Raises:
        ValueError: The tables have several formats, or are splits.
    """
    parts = sorted(name for name in names if _is_part(name))
    of_format = {table_suffix(name): name for name in reversed(parts)}
    if len(of_format) > 1:
        raise ValueError(
            f"`path` must be a folder of tables in one format, {folder} has "
            f"{' and '.join(sorted(of_format.values()))}; give a pattern"
        )
    of_training = {bool(_TRAIN.match(PurePosixPath(name).name)): name for name in reversed(parts)}
    if len(of_training) > 1:
        raise ValueError(
            f"`path` must be a folder of the parts of one split, {folder} has "
            f"{of_training[True]} and {of_training[False]}; give a file or a pattern"
        )
    return parts


def _is_part(name: str) -> bool:
    *folders, file = name.split("/")
    return (
        file[0] not in "._"
        and table_suffix(file) is not None
        and all(is_partition(folder) for folder in folders)
    )


def is_partition(folder: str) -> bool:
    """Return whether a folder's name says the value of a column.

    Examples:
        >>> is_partition("year=2024"), is_partition("train"), is_partition(".x=1")
        (True, False, False)
    """
    return "=" in folder[1:] and folder[0] not in "._"
