"""Weighted Chebyshev scalarization."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._per_task import Given
from .._preference import HoldsPreference, as_ideal


class WeightedChebyshev(HoldsPreference, LossWeighting):
    """Minimise max_k r_k (L_k − z_k): w_i = r_i on the task i of the maximum, 0 elsewhere.

    It reaches every Pareto point, concave stretches too. At the optimum r_k (L_k − z_k) are equal,
    so the losses lie on the ray z + t/r: a larger r_k asks for a smaller loss.

    Tasks that tie share: with m tasks at the maximum each has r_i / m, a subgradient.

    Weights: r_i on one task, so their sum is at most 1.

    Args:
        preference: r (task,), on the simplex.
        ideal: z (task,), the point that differences are taken from; None is 0.

    Examples:
        >>> import torch
        >>> WeightedChebyshev([0.3, 0.7]).weights(losses=torch.tensor([5.0, 1.0]))
        tensor([0.3000, 0.0000])

    References:
        Bowman, On the relationship of the Tchebycheff norm and the efficient frontier of
        multiple-criteria objectives, 1976; Miettinen, 1999, section 3.4.
    """

    ideal: Tensor
    per_task: ClassVar = {"ideal": Given()}

    def __init__(
        self, preference: Sequence[float] | Tensor, ideal: Sequence[float] | Tensor | None = None
    ) -> None:
        super().__init__(preference)
        self.register_buffer("ideal", as_ideal(ideal, len(self.preference)))

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        r = self.preference_for(losses)
        terms = r * (losses - self.ideal.to(losses))
        at_maximum = terms == terms.max()
        return torch.where(at_maximum, r, 0.0) / at_maximum.sum()
