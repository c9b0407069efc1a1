"""The public data sets: their addresses, contents and licences.

The tests do not use these addresses. Several projects (PyTorchLTR among them, for MSLR and
Istella-S) state the same addresses and checksums; what is not known for certain is None, such as
the sizes of the archives.
"""

from dataclasses import dataclass
from types import MappingProxyType

_LETOR = "Tao Qin and Tie-Yan Liu. Introducing LETOR 4.0 Datasets. arXiv:1306.2597, 2013."
_MICROSOFT = "Microsoft Research licence: for research purposes only; read it on the page"


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


_MSLR = {
    "MSLR-WEB30K": (
        "nbXGPBlwD1rnFdBY",
        "08cb7977e1d5cbdeb57a9a2537a0923dbca6d46a76db9a6afc69e043c85341ae",
    ),
    "MSLR-WEB10K": (
        "nbOIoJ6Ks0bEMp78",
        "2902142ea33f18c59414f654212de5063033b707d5c3939556124b1120d3a0ba",
    ),
}

_ALL = (
    *(
        Manifest(
            name=title.lower().replace("-", "_"),
            title=title,
            page="https://www.microsoft.com/en-us/research/project/mslr/",
            archive=f"{title}.zip",
            url=f"https://api.onedrive.com/v1.0/shares/s!AtsMfWUz5l8{share}/root/content",
            size=None,
            sha256=sha256,
            licence=_MICROSOFT,
            citation=_LETOR,
            num_features=136,
            num_folds=5,
            folder=title,
        )
        for title, (share, sha256) in _MSLR.items()
    ),
    *(
        Manifest(
            name=name.lower(),
            title=f"LETOR 4.0 {name}",
            page="https://www.microsoft.com/en-us/research/project/"
            "letor-learning-rank-information-retrieval/letor-4-0/",
            archive=f"{name}.rar",  # to be unpacked by hand: Python has no reader of it
            url=None,
            size=None,
            sha256=None,
            licence=_MICROSOFT,
            citation=_LETOR,
            num_features=46,
            num_folds=5,
            folder=name,
        )
        for name in ("MQ2007", "MQ2008")
    ),
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
MANIFESTS = MappingProxyType({manifest.name: manifest for manifest in _ALL})
