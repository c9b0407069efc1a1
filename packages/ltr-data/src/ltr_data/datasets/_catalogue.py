"""The public data sets: their addresses, contents and licences, and how their files are found.

The tests do not use these addresses. Several projects (PyTorchLTR among them, for MSLR and
Istella-S) state the same addresses and checksums; what is not known for certain is None, such as
the sizes of the archives.
"""

import gzip
import os
import tarfile
import zipfile
import zlib
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
        splits: The splits it has.
        clip: Whether it has numbers beyond float32, so that it needs ``clip=True`` to be read.
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
    splits: tuple[str, ...] = letor.SPLITS
    clip: bool = False


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


def _istella(name: str, title: str, url: str, sha256: str, citation: str, folder: str) -> Manifest:
    return Manifest(
        name=name,
        title=title,
        page="http://quickrank.isti.cnr.it/istella-dataset/",
        archive=url.rpartition("/")[2],
        url=url,
        size=None,
        sha256=sha256,
        licence="Istella LETOR Licence Agreement: non-commercial use only; in the archive",
        citation=citation,
        num_features=220,
        num_folds=0,
        folder=folder,
        splits=("train", "test") if name == "istella" else letor.SPLITS,
        clip=True,
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
    _istella(
        "istella",
        "Istella LETOR",
        "http://library.istella.it/dataset/istella-letor.tar.gz",
        "d45899d9a6a0e48afb250aac7ee3dc50e73e263687f15761d754515cd8284e0b",
        "Domenico Dato et al. Fast Ranking with Additive Ensembles of Oblivious and Non-Oblivious "
        "Regression Trees. ACM Transactions on Information Systems 35(2), 2016.",
        "full",
    ),
    _istella(
        "istella_s",
        "Istella-S LETOR",
        "http://library.istella.it/dataset/istella-s-letor.tar.gz",
        "41b21116a3650cc043dbe16f02ee39f4467f9405b37fdbcc9a6a05e230a38981",
        "Claudio Lucchese et al. Post-Learning Optimization of Tree Ensembles for Efficient "
        "Ranking. SIGIR 2016.",
        "sample",
    ),
    _istella(
        "istella_x",
        "Istella-X",
        "http://quickrank.isti.cnr.it/istella-datasets-mirror/istella-X.tar.gz",
        "e67be60d1c6a68983a669e4de9df2c395914717b2017cb3b68a97eb89f2ea763",
        "Claudio Lucchese et al. Selective Gradient Boosting for Effective Learning to Rank. "
        "SIGIR 2018.",
        "istella-X",
    ),
    Manifest(
        name="yahoo",
        title="Yahoo! Learning to Rank Challenge (C14B)",
        page="https://webscope.sandbox.yahoo.com/catalog.php?datatype=c&did=64",
        archive="ltrc_yahoo.tgz",
        url=None,
        size=None,
        sha256=None,
        licence="Yahoo! Webscope agreement: for non-commercial research; read it on the page",
        citation="Olivier Chapelle and Yi Chang. Yahoo! Learning to Rank Challenge Overview. "
        "JMLR Workshop and Conference Proceedings 14, 2011.",
        num_features=700,
        num_folds=0,
        folder="ltrc_yahoo",
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


def find(
    name: str, root: str | os.PathLike[str], *, fold: int = 1, part: int = 1
) -> dict[str, letor.Split]:
    """Find the files of a data set, unpacked or in its archive.

    It searches `root` for the folds or splits, for the data set's folder with them, and for the
    archive, in this order. A zip archive is read as it is; another is unpacked once.

    Args:
        name: A name of the catalogue.
        root: The folder.
        fold: Which of the folds; ignored if there are none.
        part: Which of Yahoo's sets, 1 or 2.

    Returns:
        Split to file, for `ltr_data.open`. If the data set has numbers beyond float32, as Istella's
        have, open it with ``clip=manifest(name).clip``.

    Raises:
        FileNotFoundError: It is not there; the message says where to get and to put it.
        ValueError: The name is unknown or the fold is, or the archive is damaged or has members
            outside its folder.
    """
    about = manifest(name)
    root = Path(root)
    required = tuple(split for split in ("train", "vali") if split in about.splits)
    if about.num_folds and not 1 <= fold <= about.num_folds:
        raise ValueError(f"`fold` of {name} must be from 1 to {about.num_folds}, got {fold}")
    archive, unpacked = root / about.archive, root / about.archive.split(".")[0]
    for folder in (root, root / about.folder, unpacked / about.folder, unpacked):
        inner = folder / f"Fold{fold}" if about.num_folds else folder
        if inner.is_dir() and "train" in letor.splits_in(inner, part):
            return letor.find_splits(inner, required=required, part=part)
    if archive.suffix == ".zip" and archive.is_file():
        return _members(archive, fold)
    if archive.suffix in (".gz", ".tgz") and archive.is_file():
        _unpack(archive, unpacked, how_to_get(about, root))
        for folder in (unpacked, *sorted(filter(Path.is_dir, unpacked.rglob("*")))):
            if "train" in letor.splits_in(folder, part):
                return letor.find_splits(folder, required=required, part=part)
    raise FileNotFoundError(f"{about.title} is not in {root}: {how_to_get(about, root)}")


def _unpack(archive: Path, target: Path, advice: str) -> None:
    """Unpack a tar archive into a folder, which appears only when complete."""
    try:
        with atomic_folder(target) as folder, tarfile.open(archive, "r:gz") as file:
            file.extractall(folder, filter="data")  # nothing outside the folder
    except tarfile.FilterError as error:
        raise ValueError(
            f"{archive}: refused, since not all members are plain files in a folder of its own: "
            f"{error}"
        ) from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{archive}: the archive is cut, damaged or none ({error}); remove it and {advice}"
        ) from error


def how_to_get(about: Manifest, root: Path) -> str:
    """Tell a user how to get the data set."""
    text = f"get {about.archive} from {about.page} and put it, or what is in it, into {root}"
    if about.url is not None:
        text += f", or call ltr_data.datasets.download({about.name!r}, root)"
    return text


def _members(archive: Path, fold: int) -> dict[str, letor.Split]:
    try:
        with zipfile.ZipFile(archive) as file:
            names = file.namelist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive}: not a zip archive: {error}") from error
    found: dict[str, letor.Split] = {
        split: archive / name
        for split in letor.SPLITS
        for name in names
        if f"/{name}".endswith(f"/Fold{fold}/{split}.txt")
    }
    if "train" not in found:
        raise FileNotFoundError(f"{archive}: expected Fold{fold}/train.txt in it, found none")
    return found


