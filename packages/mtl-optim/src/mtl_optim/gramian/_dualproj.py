"""Projection onto the dual cone."""

import numpy as np
import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._solvers import project_onto_dual_cone


class DualProj(GramianWeighting):
    """Project the mean gradient onto the dual cone {d : J d ≥ 0}.

    The direction nearest to the mean gradient that conflicts with no task, whatever the norms:
    ⟨g_k, d⟩ ≥ 0. Without a conflict d is the mean gradient.

    Weights: at least 1/K each; sum to 1 without a conflict. A task whose gradient vanishes has 0.

    Examples:
        >>> DualProj().weights(gramian=torch.tensor([[1.0, -1.0], [-1.0, 4.0]]))
        tensor([0.5000, 0.5000])

    References:
        Lopez-Paz and Ranzato, Gradient Episodic Memory for Continual Learning, NeurIPS 2017,
        equation 11, with the mean gradient in place of the current task's.
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        mean = np.full((1, len(gramian)), 1 / len(gramian))
        return torch.from_numpy(project_onto_dual_cone(gramian.numpy(), mean)[0])
