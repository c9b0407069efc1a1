"""Multi-task gradient methods and Pareto tools for any PyTorch project."""

from . import pareto
from .__about__ import __version__
from ._backward import backward
from ._bases import (
    CrossGramianWeighting,
    GramianWeighting,
    JacobianAggregator,
    Learnable,
    LossWeighting,
    Method,
    SecondLook,
    Weighting,
)
from ._step import Step
from .gramian import IMTLG, MGDA, CAGrad, NashMTL, PCGrad, SDMGrad, UPGrad
from .jacobian import GradDrop
from .losses_only import (
    FAMO,
    DynamicWeightAverage,
    EpsilonConstraint,
    LinearScalarization,
    RandomLossWeighting,
    ScaleInvariantScalarization,
    SmoothChebyshev,
    UncertaintyWeighting,
    WeightedChebyshev,
)
from .preference import EPO, WCMGDA
from .wrappers import LogLosses, Wrapper

__all__ = [
    "EPO",
    "FAMO",
    "IMTLG",
    "MGDA",
    "WCMGDA",
    "CAGrad",
    "CrossGramianWeighting",
    "DynamicWeightAverage",
    "EpsilonConstraint",
    "GradDrop",
    "GramianWeighting",
    "JacobianAggregator",
    "Learnable",
    "LinearScalarization",
    "LogLosses",
    "LossWeighting",
    "Method",
    "NashMTL",
    "PCGrad",
    "RandomLossWeighting",
    "SDMGrad",
    "ScaleInvariantScalarization",
    "SecondLook",
    "SmoothChebyshev",
    "Step",
    "UPGrad",
    "UncertaintyWeighting",
    "WeightedChebyshev",
    "Weighting",
    "Wrapper",
    "__version__",
    "backward",
    "pareto",
]
