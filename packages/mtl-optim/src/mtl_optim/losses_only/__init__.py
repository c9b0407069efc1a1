"""Methods that look at the losses alone: one backward per step."""

from ._dynamic_weight_average import DynamicWeightAverage
from ._linear_scalarization import LinearScalarization
from ._random_loss_weighting import RandomLossWeighting
from ._scale_invariant import ScaleInvariantScalarization
from ._smooth_chebyshev import SmoothChebyshev
from ._weighted_chebyshev import WeightedChebyshev

__all__ = [
    "DynamicWeightAverage",
    "LinearScalarization",
    "RandomLossWeighting",
    "ScaleInvariantScalarization",
    "SmoothChebyshev",
    "WeightedChebyshev",
]
