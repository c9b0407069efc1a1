"""The geometric loss strategy."""

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import check_not_negative


class GeometricLossStrategy(LossWeighting):
    """Minimise the geometric mean of the losses, (Π L_k)^(1/K).

    The unit in which a loss is measured does not change the direction. `LogLosses(Mean())` has the
    same direction at another length. Where a loss has reached 0 so has the mean, its least: all
    weights are 0, the limit of those of the other tasks.

    Weights: w_k = m / (K L_k), where m is the geometric mean; Σ w_k L_k = m.

    Raises:
        ValueError: A loss is negative (the message names the task).

    Examples:
        >>> GeometricLossStrategy().weights(losses=torch.tensor([1.0, 4.0]))
        tensor([1.0000, 0.2500])

    References:
        Chennupati et al., MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy
        for Multi-Task Learning, CVPR Workshops 2019.
    """

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        check_not_negative(losses, type(self).__name__)
        logs = losses.log()
        return torch.where(losses > 0, torch.exp(logs.mean() - logs) / len(losses), 0.0)
