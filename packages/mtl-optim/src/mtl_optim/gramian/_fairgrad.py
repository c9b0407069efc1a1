"""Fair resource allocation between tasks."""

import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import check_positive_number
from .._solvers import alpha_fair


class FairGrad(GramianWeighting):
    """The α-fair allocation of a step between tasks: the w > 0 with G w = w^(−1/α).

    It maximises Σ ⟨g_k, d⟩^(1−α) / (1 − α) over directions of bounded length: α = 1 is
    `NashMTL`, a larger α asks for more even gains.

    Weights: they scale as G^(−α/(1+α)), so the step is not proportional to the gradients. A task
    whose gradient vanishes has 0, and so have all at a Pareto-stationary point.

    Args:
        alpha: α > 0.

    Examples:
        >>> FairGrad(alpha=2.0).weights(gramian=torch.tensor([[1.0, 0.0], [0.0, 8.0]]))
        tensor([1.0000, 0.2500])

    References:
        Ban and Ji, Fair Resource Allocation in Multi-Task Learning, ICML 2024. Solved by Newton's
        method rather than by nonlinear least squares.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = check_positive_number("alpha", alpha)

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        return torch.from_numpy(alpha_fair(gramian.numpy(), self.alpha))
