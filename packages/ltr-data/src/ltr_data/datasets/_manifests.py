"""The public data sets: their addresses, contents and licences.

The tests do not use these addresses. Several projects (PyTorchLTR among them, for MSLR and
Istella-S) state the same addresses and checksums; what is not known for certain is None, such as
the sizes of the archives.
"""

from dataclasses import dataclass
from types import MappingProxyType


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
MANIFESTS = MappingProxyType({manifest.name: manifest for manifest in _ALL})
