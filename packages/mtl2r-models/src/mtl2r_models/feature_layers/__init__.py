"""Layers between the features and the first layer of a ranker.

Networks are worse than trees at features of odd scales and at thresholds; these layers help. They
can be stacked in any order before any architecture: its `feature_layers` is a list of their
configs, dicts with a ``kind`` (a key of `KINDS`) and the options of the class.
"""

from ._base import FeatureLayer
from ._cross import Cross
from ._log_scale import LogScale
from ._noise import FeatureNoise
from ._periodic import Periodic
from ._piecewise_linear import PiecewiseLinear
from ._stack import KINDS, FeatureLayers
from ._words import WordEmbeddings

__all__ = [
    "KINDS",
    "Cross",
    "FeatureLayer",
    "FeatureLayers",
    "FeatureNoise",
    "LogScale",
    "Periodic",
    "PiecewiseLinear",
    "WordEmbeddings",
]
