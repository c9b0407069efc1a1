"""Rankers over lists, and checkpoints that carry their feature transforms."""

from .__about__ import __version__
from .conditioned import PreferenceConditioned
from .latent_cross import LatentCross
from .mlp import MLPScorer
from .network import Network, NetworkOptions
from .ranker import Ranker, Ranking
from .scorer import Scorer
from .set_transformer import SetTransformer
from .transformer import ListTransformer

__all__ = [
    "LatentCross",
    "ListTransformer",
    "MLPScorer",
    "Network",
    "NetworkOptions",
    "PreferenceConditioned",
    "Ranker",
    "Ranking",
    "Scorer",
    "SetTransformer",
    "__version__",
]
