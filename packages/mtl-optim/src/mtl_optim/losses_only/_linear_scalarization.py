"""Linear scalarization."""

from torch import Tensor

from .._bases import LossWeighting
from .._preference import HoldsPreference


class LinearScalarization(HoldsPreference, LossWeighting):
    """Minimise Σ r_k L_k: w = r.

    It reaches the convex part of the front only. A one-hot preference is single-task training.

    Weights: sum to 1.

    Args:
        preference: r (task,), on the simplex.

    Examples:
        >>> import torch
        >>> LinearScalarization([0.3, 0.7]).weights(losses=torch.tensor([5.0, 1.0]))
        tensor([0.3000, 0.7000])

    References:
        Miettinen, Nonlinear Multiobjective Optimization, 1999, section 3.1.
    """

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        return self.preference_for(losses)
