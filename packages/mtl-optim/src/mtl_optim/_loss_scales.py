"""Learned scales of the losses, which `IMTLL` is and `IMTL` starts from."""

import torch
from torch import Tensor, nn

from ._checks import check_count
from ._protocols import Learnable


class LossScales(Learnable):
    """Mixin of a method that learns the s of Σ e^(s_k) L_k − s_k: at fixed losses e^s = 1 / L.

    Name it before the kind (`class IMTLL(LossScales, LossWeighting)`).

    Args:
        num_tasks: K.
        accumulation: Calls of `backward` per step of the optimizer.
    """

    def __init__(self, num_tasks: int, *, accumulation: int = 1) -> None:
        super().__init__(accumulation=accumulation)
        self.log_scales = nn.Parameter(torch.zeros(check_count("num_tasks", num_tasks)))

    def objective(self, losses: Tensor, gramian: Tensor | None) -> Tensor:
        """Return Σ e^(s_k) L_k − s_k."""
        s = self.log_scales.to(losses)
        return s.exp() @ losses - s.sum()
