"""Multi-task gradient methods and Pareto tools for any PyTorch project."""

from . import gramian, jacobian, losses_only, pareto
from .__about__ import __version__
from ._backward import backward
from ._bases import (
    CrossGramianWeighting,
    GramianWeighting,
    JacobianAggregator,
    LossWeighting,
    Method,
    Weighting,
)
from ._per_sample import watch
from ._protocols import EpochEnd, Learnable, SecondLook
from ._step import Step
from .gramian import *  # noqa: F403
from .jacobian import *  # noqa: F403
from .losses_only import *  # noqa: F403
from .wrappers import CRMOGM, LogLosses, RescaledWeights, UpdateEvery, Wrapper

__all__ = [
    *gramian.__all__,
    *jacobian.__all__,
    *losses_only.__all__,
    "CRMOGM",
    "CrossGramianWeighting",
    "EpochEnd",
    "GramianWeighting",
    "JacobianAggregator",
    "Learnable",
    "LogLosses",
    "LossWeighting",
    "Method",
    "RescaledWeights",
    "SecondLook",
    "Step",
    "UpdateEvery",
    "Weighting",
    "Wrapper",
    "__version__",
    "backward",
    "pareto",
    "watch",
]
