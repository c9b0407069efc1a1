"""Penalty-based boundary intersection."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import check_length, check_non_negative_number
from .._per_task import Given
from .._preference import as_ideal, as_ray


class PBI(LossWeighting):
    """Down along a ray of loss space, with a penalty for the distance from it.

    Minimise a + θ b, where f = L − z, a = ⟨f, v⟩ is the way along the unit ray v ∝ 1/r and
    b = ‖f − a v‖ the distance from it. With a large θ it ends on the ray, as Chebyshev does, on
    concave fronts too.

    Weights: v + θ (f − a v) / b, of length √(1 + θ²) off the ray and 1 on it; they may be negative.

    Args:
        preference: r (task,), on the simplex, each entry positive.
        theta: θ ≥ 0.
        ideal: z (task,), where the ray starts; None is 0.

    Examples:
        >>> PBI([0.5, 0.5], theta=1.0).weights(losses=torch.tensor([1.0, 1.0]))
        tensor([0.7071, 0.7071])

    References:
        Zhang and Li, MOEA/D: A Multiobjective Evolutionary Algorithm Based on Decomposition, IEEE
        Transactions on Evolutionary Computation 11(6), 2007, section II.
    """

    ray: Tensor
    ideal: Tensor
    per_task: ClassVar = {"ray": Given(torch.linalg.vector_norm), "ideal": Given()}

    def __init__(
        self,
        preference: Sequence[float] | Tensor,
        *,
        theta: float = 5.0,
        ideal: Sequence[float] | Tensor | None = None,
    ) -> None:
        super().__init__()
        r = as_ray(preference)
        self.theta = check_non_negative_number("theta", theta)
        self.register_buffer("ray", (1 / r) / (1 / r).norm())
        self.register_buffer("ideal", as_ideal(ideal, len(r)))

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        check_length("preference", len(self.ray), len(losses))
        v, f = self.ray.to(losses), losses - self.ideal.to(losses)
        beside = f - (f @ v) * v
        distance = beside.norm()
        # What rounding leaves of a point on the ray has no direction.
        if float(distance) <= 8 * torch.finfo(f.dtype).eps * float(f.norm()):
            return v
        weights: Tensor = v + self.theta * beside / distance
        return weights
