"""Ranking data: from text files to labelled, masked, length-bucketed batches."""

from . import datasets
from .__about__ import __version__
from ._batch import RankingBatch, collate
from ._chain import ComposeFeatures
from ._columns import ColumnView
from ._convert import convert, convert_all
from ._dataset import RankingDataset
from ._describe import Description, describe
from ._features import FeatureTransform, LogStandardize, Standardize
from ._files import atomic_folder, atomic_write, recover_folder, sweep
from ._label_grades import QuantileGrades
from ._label_transforms import (
    Binarize,
    Clip,
    Compose,
    Identity,
    Invert,
    LabelTransform,
    Log1p,
)
from ._labels import LabelSpec
from ._loader import Loader
from ._long_lists import LongLists
from ._open import open  # noqa: A004 - as in `_open`
from ._progress import Progress, ProgressPrinter
from ._ranges import ClipOutliers, MinMaxScale, QuantileTransform
from ._sampling import BucketBatchSampler, batches
from ._source import read
from ._static import StaticBatchSampler, static_lengths
from ._table import RankingTable
from ._tables import from_arrow, from_numpy, from_pandas, to_arrow, write_parquet
from ._tabular import Columns
from .svmrank import read_svmrank, write_svmrank

__all__ = [
    "Binarize",
    "BucketBatchSampler",
    "Clip",
    "ClipOutliers",
    "ColumnView",
    "Columns",
    "Compose",
    "ComposeFeatures",
    "Description",
    "FeatureTransform",
    "Identity",
    "Invert",
    "LabelSpec",
    "LabelTransform",
    "Loader",
    "Log1p",
    "LogStandardize",
    "LongLists",
    "MinMaxScale",
    "Progress",
    "ProgressPrinter",
    "QuantileGrades",
    "QuantileTransform",
    "RankingBatch",
    "RankingDataset",
    "RankingTable",
    "Standardize",
    "StaticBatchSampler",
    "__version__",
    "atomic_folder",
    "atomic_write",
    "batches",
    "collate",
    "convert",
    "convert_all",
    "datasets",
    "describe",
    "from_arrow",
    "from_numpy",
    "from_pandas",
    "open",
    "read",
    "read_svmrank",
    "recover_folder",
    "static_lengths",
    "sweep",
    "to_arrow",
    "write_parquet",
    "write_svmrank",
]
