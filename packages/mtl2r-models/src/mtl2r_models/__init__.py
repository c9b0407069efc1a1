"""Rankers over lists, and checkpoints that carry their feature transforms."""

from .__about__ import __version__
from .mlp import MLPScorer
from .ranker import Ranker, Ranking
from .scorer import Scorer
from .transformer import ListTransformer

__all__ = ["ListTransformer", "MLPScorer", "Ranker", "Ranking", "Scorer", "__version__"]
