"""The geometric loss strategy."""

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import check_positive


class GeometricLossStrategy(LossWeighting):
    """Minimise the geometric mean of the losses, (Π L_k)^(1/K).

    The unit in which a loss is measured does not change the direction. `LogLosses(Mean())` has the
    same direction at another length.

    Weights: w_k = m / (K L_k), where m is the geometric mean; Σ w_k L_k = m.

    Raises:
        ValueError: A loss is not positive (the message names the task).

    Examples:
        >>> GeometricLossStrategy().weights(losses=torch.tensor([1.0, 4.0]))
        tensor([1.0000, 0.2500])

    References:
        Chennupati et al., MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy
        for Multi-Task Learning, CVPR Workshops 2019.
    """

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        check_positive(losses, type(self).__name__)
        logs = losses.log()
        return torch.exp(logs.mean() - logs) / len(losses)
