"""From near the front back onto it, at a place that was promised."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from .context import Context
from .curvature import Solution, solve_across, told
from .objective import Expansion, Objective
from .tangent import Frame, frame

_HALVINGS = 7
_RESTORATIONS = 3  # most steps to the target alone, once on the front or out of corrections
_INACTIVE = 1e-9  # a multiplier below this share of the largest is 0


@dataclass(frozen=True, eq=False)
class Aim:
    """Where the corrector should end, and how well: least τ with ℓ ≤ target + τ u."""

    target: Tensor  # ℓ (task,), scaled
    free: Tensor  # u (task,)
    accuracy: float  # distance from the line target + τ u to reach, in scaled losses
    tolerance: float  # relative KKT residual to reach
    corrections: int  # most steps


@dataclass(frozen=True, eq=False)
class Corrected:
    """Where the corrector ended."""

    here: Expansion  # losses and gradients there
    at: Frame  # the frame there, for the free direction that was used
    radius: float  # trust radius to begin with next time
    missed: float  # largest distance (a scaled loss) from the target, but for the free direction
    reached: bool  # whether it reached the target and the tolerance
    ended: bool  # whether the front ended before the target: a multiplier vanished within its cap


def correct(context: Context, here: Expansion, aim: Aim, radius: float) -> Corrected:
    """Solve for the least τ with ℓ ≤ target + τ u, by sequential quadratic programming.

    Each step solves [H Jᵀ; J 0] (v, dα) = (−r, target − ℓ) with the predictor's operator:
    v = Q c + w, c from the distance to the target and (P H P + λ I) w = −P (H Q c + r), within a
    trust radius on ‖w‖. It is halved until φ = αᵀ(ℓ − target) + ‖D Dᵀ(ℓ − target)‖₁ falls. With u
    a coordinate j this is the ε-constraint program of the other losses, which holds caps; with
    u = (1, …, 1) it is the normal boundary intersection. A task within its target whose multiplier
    vanishes is released: the front ends there. Where the KKT residual is small already, the step is
    Q c alone, which costs no products.

    The place reached is the start if no step was better.

    References:
        Das and Dennis, Normal-Boundary Intersection, SIAM J. Optim. 8(3), 1998; Nocedal and Wright,
        Numerical Optimization, 2006, chapter 18.
    """
    target, at = aim.target, frame(here, aim.free)
    released = torch.zeros_like(target, dtype=torch.bool)
    began = time.monotonic()
    for done in range(aim.corrections + _RESTORATIONS + 1):
        within = at.losses <= target + aim.accuracy
        released = within & (released | (at.alpha <= _INACTIVE * at.alpha.max()))
        if bool(released.any()):
            at = frame(here, aim.free, released)
        gap = at.D @ (at.D.T @ (target - at.losses))
        missed = float(gap.abs().max())
        off_front = at.kkt > aim.tolerance and done < aim.corrections
        if (missed <= aim.accuracy and not off_front) or done == aim.corrections + _RESTORATIONS:
            break
        v = at.Q @ (at.inverse @ gap).to(at.Q)
        across = None
        if off_front:
            context.tell(what := _progress(aim, done, at.kkt, time.monotonic() - began))
            across = _newton(context, here.theta, v, at, radius, what)
            v = v + across.w
        share = _backtrack(context.objective, here.theta, v, at, target)
        if across is not None:
            radius = _new_radius(radius, across, share)
        if share == 0:
            break
        here = context.objective.expand(here.theta + share * v)
        at = frame(here, aim.free)
    reached = at.kkt <= aim.tolerance and missed <= aim.accuracy
    return Corrected(here, at, radius, missed, reached, bool(released.any()))


def _progress(aim: Aim, done: int, kkt: float, seconds: float) -> str:
    most, at_most = aim.corrections, ""
    if done:
        at_most = f", at most {seconds / done * (most - done):.0f} s"
    return (
        f"correcting towards the front: step {done + 1} of at most {most}{at_most}, "
        f"KKT residual {kkt:.2g}, {aim.tolerance:.2g} wanted"
    )


def _newton(
    context: Context, theta: Tensor, along: Tensor, at: Frame, radius: float, what: str
) -> Solution:
    """Solve (P H P + λ I) w = −P (H Q c + r)."""
    moves = bool(along.any())
    product = context.objective.curvature(theta, at.alpha)
    product = told(product, context.tell, what, context.settings.iterations + moves)
    curved = product(along) if moves else along
    return solve_across(product, -(curved + at.residual), at.Q, context.settings, radius=radius)


def _new_radius(radius: float, across: Solution, share: float) -> float:
    """Return the trust radius after a share of a step was taken."""
    if share < 1:
        return max(share * float(across.w.norm()), radius * 0.5**_HALVINGS)
    return 2 * radius if across.end in ("radius", "negative curvature") else radius


def _merit(losses: Tensor, target: Tensor, at: Frame) -> float:
    """Return φ = αᵀ(ℓ − target) + ‖D Dᵀ(ℓ − target)‖₁."""
    gap = losses - target
    return float(at.alpha @ gap + (at.D @ (at.D.T @ gap)).abs().sum())


def _backtrack(objective: Objective, theta: Tensor, v: Tensor, at: Frame, target: Tensor) -> float:
    """Return the largest share 1, ½, ¼, … of a step that lowers the merit, or 0."""
    before = _merit(at.losses, target, at)
    rounding = 4 * torch.finfo(theta.dtype).eps * float(at.losses.abs().max())
    for n in range(_HALVINGS):
        share = 0.5**n
        values = objective.losses(theta + share * v, finite=False)
        # False for losses that are not finite: too far.
        if _merit(values.means, target, at) <= before + rounding:
            return share
    return 0.0
