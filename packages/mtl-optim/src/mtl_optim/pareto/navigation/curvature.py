"""Conjugate gradients on the part of the Hessian that is across the front."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ._points import Settings

Product = Callable[[Tensor], Tensor]
End = Literal["solved", "iterations", "negative curvature", "radius"]


@dataclass(frozen=True, eq=False)
class Solution:
    """What the conjugate gradients found."""

    w: Tensor  # (param,), in the null space of Qᵀ
    Hw: Tensor  # H w (param,), which comes along for free
    end: End  # why they stopped


def told(product: Product, tell: Callable[[str], None], what: str, most: int) -> Product:
    """Return the product, which tells what it is for and how many there are at most."""
    numbers = itertools.count(1)

    def telling(v: Tensor) -> Tensor:
        tell(f"{what}: product {next(numbers)} of at most {most}")
        return product(v)

    return telling


def project(Q: Tensor, x: Tensor) -> Tensor:
    """Return P x = x − Q Qᵀ x, for orthonormal columns Q (param, direction)."""
    return x - Q @ (Q.T @ x)


def solve_across(
    product: Product,
    rhs: Tensor,
    Q: Tensor,
    settings: Settings,
    *,
    radius: float = torch.inf,
    enough: float = 0.0,
) -> Solution:
    """Solve (P H P + λ I) w = P b by conjugate gradients, with H known by its products alone.

    At every regular local Pareto optimum P H P is positive semi-definite, on concave fronts too
    (the second-order necessary condition), so that plain conjugate gradients serve. Elsewhere a
    direction of negative curvature ends them, and so does the trust radius, as in Steihaug's
    method: both leave the best step so far.

    The columns of Q (param, direction) are orthonormal and span the gradient differences. The
    `damping` is λ in units of the curvature bᵀ H b / bᵀ b along P b. The solve ends after
    `iterations`, at the relative `residual`, at the residual `enough`, or at ‖w‖ = `radius`.

    References:
        Steihaug, The conjugate gradient method and trust regions in large scale optimization,
        SIAM J. Numer. Anal. 20(3), 1983.
    """
    r = project(Q, rhs)
    w, Hw = torch.zeros_like(r), torch.zeros_like(r)
    rr = start = float(r @ r)
    # What is left of a vector by rounding when its projection vanishes.
    rounding = 8 * torch.finfo(r.dtype).eps * float(rhs.norm())
    goal = max(settings.residual**2 * start, rounding**2, enough**2)
    if start <= max(rounding, enough) ** 2:
        return Solution(w, Hw, "solved")
    p, shift = r, 0.0
    for i in range(settings.iterations):
        Hp = product(p)
        pp, curvature = float(p @ p), float(p @ project(Q, Hp))
        if i == 0:
            shift = settings.damping * abs(curvature) / pp
        curvature += shift * pp
        negative = curvature <= torch.finfo(r.dtype).eps * pp * abs(shift)
        step = torch.inf if negative else rr / curvature
        allowed = _to_boundary(w, p, radius) if radius < torch.inf else torch.inf
        if allowed < torch.inf and step >= allowed:
            return Solution(
                w + allowed * p, Hw + allowed * Hp, "negative curvature" if negative else "radius"
            )
        if negative:
            return Solution(w, Hw, "negative curvature")
        w, Hw = w + step * p, Hw + step * Hp
        r = r - step * (project(Q, Hp) + shift * p)
        before, rr = rr, float(r @ r)
        if rr <= goal:
            return Solution(w, Hw, "solved")
        p = project(Q, r + (rr / before) * p)
    return Solution(w, Hw, "iterations")


def _to_boundary(w: Tensor, p: Tensor, radius: float) -> float:
    """Return the t ≥ 0 with ‖w + t p‖ = radius."""
    wp, pp, ww = float(w @ p), float(p @ p), float(w @ w)
    return float((max(0.0, wp * wp + pp * (radius * radius - ww)) ** 0.5 - wp) / pp)
