"""Rankers over lists, and checkpoints that carry their feature transforms."""

from .__about__ import __version__
from .ranker import Ranker
from .transformer import ListTransformer

__all__ = ["ListTransformer", "Ranker", "__version__"]
