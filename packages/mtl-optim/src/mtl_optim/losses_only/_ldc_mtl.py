"""Loss discrepancy control."""

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from .._bases import LossWeighting
from .._checks import check_count, check_length, check_non_negative_number, unknown_name
from .._per_task import Kept
from .._protocols import Learnable

Scales = Literal["learned", "ones"]


class LDCMTL(Learnable, LossWeighting):
    """Learn weights, and keep the losses from drifting apart by a penalty on their differences.

    Over the model's parameters and over W it minimises

        Σ σ_k L_k / Σ σ  +  λ Σ_{k<K} |τ_k L_k − τ_{k+1} L_{k+1}|,   σ = sigmoid(W)

    with the divisor Σ σ held fixed, and τ = σ ("learned") or τ = 1 ("ones"). Each task is compared
    with the next one: the penalty depends on their order, and is 0 where all τ_k L_k are equal.
    Give `method.parameters()` to an optimizer.

    Weights: the slopes of that scalar, which sum to 1 at λ = 0; a task below its neighbours has
    less, and may have a negative weight.

    Args:
        num_tasks: K.
        penalty: λ ≥ 0, in units of a weight.
        scales: What the losses are compared by.
        accumulation: Calls of `backward` per step of the optimizer.

    Raises:
        RuntimeError: The parameters received gradients and did not change.

    Examples:
        >>> LDCMTL(2, penalty=0.1, scales="ones").weights(losses=torch.tensor([1.0, 3.0]))
        tensor([0.4000, 0.6000])

    References:
        Xiao, Dong, Zou and Ji, LDC-MTL: Balancing Multi-Task Learning through Scalable Loss
        Discrepancy Control, arXiv 2502.08585.

    Note:
        The single loop of the released code, whose W are free parameters for CelebA, with
        "learned" scales and λ = 0.01, and the output of a small network for Cityscapes, with "ones"
        and λ = 0.1. They start at W = 1, as there. Here W is free in both.
    """

    per_task: ClassVar = {"logits": Kept()}

    def __init__(
        self,
        num_tasks: int,
        *,
        penalty: float = 0.01,
        scales: Scales = "learned",
        accumulation: int = 1,
    ) -> None:
        super().__init__(accumulation=accumulation)
        if scales not in get_args(Scales):
            raise unknown_name("scales", scales, get_args(Scales))
        self.penalty = check_non_negative_number("penalty", penalty)
        self.scales = scales
        self.logits = nn.Parameter(torch.ones(check_count("num_tasks", num_tasks), device="cpu"))

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        check_length("losses", len(losses), len(self.logits))
        with torch.no_grad():
            shares, tau = self._scales(losses)
            sides = (tau * losses).diff().sign()
            end = torch.zeros(1, dtype=losses.dtype, device="cpu")
            return shares / shares.sum() + self.penalty * tau * (
                torch.cat([end, sides]) - torch.cat([sides, end])
            )

    def objective(self, losses: Tensor, gramian: Tensor | None) -> Tensor:
        """Return Σ σ_k L_k / Σ σ + λ Σ |τ_k L_k − τ_{k+1} L_{k+1}|."""
        shares, tau = self._scales(losses)
        apart = (tau * losses).diff().abs().sum()
        return shares @ losses / shares.sum().detach() + self.penalty * apart

    def _scales(self, losses: Tensor) -> tuple[Tensor, Tensor]:
        """Return σ and τ, each (task,)."""
        shares = self.logits.to(losses).sigmoid()
        return shares, shares if self.scales == "learned" else torch.ones_like(shares)
