"""Rankers over lists, and checkpoints that carry their feature transforms."""

from . import networks, ranker
from .__about__ import __version__
from .networks import *  # noqa: F403  its `__all__` is the index of the networks
from .ranker import *  # noqa: F403

__all__ = [*networks.__all__, *ranker.__all__, "__version__"]
