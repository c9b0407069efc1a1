"""Linear scalarization."""

from collections.abc import Sequence

from torch import Tensor

from .._bases import LossWeighting
from .._checks import check_length
from .._preference import as_preference


class LinearScalarization(LossWeighting):
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

    preference: Tensor

    def __init__(self, preference: Sequence[float] | Tensor) -> None:
        super().__init__()
        self.register_buffer("preference", as_preference(preference))

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        check_length("preference", len(self.preference), len(losses))
        return self.preference.to(losses)
