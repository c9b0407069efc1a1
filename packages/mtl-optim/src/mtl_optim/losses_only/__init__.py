"""Methods that look at the losses alone: one backward per step."""

from ._linear_scalarization import LinearScalarization
from ._weighted_chebyshev import WeightedChebyshev

__all__ = ["LinearScalarization", "WeightedChebyshev"]
