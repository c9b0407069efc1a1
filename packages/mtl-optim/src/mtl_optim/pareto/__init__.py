"""Pareto tools: preference vectors and indicators of a front."""

from .indicators import delta_m, hypervolume, non_dominated
from .preferences import das_dennis, evenly_spaced

__all__ = ["das_dennis", "delta_m", "evenly_spaced", "hypervolume", "non_dominated"]
