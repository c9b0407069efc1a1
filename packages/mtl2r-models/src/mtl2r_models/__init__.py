"""Rankers over lists, and checkpoints that carry their feature transforms."""

from .__about__ import __version__
from .networks import (
    ARCHITECTURES,
    Argument,
    LatentCross,
    ListTransformer,
    MLPScorer,
    Network,
    NetworkOptions,
    PreferenceConditioned,
    Scorer,
    SetTransformer,
    arguments,
    stratified_preferences,
)
from .ranker import Ranker, Ranking, export_onnx, export_program

__all__ = [
    "ARCHITECTURES",
    "Argument",
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
    "arguments",
    "export_onnx",
    "export_program",
    "stratified_preferences",
]
