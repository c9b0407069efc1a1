"""Gradient normalization."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from .._bases import GramianWeighting
from .._checks import (
    check_count,
    check_length,
    check_non_negative_number,
    check_not_negative,
    check_positive,
)
from .._per_task import Kept
from .._protocols import Learnable


class GradNorm(Learnable, GramianWeighting):
    """Learn weights that make the tasks' gradients equally long, and longer for tasks that lag.

    With r_k = (L_k / L_k(0)) / mean, the weights descend

        Σ_k | w_k ‖g_k‖ − c r_k^α |,   c = mean_j w_j ‖g_j‖,

    where the target c r_k^α is held fixed. A loss that has reached 0 has r = 0; where all
    have, r is 1. Give `method.parameters()` to an optimizer. In the paper ‖g_k‖ is that of the last
    shared layer and the weights are the losses':
    `backward(losses, method, measure=layer.parameters(), heads="weighted")`.

    Weights: K softmax(ξ) with ξ learned; they sum to K.

    Args:
        num_tasks: K.
        alpha: α ≥ 0, how strongly tasks that lag are pulled; 0 makes the gradients equally long.
        accumulation: Calls of `backward` per step of the optimizer.

    Raises:
        ValueError: A loss is negative, or not positive in the first step.
        TypeError: No losses are given.
        RuntimeError: The parameters received gradients and did not change.

    Examples:
        >>> GradNorm(2).weights(gramian=torch.eye(2), losses=torch.ones(2))
        tensor([1., 1.])

    References:
        Chen et al., GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask
        Networks, ICML 2018, algorithm 1.

    Note:
        The paper learns w and divides it by its mean after each step; the softmax keeps the sum
        and the sign at any learning rate.
    """

    first_losses: Tensor
    per_task: ClassVar = {"logits": Kept(), "first_losses": Kept()}

    def __init__(self, num_tasks: int, *, alpha: float = 1.5, accumulation: int = 1) -> None:
        super().__init__(accumulation=accumulation)
        self.alpha = check_non_negative_number("alpha", alpha)
        self.logits = nn.Parameter(torch.zeros(check_count("num_tasks", num_tasks), device="cpu"))
        self.register_buffer("first_losses", torch.empty(0, dtype=torch.float64, device="cpu"))

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        losses = self.require_losses(losses)
        check_length("losses", len(losses), len(self.logits))
        check_not_negative(losses, type(self).__name__)
        if self.first_losses.numel() == 0:
            self.first_losses = torch.full_like(losses, torch.nan)
        unseen = self.first_losses.isnan()
        check_positive(torch.where(unseen, losses, 1.0), type(self).__name__)
        self.first_losses = torch.where(unseen, losses, self.first_losses)
        return self._weights()

    def objective(self, losses: Tensor, gramian: Tensor | None) -> Tensor:
        """Return Σ_k | w_k ‖g_k‖ − c r_k^α |."""
        if gramian is None:
            raise TypeError("GradNorm needs `gramian`, got None")
        lengths = self._weights() * gramian.diagonal().sqrt()
        rate = losses / self.first_losses.to(losses)
        mean = rate.mean()
        rate = rate / mean if float(mean) > 0 else torch.ones_like(rate)
        target = lengths.detach().mean() * rate**self.alpha
        return (lengths - target).abs().sum()

    def _weights(self) -> Tensor:
        return len(self.logits) * self.logits.double().cpu().softmax(dim=0)
