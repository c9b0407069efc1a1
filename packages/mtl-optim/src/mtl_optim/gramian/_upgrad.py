"""Unconflicting projection of gradients."""

import numpy as np
import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._preference import MayHoldPreference
from .._solvers import project_onto_dual_cone


class UPGrad(MayHoldPreference, GramianWeighting):
    """Project each gradient onto the dual cone {d : J d ≥ 0} and take the mean.

    The direction conflicts with no task, whatever the norms: ⟨g_k, d⟩ ≥ 0. Each task's part grows
    in proportion to its gradient. Without a conflict d is the mean gradient. With a preference the
    means are Σ r_k of the projections and of the gradients.

    Weights: at least 1/K each, or r; sum to 1 without a conflict. A task whose gradient vanishes
    has 0.

    Args:
        preference: r (task,), on the simplex; None is 1/K each.

    Examples:
        >>> UPGrad().weights(gramian=torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
        tensor([0.7500, 0.7500])

    References:
        Quinton and Rey, Jacobian Descent for Multi-Objective Optimization, arXiv 2406.16232,
        section 3. Solved exactly on the unit-diagonal Gramian, with nothing added to its diagonal.
    """

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        rows = project_onto_dual_cone(gramian.numpy(), np.eye(len(gramian)))
        if self.preference is None:
            return torch.from_numpy(rows.mean(axis=0))
        return torch.from_numpy(self.shares(len(rows)) @ rows)
