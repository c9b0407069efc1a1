"""Stochastic direction-oriented multi-objective gradient descent."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .._bases import CrossGramianWeighting
from .._checks import (
    check_count,
    check_non_negative_number,
    check_positive_number,
    check_same_tasks,
)
from .._per_task import Shares
from .._solvers import project_onto_simplex


class SDMGrad(CrossGramianWeighting):
    """A common descent direction held near the mean gradient, found without the bias of one batch.

    w follows argmin over the simplex of ½ ‖Jᵀ w + λ g₀‖² by projected steps

        w ← Π(w − η C (w + λ/K) / ‖C‖),   C = J J'ᵀ,

    where J and J' are the Jacobians on two independent batches, so that C is an unbiased estimate
    of the Gramian of the mean gradients; d = (Jᵀ w + λ g₀) / (1 + λ). w is kept between steps.

    Weights: (w + λ/K) / (1 + λ); they sum to 1.

    Args:
        lam: λ ≥ 0, the pull towards the mean gradient g₀; 0 is MGDA.
        step_size: η > 0.
        steps: Projected steps per call, at least 1.
        one_batch: Use the Gramian of one batch, C = G, whose noise biases w towards tasks with
            quiet gradients; for comparisons, and where a second batch is too dear.

    Examples:
        >>> method = SDMGrad(lam=0.0, steps=100, one_batch=True)
        >>> method.weights(gramian=torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([0.8000, 0.2000])

    References:
        Xiao, Ban and Ji, Direction-oriented Multi-objective Learning: Simple and Provable
        Stochastic Algorithms, NeurIPS 2023, algorithm 1.

    Note:
        The paper draws three batches: two for w, and one for d. Here d is taken on the first of
        two. Steps are relative to the Frobenius norm ‖C‖, so that η has no unit.
    """

    simplex_point: Tensor
    per_task: ClassVar = {"simplex_point": Shares()}

    def __init__(
        self, lam: float = 0.3, *, step_size: float = 1.0, steps: int = 20, one_batch: bool = False
    ) -> None:
        super().__init__(one_batch=one_batch)
        self.lam = check_non_negative_number("lam", lam)
        self.steps = check_count("steps", steps)
        self.step_size = check_positive_number("step_size", step_size)
        self.register_buffer("simplex_point", torch.empty(0, dtype=torch.float64, device="cpu"))

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,) for the cross-Gramian (task, task)."""
        tasks = len(gramian)
        if self.simplex_point.numel() == 0:
            self.simplex_point = torch.full((tasks,), 1 / tasks, dtype=torch.float64, device="cpu")
        check_same_tasks(tasks, len(self.simplex_point))
        w = self.simplex_point.cpu().numpy()
        largest = float(gramian.abs().max())
        if largest > 0:
            C = gramian.numpy() / largest
            C /= np.linalg.norm(C)
            for _ in range(self.steps):
                w = project_onto_simplex(w - self.step_size * (C @ (w + self.lam / tasks)))
            self.simplex_point = torch.from_numpy(w)
        return (torch.from_numpy(w) + self.lam / tasks) / (1 + self.lam)
