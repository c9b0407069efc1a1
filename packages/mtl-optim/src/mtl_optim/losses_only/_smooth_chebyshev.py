"""Smooth Chebyshev scalarization."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import check_length, check_positive_number
from .._preference import as_ideal, as_preference


class SmoothChebyshev(LossWeighting):
    """Minimise μ log Σ_k exp(r_k (L_k − z_k) / μ): w_k = r_k softmax(r (L − z) / μ)_k.

    It is above the weighted Chebyshev scalar by at most μ log K, and has no kink: it reaches every
    Pareto point as μ → 0, and by plain gradient descent for any μ.

    Weights: r averaged by a softmax, so their sum is between min r and max r.

    Args:
        preference: r (task,), on the simplex.
        mu: Smoothing μ > 0, in units of the losses.
        ideal: z (task,), the point that differences are taken from; None is 0.

    Raises:
        ValueError: `preference` is not on the simplex, `mu` is not positive, `ideal` is not
            finite, or a vector has not one entry per loss.

    Examples:
        >>> SmoothChebyshev([0.5, 0.5], mu=1e-4).weights(losses=torch.tensor([5.0, 1.0]))
        tensor([0.5000, 0.0000])

    Reference:
        Lin et al., Smooth Tchebycheff Scalarization for Multi-Objective Optimization, ICML 2024.
    """

    preference: Tensor
    ideal: Tensor

    def __init__(
        self,
        preference: Sequence[float] | Tensor,
        *,
        mu: float,
        ideal: Sequence[float] | Tensor | None = None,
    ) -> None:
        super().__init__()
        self.mu = check_positive_number("mu", mu)
        self.register_buffer("preference", as_preference(preference))
        self.register_buffer("ideal", as_ideal(ideal, len(self.preference)))

    def forward(self, losses: Tensor) -> Tensor:
        """Weights (task,)."""
        check_length("preference", len(self.preference), len(losses))
        r = self.preference.to(losses)
        return r * torch.softmax(r * (losses - self.ideal.to(losses)) / self.mu, dim=0)
