"""The public data sets: where they are, what they hold, and under which licence.

The tests do not reach these addresses. Addresses and checksums are those that several projects
state alike (PyTorchLTR's among them, for MSLR and Istella-S); what is not surely known is None, the
sizes of the archives for instance.
"""

from dataclasses import dataclass
from types import MappingProxyType

_LETOR = "Tao Qin and Tie-Yan Liu. Introducing LETOR 4.0 Datasets. arXiv:1306.2597, 2013."
_MICROSOFT = "Microsoft Research licence: for research purposes only; read it on the page"


@dataclass(frozen=True)
class Manifest:
    """A public data set.

    Attributes:
        name: By which it is asked for.
        title: Its name.
        page: Where its owner describes it.
        archive: Name of the file to download.
        url: Address of the archive; None where there is none without a browser.
        size: Bytes of the archive; None where not known for certain.
        sha256: Of the archive, in hexadecimal; None where not known for certain.
        licence: In a few words; the page has the text.
        citation: What to cite.
        num_features: Number of columns.
        num_folds: Number of folds; 0 where there is one split without folds.
        folder: Folder inside the archive, and of an unpacked copy, that has the folds or splits.
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


_ALL = (
    Manifest(
        name="mslr_web30k",
        title="MSLR-WEB30K",
        page="https://www.microsoft.com/en-us/research/project/mslr/",
        archive="MSLR-WEB30K.zip",
        url="https://api.onedrive.com/v1.0/shares/s!AtsMfWUz5l8nbXGPBlwD1rnFdBY/root/content",
        size=None,
        sha256="08cb7977e1d5cbdeb57a9a2537a0923dbca6d46a76db9a6afc69e043c85341ae",
        licence=_MICROSOFT,
        citation=_LETOR,
        num_features=136,
        num_folds=5,
        folder="MSLR-WEB30K",
    ),
    Manifest(
        name="mslr_web10k",
        title="MSLR-WEB10K",
        page="https://www.microsoft.com/en-us/research/project/mslr/",
        archive="MSLR-WEB10K.zip",
        url="https://api.onedrive.com/v1.0/shares/s!AtsMfWUz5l8nbOIoJ6Ks0bEMp78/root/content",
        size=None,
        sha256="2902142ea33f18c59414f654212de5063033b707d5c3939556124b1120d3a0ba",
        licence=_MICROSOFT,
        citation=_LETOR,
        num_features=136,
        num_folds=5,
        folder="MSLR-WEB10K",
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
