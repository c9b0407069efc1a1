"""Multi-objective gradient with double sampling."""

from typing import ClassVar

import torch
from torch import Tensor

from .._bases import CrossGramianWeighting
from .._checks import check_non_negative_number, check_positive_number
from .._per_task import Shares
from ._moco import follow_simplex


class MoDo(CrossGramianWeighting):
    """Weights that follow MGDA's by one step per batch, without the bias of one batch.

    w ← Π(w − γ (C w + ρ w)) on the simplex with C = J J'ᵀ / ‖J J'ᵀ‖, the products of the gradients
    on two independent batches; d = Jᵀ w. A small γ trades the distance to MGDA's direction for
    generalization.

    Weights: sum to 1.

    Args:
        gamma: γ > 0.
        rho: ρ ≥ 0, the pull towards even weights.
        one_batch: Use the Gramian of one batch, which is biased; for comparisons.

    Examples:
        >>> method = MoDo(gamma=0.5)
        >>> method.weights(gramian=torch.tensor([[1.0, 0.0], [0.0, 3.0]]))
        tensor([0.5791, 0.4209])

    References:
        Chen et al., Three-Way Trade-Off in Multi-Objective Learning: Optimization, Generalization
        and Conflict-Avoidance, NeurIPS 2023 and JMLR 25, 2024.

    Note:
        The paper takes d on the mean of both batches, and its released code also on a third; here d
        is taken on the first of two. Steps are relative to the Frobenius norm of J J'ᵀ, so that γ
        has no unit.
    """

    simplex_point: Tensor
    per_task: ClassVar = {"simplex_point": Shares()}

    def __init__(self, *, gamma: float = 0.1, rho: float = 0.0, one_batch: bool = False) -> None:
        super().__init__(one_batch=one_batch)
        self.gamma = check_positive_number("gamma", gamma)
        self.rho = check_non_negative_number("rho", rho)
        self.register_buffer("simplex_point", torch.empty(0, dtype=torch.float64, device="cpu"))

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,) for the cross-Gramian (task, task)."""
        self.simplex_point = follow_simplex(self.simplex_point, gramian, self.gamma, self.rho)
        return self.simplex_point.clone()
