"""Smooth Chebyshev scalarization."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import check_below_one, check_not_negative, check_positive_number
from .._per_task import Given, Kept
from .._preference import HoldsPreference, as_ideal


class SmoothChebyshev(HoldsPreference, LossWeighting):
    """Minimise μ log Σ_k exp(r_k (L_k − z_k) / μ): w_k = r_k softmax(r (L − z) / μ)_k.

    It is above the weighted Chebyshev scalar by at most μ log K, and has no kink: it reaches every
    Pareto point as μ → 0, and by plain gradient descent for any μ.

    With `average` each L_k − z_k is divided by m_k / m̄, where m are running means of the losses and
    m̄ is their mean, and μ is in units of m̄. A preference then means the same whatever unit each
    loss is measured in. Where the losses are those of a batch, a μ below their noise chooses the
    task by that noise: a μ of several m̄ is near the linear scalarization of L / m. A task
    whose losses have all been 0 has the weight 0, and the L / m of a constant, 1.

    Weights: r averaged by a softmax, so their sum is between min r and max r; with `average`, that
    of w m / m̄.

    Args:
        preference: r (task,), on the simplex.
        mu: Smoothing μ > 0, in units of the losses, or with `average` of their running mean.
        ideal: z (task,), the point that differences are taken from; None is 0.
        average: β in [0, 1) of the running means m ← β m + (1 − β) L, which are plain means over
            the first 1 / (1 − β) steps; None divides by nothing.

    Raises:
        ValueError: `average` is given and a loss is negative.

    Examples:
        >>> SmoothChebyshev([0.5, 0.5], mu=1e-4).weights(losses=torch.tensor([5.0, 1.0]))
        tensor([0.5000, 0.0000])
        >>> method = SmoothChebyshev([0.5, 0.5], mu=1.0, average=0.99)
        >>> method.weights(losses=torch.tensor([300.0, 100.0]))
        tensor([0.1667, 0.5000])

    References:
        Lin et al., Smooth Tchebycheff Scalarization for Multi-Objective Optimization, ICML 2024.
    """

    ideal: Tensor
    means: Tensor
    steps: Tensor
    per_task: ClassVar = {"ideal": Given(), "means": Kept(0.0), "steps": Kept(0)}

    def __init__(
        self,
        preference: Sequence[float] | Tensor,
        *,
        mu: float,
        ideal: Sequence[float] | Tensor | None = None,
        average: float | None = None,
    ) -> None:
        super().__init__(preference)
        self.mu = check_positive_number("mu", mu)
        self.average = None if average is None else check_below_one("average", average)
        self.register_buffer("ideal", as_ideal(ideal, len(self.preference)))
        if average is not None:
            self.register_buffer("means", torch.zeros_like(self.preference))
            self.register_buffer("steps", torch.zeros_like(self.preference, dtype=torch.int64))

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        r, away = self.preference_for(losses), losses - self.ideal.to(losses)
        if self.average is None:
            return r * torch.softmax(r * away / self.mu, dim=0)
        means = self._track(losses, self.average)
        relative = torch.where(means > 0, away / means, 1.0)
        unit = torch.where(means > 0, means.mean() / means, 0.0)
        return r * unit * torch.softmax(r * relative / self.mu, dim=0)

    def _track(self, losses: Tensor, average: float) -> Tensor:
        """Return the running means after these losses."""
        check_not_negative(losses, type(self).__name__)
        self.steps += 1
        rate = (1 / self.steps.double()).clamp(min=1 - average)
        self.means.lerp_(losses.to(self.means), rate.to(self.means))
        return self.means.to(losses)
