"""The α-fair allocation."""

import numpy as np
from scipy.linalg import lapack

from .._checks import Array
from ._cosines import unit_diagonal

_LOST = 2.0**-6  # of a weight, by rounding: from here on its first digits are not right
_MAX_STEPS = 500


def alpha_fair(gramian: Array, alpha: float) -> Array:
    """Find the w > 0 with G w = w^(−p), p = 1/α.

    It is the stationarity of the strictly convex ½ wᵀ G w − Σ ∫ w^(−p). With G = S C S the unknown
    is β, w_k = β_k s_k^(−2/(1+p)), so that each task alone has β = 1; Newton steps in log β while
    that falls and in β while it rises, bounded, and halved while the potential rises. α = 1 is the
    Nash bargain.

    w (task,) is resolved for norms within six decades (any, at α = 1) and α within [1e-3, 50]. A
    task whose gradient vanishes has 0, and so have all where no direction serves all, up to the
    rounding of float64: where it leaves no digit of w.
    """
    cosines, norms = unit_diagonal(gramian)
    w = np.zeros(len(norms))
    moves = norms > 0
    if moves.any():
        p, unit = 1 / alpha, norms.max()
        s = norms[moves] / unit
        t = s ** ((p - 1) / (p + 1))
        beta = _solve(cosines[np.ix_(moves, moves)] * t[:, None] * t, t * t, p)
        w[moves] = beta * (s ** (-2 / (1 + p)) * unit ** (-2 / (1 + p)))
    return w


def _solve(A: Array, squares: Array, p: float) -> Array:
    """Find β with (A β)_k = t_k² β_k^(−p), A of the diagonal t², or zeros where none is resolved.

    Each system has a second right side, the rounding of the slopes: its solution is what that does
    to β.
    """
    tasks = len(A)
    sizes = tasks * np.finfo(np.float64).eps * np.abs(A)
    longest = 0.5 * max(1.0, 1 / p)

    def potential(beta: Array) -> float:
        with np.errstate(over="ignore"):
            fair = np.log(beta) if p == 1 else beta ** (1 - p) / (1 - p)
        return float(beta @ A @ beta / 2 - squares @ fair)

    beta, before = np.ones(tasks), np.inf
    value = potential(beta)
    for _ in range(_MAX_STEPS):
        fair = squares * beta ** (1 - p)
        hessian = A * beta[:, None] * beta
        hessian.flat[:: tasks + 1] += p * fair
        slopes = np.array([fair - beta * (A @ beta), beta * (sizes @ beta)])
        relative, unsure = lapack.dposv(hessian, slopes.T)[1].T
        size, lost = float(np.abs(relative).max()), float(np.abs(unsure).max())
        if lost > 1:
            break
        room = 1e-12 * abs(value) + float(
            slopes[1].sum()
        )  # that rounding may take of the potential
        relative *= min(1.0, longest / size) if size > 0 else 1.0
        for _ in range(40):
            factor = np.where(relative < 0, np.exp(np.minimum(relative, 0.0)), 1 + relative)
            found = potential(beta * factor)
            if found <= value + room or size < 1e-6:
                break
            relative /= 2
        beta, value = beta * factor, found
        if size == 0 or before / 2 <= size < max(1e-6, 4 * lost):
            return beta if lost < _LOST else np.zeros(tasks)
        before = size
    return np.zeros(tasks)
