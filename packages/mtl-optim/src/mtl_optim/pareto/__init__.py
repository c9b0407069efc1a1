"""Pareto tools: preferences, indicators of a front, certificates of its points, navigation."""

from . import navigation
from ._adaptive import Gap, arc_spaced, largest_gap
from ._certificates import KKTResidual, constraint_slack, kkt_residual, ray_error
from ._dominance import non_dominated, probability_non_dominated
from ._hypervolumes import (
    hypervolume,
    hypervolume_contributions,
    hypervolume_gradient,
    hypervolume_improvement,
    hypervolume_samples,
)
from ._indicators import delta_m, igd_plus, r2, spread
from ._model_sets import stch_set_weights
from ._preferences import das_dennis, evenly_spaced, preference_of_ray, ray_of_preference, riesz
from .navigation import *  # noqa: F403

__all__ = [
    *navigation.__all__,
    "Gap",
    "KKTResidual",
    "arc_spaced",
    "constraint_slack",
    "das_dennis",
    "delta_m",
    "evenly_spaced",
    "hypervolume",
    "hypervolume_contributions",
    "hypervolume_gradient",
    "hypervolume_improvement",
    "hypervolume_samples",
    "igd_plus",
    "kkt_residual",
    "largest_gap",
    "non_dominated",
    "preference_of_ray",
    "probability_non_dominated",
    "r2",
    "ray_error",
    "ray_of_preference",
    "riesz",
    "spread",
    "stch_set_weights",
]
