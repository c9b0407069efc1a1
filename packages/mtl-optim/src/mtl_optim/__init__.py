"""Multi-task gradient methods and Pareto tools for any PyTorch project."""

from . import pareto
from .__about__ import __version__
from ._backward import backward
from ._bases import GramianWeighting, JacobianAggregator, LossWeighting, SecondLook
from ._step import Step
from .gramian import MGDA, NashMTL, PCGrad, UPGrad
from .losses_only import (
    DynamicWeightAverage,
    LinearScalarization,
    RandomLossWeighting,
    ScaleInvariantScalarization,
    SmoothChebyshev,
    WeightedChebyshev,
)

__all__ = [
    "MGDA",
    "DynamicWeightAverage",
    "GramianWeighting",
    "JacobianAggregator",
    "LinearScalarization",
    "LossWeighting",
    "NashMTL",
    "PCGrad",
    "RandomLossWeighting",
    "ScaleInvariantScalarization",
    "SecondLook",
    "SmoothChebyshev",
    "Step",
    "UPGrad",
    "WeightedChebyshev",
    "__version__",
    "backward",
    "pareto",
]
