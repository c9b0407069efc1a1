"""Weights that never change."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import check_finite, check_length
from .._per_task import Given
from .._preference import as_vector


class Constant(LossWeighting):
    """Minimise Σ w_k L_k for given weights, of any sum.

    Weights: as given.

    Args:
        weights: w (task,), finite.

    Examples:
        >>> Constant([1.0, 10.0]).weights(losses=torch.tensor([5.0, 1.0]))
        tensor([ 1., 10.])

    References:
        Miettinen, Nonlinear Multiobjective Optimization, 1999, section 3.1.
    """

    values: Tensor
    per_task: ClassVar = {"values": Given()}

    def __init__(self, weights: Sequence[float] | Tensor) -> None:
        super().__init__()
        values = as_vector("weights", weights)
        check_finite(values, "`weights`: the weight")
        self.register_buffer("values", values)

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        check_length("weights", len(self.values), len(losses))
        return self.values.to(losses)


class Sum(LossWeighting):
    """Minimise Σ L_k: w = 1.

    Weights: sum to K.

    Examples:
        >>> Sum().weights(losses=torch.tensor([5.0, 1.0]))
        tensor([1., 1.])

    References:
        Miettinen, Nonlinear Multiobjective Optimization, 1999, section 3.1.
    """

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        return torch.ones_like(losses)


class Mean(LossWeighting):
    """Minimise the mean of the losses: w = 1/K.

    Weights: sum to 1.

    Examples:
        >>> Mean().weights(losses=torch.tensor([5.0, 1.0]))
        tensor([0.5000, 0.5000])

    References:
        Miettinen, Nonlinear Multiobjective Optimization, 1999, section 3.1.
    """

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        return torch.full_like(losses, 1 / len(losses))
