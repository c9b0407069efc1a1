"""The least worst loss within a ball of directions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.linalg import lapack

from .._checks import Array
from ._cosines import cholesky, factor_of, unit_diagonal
from ._nnls import nnls

_MAX_SUPPORTS = 20
_TOLERANCE = 1e-12  # of the conditions on unit gradients
_FAR = 1e3  # steps of the level that leave p − t q the digits that the tolerance asks for
_FILLED = 1e-9  # what rounding may leave of ρ − 1/2 where the ball is filled


def ball_minimax(gramian: Array, losses: Array, radius: float) -> tuple[Array, Array]:
    """Solve min over ‖d‖ ≤ u of max_k l_k − ⟨g_k, d⟩, and its dual max over Δ of αᵀl − u‖Jᵀα‖.

    For a level t the shortest d with ⟨g_k, d⟩ ≥ l_k − t is a least-distance problem, one
    non-negative least squares on unit rows: with e_k = g_k / ‖g_k‖, h_k = (l_k − t) / (u ‖g_k‖) and
    the y ≥ 0 that minimises ‖Eᵀy‖² + (hᵀy − 1)², ρ = 1 − hᵀy gives d = u Eᵀy / ρ and
    ‖d‖² = u² (1 − ρ) / ρ. The ball is filled where ρ = 1/2, on a bounded, monotone function of t.
    For a given support of y the level is the root of a quadratic: least-squares problems, which
    find the support, and roots alternate. A bracketed search takes over where they do not end.

    The result is v ≥ 0 (task,), d = Jᵀ v the shortest solution, and α (task,) on the simplex.

    References:
        Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23, for the least-distance
        problem.
    """
    cosines, norms = unit_diagonal(gramian)
    moves = norms > 0
    v = np.zeros(len(norms))
    moving_tasks = np.count_nonzero(moves)
    if moving_tasks == 0 or radius == 0:
        return v, _at_maximum(losses)
    if moving_tasks == len(norms):
        found = _alternate(cosines, norms, losses, radius)
        if found is not None:
            return found, found / found.sum()
    high = float(losses.max())
    floor = float(losses[~moves].max(initial=-np.inf))  # no direction moves these losses
    factor = factor_of(cosines[np.ix_(moves, moves)])
    reach, moving = radius * norms[moves], losses[moves]
    target = np.zeros(len(factor) + 1)
    target[-1] = 1.0

    best = {True: (np.inf, v[moves], 1.0), False: (-np.inf, v[moves], 1.0)}  # by "d fits"

    def overfull(level: float) -> float:
        """ρ − 1/2, with the nearest levels on both sides of 0 kept."""
        h = (moving - level) / reach
        y = nnls(np.vstack([factor, h]), target)
        rho = 1.0 - float(h @ y)
        fits = rho >= 0.5
        if (level <= best[fits][0]) if fits else (level >= best[fits][0]):
            best[fits] = (level, y, rho)
        return rho - 0.5

    low = float((moving - reach).max())  # a level below asks one task for more than its reach
    decided_by_others = floor >= low and overfull(floor) >= 0
    if not decided_by_others:
        low = max(low, floor)
        if overfull(low) < 0 < overfull(high):
            optimize.brentq(overfull, low, high, xtol=np.finfo(np.float64).tiny, maxiter=500)
    _, y, rho = best[True]
    v[moves] = y * radius / (rho * norms[moves])
    if decided_by_others:
        return v, _at_maximum(np.where(moves, -np.inf, losses))
    # At a jump of ρ no shorter level is feasible: the certificate of that is the α with Jᵀα = 0.
    if rho > 0.5 + _FILLED and best[False][1].any():
        _, y, _ = best[False]
    if not y.any():
        return v, _at_maximum(losses)
    alpha = np.zeros(len(norms))
    alpha[moves] = y * (norms[moves].min() / norms[moves])
    return v, alpha / alpha.sum()


def _alternate(C: Array, norms: Array, losses: Array, radius: float) -> Array | None:
    """Find the v that fills the ball and meets all conditions, if a few supports do; else None.

    In units of the radius, from a level on that is near the one looked for, with steps t q of it:
    ⟨e_k, d⟩ ≥ p_k − t q_k.
    """
    factor = cholesky(C)
    if factor is None:
        return None
    reach, unit = norms * radius, float(norms.min()) * radius
    q = norms.min() / norms
    low, high = float((losses - reach).max()), float(losses.max())  # one asks for the whole ball
    level = high
    target = np.zeros(len(C) + 1)
    target[-1] = 1.0
    support: NDArray[np.intp] | slice = slice(None)
    for turn in range(_MAX_SUPPORTS):
        part = factor if turn == 0 else cholesky(C[support][:, support])
        if part is None:
            return None
        y, p, t = _fill(part, losses, level, reach, q, support)
        if abs(t) > _FAR:  # t q takes digits of p: once more, seen from there
            level += t * unit
            y, p, t = _fill(part, losses, level, reach, q, support)
        level += t * unit
        if np.count_nonzero(y <= 0) == 0:
            h = p - t * q
            missed = (h - C[:, support] @ y).max()  # on the support, by rounding
            filled = abs(float(h[support] @ y) - 1.0)
            if max(missed, filled) <= _TOLERANCE * max(1.0, float(y.max())):
                v = np.zeros(len(C))
                v[support] = y * radius
                return np.asarray(v / norms, dtype=np.float64)
        if not low < level < high:
            level = (low + high) / 2
        h = (losses - level) / reach
        nearest = nnls(np.vstack([factor, h]), target)
        inside = np.flatnonzero(nearest > 0)
        if 1 - h @ nearest >= 0.5:  # d fits into the ball
            high = level
        else:
            low = level
        if len(inside) == 0:
            return None
        support = inside
    return None


def _fill(
    part: Array, losses: Array, level: float, reach: Array, q: Array, support: Any
) -> tuple[Array, Array, float]:
    """Solve on a support, where d = Eᵀ (a − t b) and ‖d‖² = 1: return a − t b, p and t.

    The root is taken without a difference of nearly equal numbers; without a root, t is that of
    the shortest d.
    """
    p = (losses - level) / reach
    right = np.array([p[support], q[support]]).T
    a, b = lapack.dpotrs(part, right)[0].T
    (pa, pb), qb = (right[:, 0] @ a, right[:, 0] @ b), right[:, 1] @ b
    square = pb * pb - qb * (pa - 1)
    root = max(square, 0.0) ** 0.5
    t = float((pa - 1) / (pb + root) if pb > 0 and square >= 0 else (pb - root) / qb)
    return a - t * b, p, t


def _at_maximum(losses: Array) -> Array:
    """Return α on the simplex, even over the largest losses."""
    at_maximum = losses == losses.max()
    return np.asarray(at_maximum / at_maximum.sum(), dtype=np.float64)
