"""Exact Pareto optimal search."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import Array, check_not_negative, check_positive_number
from .._preference import HoldsPreference, as_ray
from .._solvers import min_norm_point, unit_diagonal

_LEAST = np.finfo(np.float64).tiny  # of a share


class EPO(HoldsPreference, GramianWeighting):
    """Walk to the Pareto point on the ray 1/r: first onto the ray, then down along it.

    With l̂ = r∘L / Σ r∘L the distance from the ray is m = KL(l̂ ‖ 1/K), and the anchor
    a = r∘(log(K l̂) − m) is the direction in loss space that shortens it. α solves a linear program:

    * balance, while m > ε: max αᵀ G a with (G α)_j ≥ 0 on the largest r_j L_j, (G α)_j ≥ (G a)_j
      where (G a)_j ≤ 0, and free elsewhere; where no (G a)_j is positive, (G α)_j ≥ 0 for all;
    * descent: max 1ᵀ G α with G α ≥ 0 and αᵀ G a ≥ min(0, max G a).

    Only ratios of losses matter. It ends within about √(8 ε) of the ray, relative to the losses.
    A share l̂ of 0 counts as the least number of float64: without a gradient it moves no other task.

    Weights: α on the simplex; they sum to 1.

    Args:
        preference: r (task,), on the simplex, each entry positive.
        epsilon: ε > 0, the m at which the ray counts as reached.

    Raises:
        ValueError: A loss is negative.
        TypeError: No losses are given.

    Examples:
        >>> losses = torch.tensor([1.0, 4.0])
        >>> EPO([0.5, 0.5]).weights(gramian=torch.eye(2), losses=losses)
        tensor([0., 1.])

    References:
        Mahapatra and Rajan, Multi-Task Learning with User Preferences: Gradient Descent with
        Controlled Ascent in Pareto Optimization, ICML 2020; Exact Pareto Optimal Search,
        arXiv 2108.00597.

    Note:
        The program is stated on unit gradients. The point of least norm meets all its conditions,
        and stands in where norms are so far apart that the linear solver finds none that do.
    """

    read = staticmethod(as_ray)

    def __init__(self, preference: Sequence[float] | Tensor, *, epsilon: float = 1e-3) -> None:
        super().__init__(preference)
        self.epsilon = check_positive_number("epsilon", epsilon)

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        losses = self.require_losses(losses)
        r, tasks = self.preference_for(losses).numpy(), len(losses)
        check_not_negative(losses, type(self).__name__)
        terms = r * losses.numpy()
        share = terms / terms.sum() if terms.any() else np.full(tasks, 1 / tasks)
        relative = np.log(tasks * np.maximum(share, _LEAST))
        distance = float(share @ relative)
        anchor = r * (relative - distance)

        cosines, norms = unit_diagonal(gramian.numpy())
        moves = norms > 0
        if not moves.any():
            return torch.full_like(losses, 1 / tasks)
        C, s = cosines[np.ix_(moves, moves)], norms[moves]
        Ga = C @ (s * anchor[moves])  # row j over ‖g_j‖
        rows, gain = C, Ga
        if distance <= self.epsilon:
            rows, gain = np.vstack([C, Ga]), C @ s
            bound = np.append(np.zeros_like(Ga), min(0.0, float((s * Ga).max())))
        elif (Ga > 0).any():
            bound = np.where(Ga > 0, -np.inf, Ga)
            bound[terms[moves] == terms.max()] = 0.0
        else:
            bound = np.zeros_like(Ga)
        # In z = α∘s / min s the rows are cosines, and the simplex is Σ z min s / s = 1.
        z = _program(gain, rows, bound / s.min(), s.min() / s)
        alpha = np.zeros(tasks)
        if z is None:
            alpha[moves] = min_norm_point(gramian.numpy()[np.ix_(moves, moves)])
        else:
            alpha[moves] = z * s.min() / s
        return torch.from_numpy(alpha / alpha.sum())


def _program(gain: Array, rows: Array, bound: Array, simplex: Array) -> Array | None:
    """Find the z ≥ 0 with rows z ≥ bound and simplexᵀ z = 1 that maximises gainᵀ z, or None."""
    bounded = np.isfinite(bound)
    found = optimize.linprog(
        -gain / (np.abs(gain).max() or 1.0),
        A_ub=-rows[bounded],
        b_ub=-bound[bounded],
        A_eq=simplex[None],
        b_eq=[1.0],
        method="highs",
    )
    return None if found.x is None or not (found.x > 0).any() else np.maximum(found.x, 0.0)
