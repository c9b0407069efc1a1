"""The files of a public data set, by its name."""

import os
import tarfile
import zipfile
from pathlib import Path

from .._checks import check_name
from ..files import atomic_folder
from . import letor
from ._manifests import MANIFESTS, Manifest


def manifest(name: str) -> Manifest:
    """Return what is known about a public data set.

    Raises:
        ValueError: The name is unknown.

    Examples:
        >>> manifest("mslr_web30k").num_features
        136
    """
    check_name("name", name, MANIFESTS)
    return MANIFESTS[name]


def find(name: str, root: str | os.PathLike[str], *, fold: int = 1) -> dict[str, Path]:
    """Find the files of a data set, unpacked or in its archive.

    It searches `root` for the folds or splits, for the data set's folder with them, and for the
    archive, in this order. A zip archive is read as it is; another is unpacked once.

    Args:
        name: A name of the catalogue.
        root: The folder.
        fold: Which of the folds; ignored if there are none.

    Returns:
        Split to file, for `ltr_data.open`.

    Raises:
        FileNotFoundError: It is not there; the message says where to get and to put it.
        ValueError: The name is unknown or the fold is.
    """
    about = manifest(name)
    root = Path(root)
    if about.num_folds and not 1 <= fold <= about.num_folds:
        raise ValueError(f"`fold` of {name} must be from 1 to {about.num_folds}, got {fold}")
    archive = root / about.archive
    for folder in (root, root / about.folder, root / about.archive.split(".")[0] / about.folder):
        inner = folder / f"Fold{fold}" if about.num_folds else folder
        if any((inner / f"train{suffix}").is_file() for suffix in letor.SUFFIXES):
            return letor.find_splits(inner)
    if archive.suffix == ".zip" and archive.is_file():
        return _members(archive, fold)
    if archive.is_file() and tarfile.is_tarfile(archive):
        target = root / about.archive.split(".")[0]
        with atomic_folder(target) as folder, tarfile.open(archive) as file:
            file.extractall(folder, filter="data")  # nothing outside the folder
        found = sorted(target.rglob(f"{about.folder}/train.txt"))
        if found:
            return letor.find_splits(found[0].parent)
    raise FileNotFoundError(f"{about.title} is not in {root}: {how_to_get(about, root)}")


def how_to_get(about: Manifest, root: Path) -> str:
    """Tell a user how to get the data set."""
    text = f"get {about.archive} from {about.page} and put it, or what is in it, into {root}"
    if about.url is not None:
        text += f", or call ltr_data.datasets.download({about.name!r}, root)"
    return text


def _members(archive: Path, fold: int) -> dict[str, Path]:
    try:
        with zipfile.ZipFile(archive) as file:
            names = file.namelist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive}: not a zip archive: {error}") from error
    found = {
        split: archive / name
        for split in letor.SPLITS
        for name in names
        if f"/{name}".endswith(f"/Fold{fold}/{split}.txt")
    }
    if "train" not in found:
        raise FileNotFoundError(f"{archive}: expected Fold{fold}/train.txt in it, found none")
    return found


def mslr_web30k(root: str | os.PathLike[str], fold: int = 1) -> dict[str, Path]:
    """Find MSLR-WEB30K (31,531 queries, 136 features, 5 folds); see `find`."""
    return find("mslr_web30k", root, fold=fold)


def mslr_web10k(root: str | os.PathLike[str], fold: int = 1) -> dict[str, Path]:
    """Find MSLR-WEB10K (10,000 queries, 136 features, 5 folds); see `find`."""
    return find("mslr_web10k", root, fold=fold)


def mq2007(root: str | os.PathLike[str], fold: int = 1) -> dict[str, Path]:
    """Find LETOR 4.0 MQ2007 (about 1,700 queries, 46 features, 5 folds); see `find`."""
    return find("mq2007", root, fold=fold)


def mq2008(root: str | os.PathLike[str], fold: int = 1) -> dict[str, Path]:
    """Find LETOR 4.0 MQ2008 (about 800 queries, 46 features, 5 folds); see `find`."""
    return find("mq2008", root, fold=fold)


def istella_s(root: str | os.PathLike[str]) -> dict[str, Path]:
    """Find Istella-S LETOR (3,408,630 documents, 220 features, no folds); see `find`."""
    return find("istella_s", root)
