"""Ranking data: from text files to labelled, masked, length-bucketed batches."""

from . import datasets
from .__about__ import __version__
from ._batch import RankingBatch, collate
from ._columns import ColumnView
from ._convert import Progress, convert, convert_all
from ._dataset import RankingDataset
from ._features import FeatureTransform, LogStandardize, Standardize
from ._files import atomic_folder, atomic_write, recover_folder, sweep
from ._label_transforms import (
    Binarize,
    Clip,
    Compose,
    Identity,
    Invert,
    LabelTransform,
    Log1p,
    QuantileGrades,
)
from ._labels import LabelSpec
from ._open import open  # noqa: A004 - as in `_open`
from ._progress import ProgressPrinter
from ._sampling import BucketBatchSampler, batches
from ._source import read
from ._table import RankingTable
from ._tabular import Columns, from_arrow, from_numpy, from_pandas, to_arrow, write_parquet
from .svmrank import read_svmrank, write_svmrank

__all__ = [
    "Binarize",
    "BucketBatchSampler",
    "Clip",
    "ColumnView",
    "Columns",
    "Compose",
    "FeatureTransform",
    "Identity",
    "Invert",
    "LabelSpec",
    "LabelTransform",
    "Log1p",
    "LogStandardize",
    "Progress",
    "ProgressPrinter",
    "QuantileGrades",
    "RankingBatch",
    "RankingDataset",
    "RankingTable",
    "Standardize",
    "__version__",
    "atomic_folder",
    "atomic_write",
    "batches",
    "collate",
    "convert",
    "convert_all",
    "datasets",
    "from_arrow",
    "from_numpy",
    "from_pandas",
    "open",
    "read",
    "read_svmrank",
    "recover_folder",
    "sweep",
    "to_arrow",
    "write_parquet",
    "write_svmrank",
]
