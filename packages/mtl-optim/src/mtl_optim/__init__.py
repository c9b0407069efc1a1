"""Multi-task gradient methods and Pareto tools for any PyTorch project."""

from . import pareto
from .__about__ import __version__
from ._backward import backward
from ._bases import GramianWeighting, JacobianAggregator, LossWeighting, SecondLook
from ._step import Step
from .gramian import MGDA, NashMTL, PCGrad
from .losses_only import LinearScalarization, WeightedChebyshev

__all__ = [
    "MGDA",
    "GramianWeighting",
    "JacobianAggregator",
    "LinearScalarization",
    "LossWeighting",
    "NashMTL",
    "PCGrad",
    "SecondLook",
    "Step",
    "WeightedChebyshev",
    "__version__",
    "backward",
    "pareto",
]
