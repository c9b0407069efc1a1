"""Balance of the gradients' norms."""

from typing import ClassVar

import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import check_below_one, check_same_tasks
from .._per_task import Kept


class NormBalance(GramianWeighting):
    """Make the weighted gradients equally long: w_k ← α w_k + (1 − α) Σ_j ‖g_j‖ / ‖g_k‖.

    At α = 0 all w_k ‖g_k‖ are Σ_j ‖g_j‖. The average starts at 1 and smooths the noise of batches;
    weights found at every m-th step, as in the paper, are `UpdateEvery(NormBalance(), steps=m)`.

    Weights: at α = 0 Σ 1/w_k = 1, so K each for equal norms. A task whose gradient vanishes keeps
    its weight, 1 at the start.

    Args:
        alpha: α in [0, 1).

    Examples:
        >>> method = NormBalance(alpha=0.5)
        >>> method.weights(gramian=torch.tensor([[1.0, 0.0], [0.0, 9.0]]))
        tensor([2.5000, 1.1667])

    References:
        Wang, Sankaran, Wang and Perdikaris, An Expert's Guide to Training Physics-informed Neural
        Networks, arXiv 2308.08468, equations 2.12 to 2.15.
    """

    scales: Tensor
    per_task: ClassVar = {"scales": Kept(1.0)}

    def __init__(self, *, alpha: float = 0.9) -> None:
        super().__init__()
        self.alpha = check_below_one("alpha", alpha)
        self.register_buffer("scales", torch.empty(0, dtype=torch.float64, device="cpu"))

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        norms = gramian.diagonal().sqrt()
        if self.scales.numel() == 0:
            self.scales = torch.ones_like(norms)
        check_same_tasks(len(norms), len(self.scales))
        scales = self.scales.to(norms)
        found = torch.where(norms > 0, norms.sum() / norms, scales)
        self.scales = self.alpha * scales + (1 - self.alpha) * found
        return self.scales
