"""Methods that look at the losses alone: one backward per step."""

from ._constant import Constant, Mean, Sum
from ._cosmos import COSMOS
from ._dynamic_weight_average import DynamicWeightAverage
from ._epsilon_constraint import EpsilonConstraint
from ._famo import FAMO
from ._geometric import GeometricLossStrategy
from ._go4align import GO4Align
from ._imtll import IMTLL
from ._ldc_mtl import LDCMTL
from ._linear_scalarization import LinearScalarization
from ._pbi import PBI
from ._random_loss_weighting import RandomLossWeighting
from ._relobralo import ReLoBRaLo
from ._scale_invariant import ScaleInvariantScalarization
from ._smooth_chebyshev import SmoothChebyshev
from ._uncertainty_weighting import UncertaintyWeighting
from ._weighted_chebyshev import WeightedChebyshev

__all__ = [
    "COSMOS",
    "FAMO",
    "IMTLL",
    "LDCMTL",
    "PBI",
    "Constant",
    "DynamicWeightAverage",
    "EpsilonConstraint",
    "GO4Align",
    "GeometricLossStrategy",
    "LinearScalarization",
    "Mean",
    "RandomLossWeighting",
    "ReLoBRaLo",
    "ScaleInvariantScalarization",
    "SmoothChebyshev",
    "Sum",
    "UncertaintyWeighting",
    "WeightedChebyshev",
]
