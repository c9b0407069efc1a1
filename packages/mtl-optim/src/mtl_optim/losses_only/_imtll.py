"""IMTL-L: the half of impartial multi-task learning that balances losses."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from .._bases import LossWeighting
from .._checks import check_count, check_length
from .._per_task import Kept
from .._protocols import Learnable


class LossScales(Learnable):
    """Mixin of a method that learns the s of Σ e^(s_k) L_k − s_k: at fixed losses e^s = 1 / L.

    Name it before the kind (`class IMTLL(LossScales, LossWeighting)`).
    """

    per_task: ClassVar = {"log_scales": Kept()}

    def __init__(self, num_tasks: int, *, accumulation: int = 1) -> None:
        super().__init__(accumulation=accumulation)
        self.log_scales = nn.Parameter(
            torch.zeros(check_count("num_tasks", num_tasks), device="cpu")
        )

    def objective(self, losses: Tensor, gramian: Tensor | None) -> Tensor:
        """Return Σ e^(s_k) L_k − s_k."""
        s = self.log_scales.to(losses)
        return s.exp() @ losses - s.sum()


class IMTLL(LossScales, LossWeighting):
    """IMTL-L: minimise Σ e^(s_k) L_k − s_k over s too, which scales every loss to 1.

    For fixed losses the optimum is e^s = 1 / L. Give `method.parameters()` to an optimizer:
    `backward` fills their `.grad`, and raises where they stay as they were.

    Weights: e^s, so their sum has no fixed value; 1 each at the start.

    Args:
        num_tasks: K.
        accumulation: Calls of `backward` per step of the optimizer.

    Raises:
        RuntimeError: The parameters received gradients and did not change.

    Examples:
        >>> IMTLL(2).weights(losses=torch.tensor([1.0, 3.0]))
        tensor([1., 1.])

    References:
        Liu et al., Towards Impartial Multi-task Learning, ICLR 2021, section 3.2,
        equation 6.
    """

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        check_length("losses", len(losses), len(self.log_scales))
        return self.log_scales.to(losses).exp()
