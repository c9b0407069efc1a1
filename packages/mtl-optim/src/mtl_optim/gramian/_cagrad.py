"""Conflict-averse gradient descent."""

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import Array, check_below_one, unknown_name
from .._solvers import ball_minimax

# Where Σ v_k ‖g_k‖ is so many times ‖Σ v_k g_k‖, the rounding of G blurs the length of the sum. It
# then is that of gradients with independent errors of this size, squared: 16 roundings of float32.
_BLURRED, _ERROR = 2.0**18, 2.0**-40

Rescale = Literal["1+c", "1+c^2"]


class CAGrad(GramianWeighting):
    """Near the mean gradient, the direction that serves the worst-off task best.

    d maximises min_k ⟨g_k, d⟩ over ‖d − g₀‖ ≤ c ‖g₀‖, where g₀ is the mean gradient. In the dual, w
    minimises wᵀ J g₀ + c ‖g₀‖ ‖Jᵀ w‖ over the simplex and d = g₀ + c ‖g₀‖ Jᵀ w / ‖Jᵀ w‖. Where a
    shorter d serves the worst-off task as well (Jᵀ w = 0), the nearest to g₀ is taken.

    Weights: 1/K + c ‖g₀‖ w_k / ‖Jᵀ w‖, so at least 1/K each; c = 0 is the mean, with 1/K each.

    Args:
        c: Radius of the ball in units of ‖g₀‖, in [0, 1). Below 1 the mean loss falls, and a
            stationary point is one of the mean loss.
        rescale: Divides d by 1 + c, which bounds ‖d‖ by ‖g₀‖ ("1+c"), or by 1 + c² ("1+c^2");
            None leaves it.

    Examples:
        >>> CAGrad(c=0.5).weights(gramian=torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        tensor([0.7500, 0.7500])

    References:
        Liu et al., Conflict-Averse Gradient Descent for Multi-task Learning, NeurIPS 2021,
        algorithm 1. Solved by least-distance problems on the Gramian.

    Note:
        The released code divides by 1 + c² unless told otherwise; algorithm 1 does not.
    """

    def __init__(self, c: float = 0.5, *, rescale: Rescale | None = None) -> None:
        super().__init__()
        if rescale is not None and rescale not in get_args(Rescale):
            raise unknown_name("rescale", rescale, get_args(Rescale))
        self.c = c = check_below_one("c", c)
        self.divisor = {None: 1.0, "1+c": 1 + c, "1+c^2": 1 + c * c}[rescale]

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        G = gramian.numpy()
        weights, added, radius = self._solve(G)
        if added @ np.sqrt(G.diagonal()) > _BLURRED * radius:
            weights, _, _ = self._solve(G + _ERROR * np.diag(G.diagonal()))
        return torch.from_numpy(weights)

    def _solve(self, G: Array) -> tuple[Array, Array, float]:
        """Return the weights, what is added to 1/K each, and the radius of the ball."""
        inner = G.sum(axis=1) / len(G)  # ⟨g_k, g₀⟩
        radius = self.c * max(float(inner.sum()) / len(G), 0.0) ** 0.5
        added, _ = ball_minimax(G, -inner, radius)
        return (added + 1 / len(G)) / self.divisor, added, radius
