"""Projection onto the dual cone."""

import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._preference import MayHoldPreference
from .._solvers import project_onto_dual_cone


class DualProj(MayHoldPreference, GramianWeighting):
    """Project the mean gradient onto the dual cone {d : J d ≥ 0}.

    The direction nearest to the mean gradient that conflicts with no task, whatever the norms:
    ⟨g_k, d⟩ ≥ 0. Without a conflict d is the mean gradient. With a preference the mean
    is Σ r_k g_k.

    Weights: at least 1/K each, or r; sum to 1 without a conflict. A task whose gradient vanishes
    has 0.

    Args:
        preference: r (task,), on the simplex; None is 1/K each.

    Examples:
        >>> DualProj().weights(gramian=torch.tensor([[1.0, -1.0], [-1.0, 4.0]]))
        tensor([0.5000, 0.5000])

    References:
        Lopez-Paz and Ranzato, Gradient Episodic Memory for Continual Learning, NeurIPS 2017,
        equation 11, with the mean gradient in place of the current task's.
    """

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        mean = self.shares(len(gramian))[None]
        return torch.from_numpy(project_onto_dual_cone(gramian.numpy(), mean)[0])
