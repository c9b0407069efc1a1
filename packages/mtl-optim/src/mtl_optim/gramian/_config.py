"""Conflict-free inverse gradients."""

import numpy as np
import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._preference import MayHoldPreference
from .._solvers import equal_cosines, unit_diagonal


class ConFIG(MayHoldPreference, GramianWeighting):
    """The direction with the same, positive cosine to every gradient, as long as all ask for.

    With E the unit gradients and v = E⁺ 1 / ‖E⁺ 1‖, d = (Σ_k ⟨g_k, v⟩) v. Where the gradients are
    independent it conflicts with none; the norms of the gradients set the length alone. With a
    preference r stands for 1: the cosines are in the ratio of r.

    Weights: (Σ_k ⟨g_k, v⟩) (C⁺ 1)_k / (‖E⁺ 1‖ ‖g_k‖) on the cosines C, so their sum has no fixed
    value, and they may be negative. A task whose gradient vanishes has 0.

    Args:
        preference: r (task,), on the simplex; None is 1/K each.

    Examples:
        >>> ConFIG().weights(gramian=torch.eye(2))
        tensor([1., 1.])

    References:
        Liu, Chu and Thuerey, ConFIG: Towards Conflict-free Training of Physics Informed Neural
        Networks, ICLR 2025, equation 2.
    """

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        x, norms = equal_cosines(
            gramian.numpy(), None if self.preference is None else self.shares(len(gramian))
        )
        weights = np.zeros_like(x)
        if x.any():
            cosines, _ = unit_diagonal(gramian.numpy())
            inner = cosines @ x
            moves = norms > 0
            weights[moves] = x[moves] * (norms @ inner) / (x @ inner) / norms[moves]
        return torch.from_numpy(weights)
