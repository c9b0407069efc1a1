"""The folders of LETOR and MSLR: train, vali and test, alone or in Fold1 to Fold5."""

import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .._splitting import NAMES
from ..readers._streams import COMPRESSED

SPLITS = ("train", "vali", "test")
#: Suffixes of the formats that `ltr_data.read` knows; one of compressed data may follow.
FORMATS = (
    *(".txt", ".dat", ".svm", ".libsvm", ".csv", ".tsv", ".jsonl", ".ndjson"),
    *(".parquet", ".pq", ".arrow", ".feather", ".ipc"),
)

Split = Path | list[Path]
"""The file of a split, or its parts in sequence, as `ltr_data.open` takes them."""

_Folder = Path | zipfile.Path
_DATA = re.compile(
    rf"(?P<stem>[^._].*?)(?:{'|'.join(map(re.escape, FORMATS))})"
    rf"(?P<compressed>{'|'.join(map(re.escape, COMPRESSED))})?",
    re.IGNORECASE,
)
_FOLD = re.compile(r"fold(\d+)", re.IGNORECASE)


def find_splits(
    root: str | os.PathLike[str],
    *,
    fold: int | None = None,
    required: Sequence[str] = ("train", "vali"),
    part: int = 1,
) -> dict[str, Split]:
    """Find the files of a data set.

    The files of a split are called train, vali (or valid, validation, dev) and test, or
    trainingset, validationset and testset, in upper or lower case, in any format of
    `ltr_data.read`, compressed or not; of one that is there in both forms, the plain one is taken.
    Or a folder of this name has the split's parts. Yahoo's files are called ``set1.train.txt``,
    ``set1.valid.txt`` and ``set1.test.txt``.

    Args:
        root: A folder with these files, or one with the folders ``Fold1``, ``Fold2``, ...; or a zip
            archive with either, in a folder of its own or not.
        fold: Which of the folds, if there are folds; by default the first.
        required: Splits that must be there.
        part: Which of Yahoo's sets, 1 or 2.

    Returns:
        Split to file, for the splits that exist, in the order train, vali, test; a list of files
        for a folder with several parts.

    Raises:
        FileNotFoundError: There is no such folder, no such fold, or a required split is missing.
        NotADirectoryError: `root` is a file that is no zip archive.
        ValueError: `fold` is given and there are no folds, `required` has an unknown split, or a
            split is there twice.

    Examples:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("train.csv", "valid.csv.gz"):
        ...         pathlib.Path(folder, name).touch()
        ...     {split: path.name for split, path in find_splits(folder).items()}
        {'train': 'train.csv', 'vali': 'valid.csv.gz'}
    """
    unknown = [split for split in required if split not in SPLITS]
    if unknown:
        raise ValueError(f"`required` must be among {', '.join(SPLITS)}, got {unknown[0]!r}")
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"`root` must be an existing folder, there is no {root}")
    if root.is_dir():
        return _find(root, fold, required, part)
    if root.suffix.lower() != ".zip":
        raise NotADirectoryError(f"`root` must be a folder or a zip archive, {root} is a file")
    try:
        with zipfile.ZipFile(root) as archive:
            return _find(_inside(zipfile.Path(archive), part), fold, required, part)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{root}: not a zip archive: {error}") from error


def _find(root: _Folder, fold: int | None, required: Sequence[str], part: int) -> dict[str, Split]:
    folder = _fold(root, fold, part)
    found = splits_in(folder, part)
    missing = next((split for split in required if split not in found), None)
    if missing is not None:
        present = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
        others = ", ".join(NAMES[missing][1:])
        advice = f"any format of `ltr_data.read` will do, and the name {others}"
        if missing != "train" and "train" in found:
            advice += f'; a data set without {missing} needs `required=("train",)`'
        raise FileNotFoundError(
            f"{folder}: expected {missing}.txt or {missing}.txt.gz, found {present}; {advice}"
        )
    return found


def splits_in(folder: _Folder, part: int = 1) -> dict[str, Split]:
    """Return the splits that lie in a folder, if any; see `find_splits`."""
    plain = {name: split for split, names in NAMES.items() for name in names}
    yahoo = {f"set{part}.{name}": split for name, split in plain.items()}
    return _named(folder, plain) or _named(folder, yahoo)


def _named(folder: _Folder, names: Mapping[str, str]) -> dict[str, Split]:
    """Return the splits in a folder whose files or folders have one of the names."""
    found: dict[str, dict[str, Split]] = {split: {} for split in SPLITS}
    files = []
    for entry in folder.iterdir():
        if not entry.is_dir():
            files.append(entry)
        elif (split := names.get(entry.name.lower())) is not None:
            parts = [_path(part) for part in _data_files(entry.iterdir()).values()]
            if parts:
                found[split][f"{entry.name}{os.sep}"] = parts if len(parts) > 1 else parts[0]
    for name, file in _data_files(files).items():
        match = _DATA.fullmatch(name)
        split = None if match is None else names.get(match["stem"].lower())
        if split is not None:
            found[split][name] = _path(file)
    for split, candidates in found.items():
        if len(candidates) > 1:
            raise ValueError(
                f"{folder}: expected the split {split} once, found "
                f"{' and '.join(sorted(candidates))}; move what is not meant elsewhere"
            )
    return {split: path for split in SPLITS for path in found[split].values()}


def _data_files(entries: Iterable[_Folder]) -> dict[str, _Folder]:
    """Return the files with data by their plain names, sorted; of two forms the plain one."""
    found: dict[str, _Folder] = {}
    for entry in sorted(entries, key=lambda entry: (len(entry.name), entry.name)):
        match = _DATA.fullmatch(entry.name)
        if match is not None and entry.is_file():
            found.setdefault(entry.name.removesuffix(match["compressed"] or ""), entry)
    return dict(sorted(found.items()))


def _path(entry: _Folder) -> Path:
    return Path(str(entry))


def _folds(root: _Folder) -> dict[int, _Folder]:
    numbers = ((entry, _FOLD.fullmatch(entry.name)) for entry in root.iterdir())
    found = {int(match[1]): entry for entry, match in numbers if match and entry.is_dir()}
    return dict(sorted(found.items()))


def _fold(root: _Folder, fold: int | None, part: int) -> _Folder:
    folds = _folds(root)
    if not folds:
        if fold is not None:
            raise ValueError(f"`fold` needs a folder with Fold1, Fold2, ..., {root} has none")
        return root
    if fold is None:
        return root if "train" in splits_in(root, part) else next(iter(folds.values()))
    if fold not in folds:
        names = ", ".join(folder.name for folder in folds.values())
        raise FileNotFoundError(f"`fold` must be one of {names} in {root}, got Fold{fold}")
    return folds[fold]


def _inside(root: zipfile.Path, part: int) -> zipfile.Path:
    """Return the folder of an archive that has the folds or splits."""
    folders = [
        e for e in root.iterdir() if e.is_dir() and e.name[0] != "." and e.name != "__MACOSX"
    ]
    if len(folders) == 1 and not _folds(root) and not splits_in(root, part):
        return _inside(folders[0], part)
    return root
