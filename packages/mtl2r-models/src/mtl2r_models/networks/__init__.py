"""The rankers: one architecture per file, the table of them, and the conditioning of each."""

from ._arguments import Argument, arguments
from ._conditioned import PreferenceConditioned, stratified_preferences
from ._latent_cross import LatentCross
from ._mlp import MLPScorer
from ._network import Network, NetworkOptions
from ._scorer import Scorer
from ._set_transformer import SetTransformer
from ._table import ARCHITECTURES, CLASSES
from ._transformer import ListTransformer

__all__ = [
    "ARCHITECTURES",
    "CLASSES",
    "Argument",
    "LatentCross",
    "ListTransformer",
    "MLPScorer",
    "Network",
    "NetworkOptions",
    "PreferenceConditioned",
    "Scorer",
    "SetTransformer",
    "arguments",
    "stratified_preferences",
]
