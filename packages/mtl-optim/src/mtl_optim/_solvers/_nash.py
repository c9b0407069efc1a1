"""The Nash bargaining solution."""

import numpy as np
from scipy.linalg import lapack

from .._checks import Array
from ._cosines import unit_diagonal

# Rounding disturbs β_i (Cβ)_i = 1 by K ε max β²; from here on its first digits are not right.
_LOST = 2.0**-6
_MAX_STEPS = 500


def nash_bargaining(gramian: Array) -> Array:
    """Find the α > 0 with G α = 1/α.

    It is the stationarity of the strictly convex, self-concordant ½ αᵀ G α − Σ log α, which damped
    Newton steps solve in 10 to 20 products of K×K. With G = S C S the unknown is β = S α, so that
    the norms of the gradients play no part.

    Returns:
        α (task,). A task whose gradient vanishes gains from no direction: it leaves the bargain
        with α = 0. Where a non-zero α ≥ 0 has G α = 0 (Pareto-stationary: no direction serves all,
        as with g_1 = −g_2), nothing can be gained by anyone and the bargain ends at its
        disagreement point: α = 0. "Has" is up to the rounding of float64: where the least m of
        wᵀ C w over the simplex is above 64 K² ε, an α > 0 is found, since max β² ≤ K / m.
    """
    cosines, norms = unit_diagonal(gramian)
    alpha = np.zeros(len(norms))
    bargains = norms > 0
    if bargains.any():
        beta = _solve(cosines[np.ix_(bargains, bargains)])
        alpha[bargains] = beta / norms[bargains]
    return alpha


def _solve(C: Array) -> Array:
    """Find β with Cβ = 1/β, or zeros where no β solves it."""
    tasks = len(C)
    beta = np.full(tasks, 1.0 / np.sqrt(max(C.sum() / tasks, 1.0 / tasks)))
    rounding = tasks * np.finfo(np.float64).eps
    decrement = np.inf
    for _ in range(_MAX_STEPS):
        # Scaled by β the Hessian is βCβ + 1: the step is relative, its system well-conditioned.
        slope = 1.0 - beta * (C @ beta)
        hessian = C * beta[:, None] * beta
        hessian.flat[:: tasks + 1] += 1.0
        relative = lapack.dposv(hessian, slope)[1]
        before, decrement = decrement, float(np.sqrt(max(slope @ relative, 0.0)))
        beta = beta * (1.0 + relative / (1.0 + decrement if decrement > 0.25 else 1.0))
        lost = rounding * float(beta.max()) ** 2
        if lost > 1:
            break
        # Quadratic convergence ends when rounding lets the decrement fall no further.
        if decrement == 0.0 or before / 2 <= decrement < max(1e-3, 4 * lost):
            return beta if lost < _LOST else np.zeros(tasks)
    return np.zeros(tasks)
