"""The α-fair allocation."""

import numpy as np

from .._checks import Array
from ._cosines import unit_diagonal

_LOST = 1e-6  # as for the Nash bargain: from here on fewer than six digits are right
_MAX_STEPS = 500


def alpha_fair(gramian: Array, alpha: float) -> Array:
    """Find the w > 0 with G w = w^(−p), p = 1/α.

    It is the stationarity of the strictly convex ½ wᵀ G w − Σ ∫ w^(−p). With G = S C S the unknown
    is β, w_k = β_k s_k^(−2/(1+p)), so that each task alone has β = 1; Newton steps in β, bounded
    by half of it and halved while the potential rises. α = 1 is the Nash bargain.

    w (task,) is resolved for norms within six decades (any, at α = 1). A task whose gradient
    vanishes has 0, and so have all where no direction serves all, up to rounding.
    """
    cosines, norms = unit_diagonal(gramian)
    w = np.zeros(len(norms))
    moves = norms > 0
    if moves.any():
        p, unit = 1 / alpha, norms.max()
        s = norms[moves] / unit
        beta = _solve(cosines[np.ix_(moves, moves)], s ** ((p - 1) / (p + 1)), p)
        w[moves] = beta * (s ** (-2 / (1 + p)) * unit ** (-2 / (1 + p)))
    return w


def _solve(C: Array, t: Array, p: float) -> Array:
    """Find β with Σ_j C_kj t_j β_j = t_k β_k^(−p), or zeros where no β solves it."""
    tasks = len(C)
    rounding = tasks * np.finfo(np.float64).eps
    M = C * t / t[:, None]
    square = (t / t.max()) ** 2

    def potential(beta: Array) -> float:
        y = beta * t / t.max()
        fair = np.log(beta) if p == 1 else beta ** (1 - p) / (1 - p)
        return float(y @ C @ y / 2 - square @ fair)

    beta, value, before = np.ones(tasks), np.inf, np.inf
    for _ in range(_MAX_STEPS):
        fair = beta ** (1 - p)
        slope = fair - beta * (M @ beta)
        hessian = M * beta[:, None] * beta
        hessian.flat[:: tasks + 1] += p * fair
        relative = np.linalg.solve(hessian, slope)
        size = float(np.abs(relative).max())
        step = min(1.0, 0.5 / size) if size > 0 else 1.0
        moved = beta * (1 + step * relative)
        for _ in range(40):
            found = potential(moved)
            if found <= value + 1e-12 * abs(value) or size < 1e-6:
                break
            step /= 2
            moved = beta * (1 + step * relative)
        beta, value = moved, found
        if rounding * float((beta**p * (np.abs(M) @ beta)).max()) > _LOST:
            return np.zeros(tasks)
        if size == 0 or (before / 2 <= size < 1e-6):
            break
        before = size
    return beta
