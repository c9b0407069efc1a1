"""The folders of LETOR and MSLR: train, vali and test, alone or in Fold1 to Fold5."""

import os
from collections.abc import Sequence
from pathlib import Path

SPLITS = ("train", "vali", "test")
SUFFIXES = (".txt", ".txt.gz")


def find_splits(
    root: str | os.PathLike[str],
    *,
    fold: int | None = None,
    required: Sequence[str] = ("train", "vali"),
) -> dict[str, Path]:
    """Find the files of a data set.

    Args:
        root: A folder with ``train``, ``vali`` and ``test``, each ``.txt`` or ``.txt.gz`` (the
            first if both exist), or one with the folders ``Fold1``, ``Fold2``, ...
        fold: Which of the folds, if there are folds; by default the first.
        required: Splits that must be there.

    Returns:
        Split to file, for the splits that exist, in the order train, vali, test.

    Raises:
        FileNotFoundError: There is no such folder, no such fold, or a required split is missing.
        NotADirectoryError: `root` is a file.
        ValueError: `fold` is given and there are no folds, or `required` has an unknown split.

    Examples:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("train.txt", "vali.txt.gz"):
        ...         pathlib.Path(folder, name).touch()
        ...     {split: path.name for split, path in find_splits(folder).items()}
        {'train': 'train.txt', 'vali': 'vali.txt.gz'}
    """
    unknown = [split for split in required if split not in SPLITS]
    if unknown:
        raise ValueError(f"`required` must be among {', '.join(SPLITS)}, got {unknown[0]!r}")
    folder = _fold(Path(root), fold)
    found = {}
    for split in SPLITS:
        paths = (folder / (split + suffix) for suffix in SUFFIXES)
        if (path := next(filter(Path.is_file, paths), None)) is not None:
            found[split] = path
    missing = [split for split in required if split not in found]
    if missing:
        names = " or ".join(missing[0] + suffix for suffix in SUFFIXES)
        present = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
        raise FileNotFoundError(f"{folder}: expected {names}, found {present}")
    return found


def _fold(root: Path, fold: int | None) -> Path:
    if not root.exists():
        raise FileNotFoundError(f"`root` must be an existing folder, there is no {root}")
    if not root.is_dir():
        raise NotADirectoryError(f"`root` must be a folder, {root} is a file")
    folds = sorted(path for path in root.glob("Fold*") if path.is_dir())
    if not folds:
        if fold is not None:
            raise ValueError(f"`fold` needs a folder with Fold1, Fold2, ..., {root} has none")
        return root
    if fold is None and any(root.glob("train.txt*")):
        return root
    chosen = root / f"Fold{1 if fold is None else fold}"
    if chosen not in folds:
        names = ", ".join(path.name for path in folds)
        raise FileNotFoundError(f"`fold` must be one of {names} in {root}, got {chosen.name}")
    return chosen
