"""Uncertainty weighting."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from .._bases import LossWeighting
from .._checks import check_count, check_length
from .._per_task import Kept
from .._protocols import Learnable


class UncertaintyWeighting(Learnable, LossWeighting):
    """Weigh each task by its learned noise: minimise Σ ½ e^(−s_k) L_k + ½ s_k over s too.

    s_k is the logarithm of the variance of task k; for fixed losses the optimum is e^s = L. Give
    `method.parameters()` to an optimizer: `backward` fills their `.grad` with the model's, and
    raises where they stay as they were.

    Weights: ½ e^(−s), so their sum has no fixed value; 1/2 each at the start.

    Args:
        num_tasks: K.
        accumulation: Calls of `backward` per step of the optimizer.

    Raises:
        RuntimeError: The parameters received gradients and did not change.

    Examples:
        >>> UncertaintyWeighting(2).weights(losses=torch.tensor([1.0, 3.0]))
        tensor([0.5000, 0.5000])

    References:
        Kendall, Gal and Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses for Scene
        Geometry and Semantics, CVPR 2018, section 3, the form of two regressions.
    """

    per_task: ClassVar = {"log_variances": Kept()}

    def __init__(self, num_tasks: int, *, accumulation: int = 1) -> None:
        super().__init__(accumulation=accumulation)
        self.log_variances = nn.Parameter(
            torch.zeros(check_count("num_tasks", num_tasks), device="cpu")
        )

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        check_length("losses", len(losses), len(self.log_variances))
        return (-self.log_variances.to(losses)).exp() / 2

    def objective(self, losses: Tensor, gramian: Tensor | None) -> Tensor:
        """Return Σ ½ e^(−s_k) L_k + ½ s_k."""
        s = self.log_variances.to(losses)
        return ((-s).exp() @ losses + s.sum()) / 2