def mslr_web30k(root: str | os.PathLike[str], fold: int = 1) -> dict[str, letor.Split]:
    """Find MSLR-WEB30K (31,531 queries, 136 features, 5 folds); see `find`."""
    return find("mslr_web30k", root, fold=fold)


def mslr_web10k(root: str | os.PathLike[str], fold: int = 1) -> dict[str, letor.Split]:
    """Find MSLR-WEB10K (10,000 queries, 136 features, 5 folds); see `find`."""
    return find("mslr_web10k", root, fold=fold)


def mq2007(root: str | os.PathLike[str], fold: int = 1) -> dict[str, letor.Split]:
    """Find LETOR 4.0 MQ2007 (about 1,700 queries, 46 features, 5 folds); see `find`."""
    return find("mq2007", root, fold=fold)


def mq2008(root: str | os.PathLike[str], fold: int = 1) -> dict[str, letor.Split]:
    """Find LETOR 4.0 MQ2008 (about 800 queries, 46 features, 5 folds); see `find`."""
    return find("mq2008", root, fold=fold)


def istella(root: str | os.PathLike[str]) -> dict[str, letor.Split]:
    """Find Istella LETOR (10,454,629 documents, 220 features, no validation split); see `find`.

    Open its files with ``clip=True``: it has numbers of 1.797e308.
    """
    return find("istella", root)


def istella_s(root: str | os.PathLike[str]) -> dict[str, letor.Split]:
    """Find Istella-S LETOR (3,408,630 documents, 220 features, no folds); see `find`.

    Open its files with ``clip=True``: it has numbers of 1.797e308.
    """
    return find("istella_s", root)


def istella_x(root: str | os.PathLike[str]) -> dict[str, letor.Split]:
    """Find Istella-X (26,791,447 documents, 220 features, no folds); see `find`.

    Open its files with ``clip=True``: it has numbers of 1.797e308.
    """
    return find("istella_x", root)


def yahoo(root: str | os.PathLike[str], part: int = 1) -> dict[str, letor.Split]:
    """Find set 1 or 2 of Yahoo's challenge (set 1: 709,877 documents, 700 features); see `find`.

    Set 2 has other features than set 1; both are numbered from 1 to 700.
    """
    return find("yahoo", root, part=part)
