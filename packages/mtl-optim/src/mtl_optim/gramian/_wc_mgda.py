"""Weighted-Chebyshev multiple-gradient descent."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import check_non_negative_number
from .._preference import HoldsPreference
from .._solvers import ball_minimax


class WCMGDA(HoldsPreference, GramianWeighting):
    """Between Chebyshev and MGDA: α = argmax over Δ of αᵀ(r∘L) − u ‖Jᵀ(r∘α)‖, and w = r∘α.

    It is the dual of the best first-order answer to Chebyshev's wish: minimise over ‖d‖ ≤ u the
    worst of the r_k (L_k − ⟨g_k, d⟩) after a step d. The norm holds the weights of tasks that tie
    nearly, where Chebyshev's jump. It ends on the front, where no step of length u improves the
    worst: within about u, in the parameters, of where Chebyshev does.

    Weights: r averaged over the simplex, so their sum is between min r and max r.

    Args:
        preference: r (task,), on the simplex.
        u: Length u ≥ 0 of the step looked ahead; its unit is that of a loss over a gradient. 0 is
            `WeightedChebyshev`, a large one is MGDA on the gradients r_k g_k.

    Raises:
        TypeError: No losses are given.

    Examples:
        >>> method = WCMGDA([0.5, 0.5], u=1e6)
        >>> method.weights(gramian=torch.tensor([[1.0, 0.0], [0.0, 4.0]]), losses=torch.ones(2))
        tensor([0.4000, 0.1000])

    References:
        Momma, Dong and Liu, A Multi-objective / Multi-task Learning Framework Induced by Pareto
        Stationarity, ICML 2022.

    Note:
        The released code applies α without r, which is not the gradient of its own objective.
    """

    def __init__(self, preference: Sequence[float] | Tensor, *, u: float = 0.1) -> None:
        super().__init__(preference)
        self.u = check_non_negative_number("u", u)

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        losses = self.require_losses(losses)
        r = self.preference_for(losses)
        rows = gramian * r * r[:, None]
        _, alpha = ball_minimax(rows.numpy(), (r * losses).numpy(), self.u)
        return r * torch.from_numpy(alpha)
