"""From near the front back onto it, at a place that was promised."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .curvature import Solution, solve_across, told
from .objective import Objective, Values
from .points import Settings
from .tangent import Frame, frame

_HALVINGS = 7
_RESTORATIONS = 3  # most steps to the target alone, once on the front or out of corrections
_INACTIVE = 1e-9  # a multiplier below this share of the largest is 0


@dataclass(frozen=True, eq=False)
class Corrected:
    """Where the corrector ended.

    Attributes:
        theta: θ (param,).
        values: Losses there, with their samples.
        at: The frame there, for the free direction that was used.
        radius: Trust radius to begin with next time.
        missed: Largest distance (a scaled loss) from the target, but for the free direction.
        reached: Whether the target and the tolerance were.
        ended: Whether the front ended before the target: a multiplier vanished within its cap.
    """

    theta: Tensor
    values: Values
    at: Frame
    radius: float
    missed: float
    reached: bool
    ended: bool


def correct(
    objective: Objective,
    theta: Tensor,
    target: Tensor,
    free: Tensor,
    *,
    settings: Settings,
    corrections: int,
    tolerance: float,
    accuracy: float,
    radius: float,
    known: tuple[Values, Tensor] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Corrected:
    """Sequential quadratic programming for: least τ with ℓ ≤ target + τ u.

    Each step solves [H Jᵀ; J 0] (v, dα) = (−r, target − ℓ) with the predictor's operator:
    v = Q c + w, c from the distance to the target and (P H P + λ I) w = −P (H Q c + r), within a
    trust radius on ‖w‖. It is halved until φ = αᵀ(ℓ − target) + ‖D Dᵀ(ℓ − target)‖₁ falls. With u
    a coordinate j this is the ε-constraint program of the other losses, which holds caps; with
    u = (1, …, 1) it is the normal boundary intersection. A task within its target whose multiplier
    vanishes is released: the front ends there. Where the KKT residual is small already, the step is
    Q c alone, which costs no products.

    Args:
        objective: The losses.
        theta: θ (param,) to start from.
        target: ℓ (task,) to aim at.
        free: u (task,).
        settings: How to solve.
        corrections: Most steps.
        tolerance: Relative KKT residual to reach.
        accuracy: Distance from the line, in scaled losses, to reach.
        radius: Trust radius of the first step.
        known: Losses and Jacobian at θ, where they were taken already.
        tell: Told how far it is, and how long it may take still.

    Returns:
        The place reached, which is where it started if no step was better.

    Reference:
        Das and Dennis, Normal-Boundary Intersection, SIAM J. Optim. 8(3), 1998; Nocedal and Wright,
        Numerical Optimization, 2006, chapter 18.
    """
    values, J = objective.jacobian(theta) if known is None else known
    at = frame(values.means, J, free)
    released = torch.zeros_like(target, dtype=torch.bool)
    began = time.monotonic()
    for done in range(corrections + _RESTORATIONS + 1):
        within = at.losses <= target + accuracy
        released = within & (released | (at.alpha <= _INACTIVE * at.alpha.max()))
        if bool(released.any()):
            at = frame(values.means, J, free, released)
        gap = at.D @ (at.D.T @ (target - at.losses))
        missed = float(gap.abs().max())
        off_front = at.kkt > tolerance and done < corrections
        if (missed <= accuracy and not off_front) or done == corrections + _RESTORATIONS:
            break
        v = at.Q @ (at.inverse @ gap).to(at.Q)
        across = None
        if off_front:
            left = (time.monotonic() - began) / done * (corrections - done) if done else None
            tell(what := _progress(done, corrections, at.kkt, tolerance, left))
            across = _newton(objective, theta, v, at, settings, radius, tell, what)
            v = v + across.w
        share = _backtrack(objective, theta, v, at, target)
        if across is not None:
            radius = _new_radius(radius, across, share)
        if share == 0:
            break
        theta = theta + share * v
        values, J = objective.jacobian(theta)
        at = frame(values.means, J, free)
    reached = at.kkt <= tolerance and missed <= accuracy
    ended = bool(released.any())
    return Corrected(theta, values, at, radius, missed, reached, ended)


def _progress(done: int, most: int, kkt: float, aim: float, left: float | None) -> str:
    at_most = "" if left is None else f", at most {left:.0f} s"
    return (
        f"correcting towards the front: step {done + 1} of at most {most}{at_most}, "
        f"KKT residual {kkt:.2g}, {aim:.2g} wanted"
    )


def _newton(
    objective: Objective,
    theta: Tensor,
    along: Tensor,
    at: Frame,
    settings: Settings,
    radius: float,
    tell: Callable[[str], None],
    what: str,
) -> Solution:
    """The solution of (P H P + λ I) w = −P (H Q c + r)."""
    product = told(
        objective.curvature(theta, at.alpha), tell, what, settings.iterations + bool(along.any())
    )
    curved = product(along) if bool(along.any()) else along
    return solve_across(
        product,
        -(curved + at.residual),
        at.Q,
        damping=settings.damping,
        iterations=settings.iterations,
        residual=settings.residual,
        radius=radius,
    )


def _new_radius(radius: float, across: Solution, share: float) -> float:
    """The trust radius after a step of which a share was taken."""
    if share < 1:
        return max(share * float(across.w.norm()), radius * 0.5**_HALVINGS)
    return 2 * radius if across.end in ("radius", "negative curvature") else radius


def _merit(losses: Tensor, target: Tensor, at: Frame) -> float:
    """φ = αᵀ(ℓ − target) + ‖D Dᵀ(ℓ − target)‖₁."""
    gap = losses - target
    return float(at.alpha @ gap + (at.D @ (at.D.T @ gap)).abs().sum())


def _backtrack(objective: Objective, theta: Tensor, v: Tensor, at: Frame, target: Tensor) -> float:
    """The largest share 1, ½, ¼, … of a step that lowers the merit, or 0."""
    before = _merit(at.losses, target, at)
    rounding = 4 * torch.finfo(theta.dtype).eps * float(at.losses.abs().max())
    for n in range(_HALVINGS):
        share = 0.5**n
        values = objective.losses(theta + share * v, finite=False)
        # False for losses that are not finite: too far.
        if _merit(values.means, target, at) <= before + rounding:
            return share
    return 0.0
