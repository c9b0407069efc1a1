"""Stochastic multi-objective gradient correction."""

import math
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import (
    check_non_negative_number,
    check_number,
    check_positive_number,
    check_same_tasks,
)
from .._per_task import Shares
from .._solvers import project_onto_simplex
from .._tracking import TrackedGradients


class MoCo(TrackedGradients, GramianWeighting):
    """Combine tracked gradients, whose noise dies out, with weights that follow MGDA's slowly.

    y_k ← y_k + β (g_k − y_k) and w ← Π(w − γ (Y Yᵀ + ρ I) w / ‖Y Yᵀ‖) on the simplex; d = Yᵀ w.
    The direction of MGDA on one batch is biased; with tracked gradients the bias vanishes.

    Weights: of the tracked gradients; they sum to 1. Only with `shared=`: each gradient is kept.

    Args:
        beta: β in (0, 1].
        gamma: γ > 0.
        rho: ρ ≥ 0, the pull towards even weights, in units of ‖Y Yᵀ‖.

    Examples:
        >>> method = MoCo(gamma=0.5)
        >>> method.weights(gramian=torch.tensor([[1.0, 0.0], [0.0, 3.0]]))
        tensor([0.5791, 0.4209])

    References:
        Fernando et al., Mitigating Gradient Bias in Multi-objective Learning: A Provably Convergent
        Approach, ICLR 2023.

    Note:
        Steps are relative to the Frobenius norm ‖Y Yᵀ‖, so that γ and ρ have no unit, and β is
        constant. y starts at the first gradient, and is not projected onto a ball. The released
        code normalises the gradients first, and has a softmax for the projection.
    """

    simplex_point: Tensor
    per_task: ClassVar = {"simplex_point": Shares()}

    def __init__(self, *, beta: float = 0.1, gamma: float = 0.1, rho: float = 0.0) -> None:
        super().__init__()
        if not 0 < check_number("beta", beta) <= 1:
            raise ValueError(f"`beta` must be in (0, 1], got {beta}")
        self.beta, self.gamma = beta, check_positive_number("gamma", gamma)
        self.rho = check_non_negative_number("rho", rho)
        self.register_buffer("simplex_point", torch.empty(0, dtype=torch.float64, device="cpu"))

    def rate(self, step: int) -> float:
        """Return β, and 1 at the first step."""
        return 1.0 if step == 1 else self.beta

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        self.simplex_point = follow_simplex(self.simplex_point, gramian, self.gamma, self.rho)
        return self.simplex_point.clone()


def follow_simplex(point: Tensor, gramian: Tensor, gamma: float, rho: float) -> Tensor:
    """Return Π(w − γ (G / ‖G‖ + ρ I) w) for w (task,) on the simplex; an empty w is even."""
    tasks = len(gramian)
    if point.numel() == 0:
        point = torch.full((tasks,), 1 / tasks, dtype=torch.float64, device="cpu")
    check_same_tasks(tasks, len(point))
    w, G = point.cpu().numpy(), gramian.numpy()
    largest = np.abs(G).max()
    if largest > 0:
        G = G / largest
        w = project_onto_simplex(w - gamma * (G @ w / math.sqrt(np.vdot(G, G)) + rho * w))
    return torch.from_numpy(w)
