"""The public data sets: their addresses, contents and licences, and how their files are found.

The tests do not use these addresses. Several projects (PyTorchLTR among them, for MSLR and
Istella-S) state the same addresses and checksums; what is not known for certain is None, such as
the sizes of the archives.
"""

import os
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .._checks import check_name
from ..files import atomic_folder
from . import letor


@dataclass(frozen=True)
class Manifest:
    """A public data set.

    Attributes:
        name: Its name in this package.
        title: Its full name.
        page: Where its owner describes it.
        archive: Name of the file to download.
        url: Address of the archive; None if it needs a browser.
        size: Bytes of the archive; None if not known for certain.
        sha256: Of the archive, in hexadecimal; None if not known for certain.
        licence: In a few words; the page has the text.
        citation: What to cite.
        num_features: Number of columns.
        num_folds: Number of folds; 0 for a single split.
        folder: Folder of the folds or splits, inside the archive and in an unpacked copy.
    """

    name: str
    title: str
    page: str
    archive: str
    url: str | None
    size: int | None
    sha256: str | None
    licence: str
    citation: str
    num_features: int
    num_folds: int
    folder: str


def _microsoft(
    folder: str, num_features: int, share: str | None = None, sha256: str | None = None
) -> Manifest:
    """Describe a data set of MSLR, which has a share, or of LETOR 4.0."""
    project = "mslr/" if share else "letor-learning-rank-information-retrieval/letor-4-0/"
    return Manifest(
        name=folder.lower().replace("-", "_"),
        title=folder if share else f"LETOR 4.0 {folder}",
        page=f"https://www.microsoft.com/en-us/research/project/{project}",
        # Users unpack .rar by hand, since Python cannot read it.
        archive=f"{folder}.zip" if share else f"{folder}.rar",
        url=f"https://api.onedrive.com/v1.0/shares/{share}/root/content" if share else None,
        size=None,
        sha256=sha256,
        licence="Microsoft Research licence: for research purposes only; read it on the page",
        citation=(
            "Tao Qin and Tie-Yan Liu. Introducing LETOR 4.0 Datasets. arXiv:1306.2597, 2013."
        ),
        num_features=num_features,
        num_folds=5,
        folder=folder,
    )


_ALL = (
    _microsoft(
        "MSLR-WEB30K",
        136,
        "s!AtsMfWUz5l8nbXGPBlwD1rnFdBY",
        "08cb7977e1d5cbdeb57a9a2537a0923dbca6d46a76db9a6afc69e043c85341ae",
    ),
    _microsoft(
        "MSLR-WEB10K",
        136,
        "s!AtsMfWUz5l8nbOIoJ6Ks0bEMp78",
        "2902142ea33f18c59414f654212de5063033b707d5c3939556124b1120d3a0ba",
    ),
    _microsoft("MQ2007", 46),
    _microsoft("MQ2008", 46),
    Manifest(
        name="istella_s",
        title="Istella-S LETOR",
        page="http://quickrank.isti.cnr.it/istella-dataset/",
        archive="istella-s-letor.tar.gz",
        url="http://library.istella.it/dataset/istella-s-letor.tar.gz",
        size=None,
        sha256="41b21116a3650cc043dbe16f02ee39f4467f9405b37fdbcc9a6a05e230a38981",
        licence="Istella LETOR Licence Agreement: non-commercial use only; in the archive",
        citation="Claudio Lucchese et al. Post-Learning Optimization of Tree Ensembles for "
        "Efficient Ranking. SIGIR 2016.",
        num_features=220,
        num_folds=0,
        folder="sample",
    ),
)

#: Name to manifest.
MANIFESTS = MappingProxyType({about.name: about for about in _ALL})


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
