"""Ranking data: from text files to labelled, masked, length-bucketed batches."""

from . import datasets, files, trec
from .__about__ import __version__
from ._columns import ColumnView
from ._dataset import RankingDataset
from ._describe import ColumnDescription, Description, describe
from ._open import has_named_columns, open, open_table, read  # noqa: A004 - as in `_open`
from ._progress import Progress, ProgressPrinter
from ._splitting import split
from ._strings import Strings
from ._table import RankingTable
from .batching._batch import RankingBatch, collate
from .batching._loader import Loader, batches
from .batching._long_lists import LongLists
from .batching._sampling import BucketBatchSampler
from .batching._static import StaticBatchSampler, static_lengths
from .features._chain import ComposeFeatures
from .features._ranges import ClipOutliers, MinMaxScale, QuantileTransform
from .features._table_transform import TableTransform
from .features._transform import FeatureTransform, LogStandardize, Standardize
from .features._words import fit_words
from .labels._spec import LabelSpec
from .labels._transforms import (
    AutoGrades,
    Binarize,
    Clip,
    Compose,
    GradesPerList,
    Identity,
    Invert,
    LabelTransform,
    Log1p,
    QuantileGrades,
)
from .mapped._convert import convert, convert_all
from .readers._in_memory import from_arrow, from_numpy, from_pandas, to_arrow, write_parquet
from .readers._tabular import Columns
from .readers.svmrank._reader import read_svmrank
from .readers.svmrank._writer import write_svmrank

__all__ = [
    "AutoGrades",
    "Binarize",
    "BucketBatchSampler",
    "Clip",
    "ClipOutliers",
    "ColumnDescription",
    "ColumnView",
    "Columns",
    "Compose",
    "ComposeFeatures",
    "Description",
    "FeatureTransform",
    "GradesPerList",
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
    "Strings",
    "TableTransform",
    "__version__",
    "batches",
    "collate",
    "convert",
    "convert_all",
    "datasets",
    "describe",
    "files",
    "fit_words",
    "from_arrow",
    "from_numpy",
    "from_pandas",
    "has_named_columns",
    "open",
    "open_table",
    "read",
    "read_svmrank",
    "split",
    "static_lengths",
    "to_arrow",
    "trec",
    "write_parquet",
    "write_svmrank",
]
