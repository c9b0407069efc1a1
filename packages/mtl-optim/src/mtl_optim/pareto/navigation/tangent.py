"""The front's tangents at a point, and what the losses and α do along them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..._solvers import min_norm_point
from ._points import NavigationError, Settings
from .curvature import Product, solve_across, told
from .objective import Expansion

_TURNED = 10.0  # condition beyond which tangents nearby say nothing here
_RANK = 1e-7  # singular values below this share of the largest are dependent gradients


@dataclass(frozen=True, eq=False)
class Frame:
    """First derivatives at a point, split into along and across the front."""

    losses: Tensor  # ℓ (task,), scaled, float64
    J: Tensor  # Jacobian (task, param) of ℓ
    alpha: Tensor  # α (task,) on the simplex, float64
    residual: Tensor  # r = Jᵀ α (param,)
    kkt: float  # min_{β ∈ Δ} ‖Jᵀβ‖ / max_k ‖g_k‖
    D: Tensor  # orthonormal columns (task, constraint), float64: Dᵀ ℓ is what is constrained
    Q: Tensor  # orthonormal columns (param, direction) that span the gradients' differences
    # (direction, task), float64: c = inverse d gives J Q c = d, up to the free direction
    inverse: Tensor


def frame(here: Expansion, free: Tensor | None = None, released: Tensor | None = None) -> Frame:
    """Split the first derivatives at a point into along and across the front.

    α ≥ 0 minimises ‖Jᵀ α‖ with uᵀ α fixed, for a free direction u in loss space: the multipliers of
    "least τ with ℓ ≤ target + τ u". Losses are constrained up to multiples of u. With D an
    orthonormal basis of what is constrained, A = Dᵀ J = U S Qᵀ: Q spans the changes of parameters
    that change it, and c = S⁻¹ Uᵀ Dᵀ d.

    Without `free`, u is (1, …, 1): Q spans the differences of the gradients, and the least-norm r
    is orthogonal to these. Dependent gradients leave Q with fewer columns. `released` is the mask
    (task,) of the tasks that are not constrained.
    """
    losses, J = here.losses.means, here.J
    wide = J.double()
    gramian = (wide @ wide.T).cpu().numpy()
    u = torch.ones(len(losses), dtype=torch.float64) if free is None else free.double()
    alpha = torch.from_numpy(min_norm_point(gramian, u.numpy()))
    least = torch.from_numpy(min_norm_point(gramian)).to(wide)
    largest = float(wide.norm(dim=1).max())
    kkt = float((wide.T @ least).norm()) / largest if largest else 0.0
    spanned = u[None]
    if released is not None:
        spanned = torch.cat([spanned, torch.eye(len(losses), dtype=torch.float64)[released]])
    rank = int(torch.linalg.matrix_rank(spanned))
    D = torch.linalg.svd(spanned, full_matrices=True)[2][rank:].T
    U, S, Qt = torch.linalg.svd(D.T.to(wide) @ wide, full_matrices=False)
    kept = _RANK * largest < S
    inverse = ((U[:, kept] / S[kept]).T @ D.T.to(wide)).cpu()
    residual = J.T @ alpha.to(J)
    return Frame(losses, J, alpha, residual, min(kkt, 1.0), D, Qt[kept].T.to(J), inverse)


@dataclass(frozen=True, eq=False)
class Tangents:
    """One tangent per direction along the front; a move is V z. All but V: float64, on the CPU."""

    V: Tensor  # (param, direction): the change of parameters, with its part across the front
    B: Tensor  # J V (task, direction): the change of the scaled losses
    M: Tensor  # Vᵀ H V (direction, direction): the second derivative of αᵀ ℓ along the front
    dalpha: Tensor  # (task, direction): the change of α

    @property
    def directions(self) -> int:
        """Number of directions along the front: K − 1, fewer where gradients are dependent."""
        return self.V.shape[1]


def tangents(
    at: Frame,
    product: Product,
    settings: Settings,
    *,
    near: Tensor | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Tangents:
    """Solve for the tangents of the front at a point.

    Of [H Jᵀ; J 0] (v, dα) = (0, d) with αᵀ d = 0: v = Q c + w, with w across the front,
    (P H P + λ I) w = −P H Q c, and then Qᵀ Jᵀ dα = −Qᵀ H v with 1ᵀ dα = 0. One solve for each unit
    vector c answers every later question by algebra in as many numbers.

    A tangent need not be better than the point: over a typical step the part of P H v that is left
    may add half as much to the KKT residual as is there. Where the tangents of a point nearby are
    known, their part across the front is where the solve starts, with half of the iterations.

    Raises:
        NavigationError: A product is not finite.
    """
    V, HV = [], []
    guess = at.Q if near is None else _transported(near, at.Q)
    if near is not None:
        settings = replace(settings, iterations=-(-settings.iterations // 2))
    least = float(at.residual.norm())
    for i, q in enumerate(guess.T):
        what = f"solving for tangent {i + 1} of {guess.shape[1]}"
        telling = told(product, tell, what, settings.iterations + 1)
        Hq = telling(q)
        slope = float((at.J @ at.Q[:, i]).abs().max())
        enough = 0.5 * least * slope / settings.probe
        across = solve_across(telling, -Hq, at.Q, settings, enough=enough)
        V.append(q + across.w)
        HV.append(Hq + across.Hw)
    columns = at.Q.shape[1]
    v = torch.stack(V, dim=1) if V else at.Q
    Hv = torch.stack(HV, dim=1) if HV else at.Q
    if not bool(torch.isfinite(v).all() and torch.isfinite(Hv).all()):
        raise NavigationError("the curvature of the losses is not finite at this point")
    B = (at.J.double() @ v.double()).cpu()
    M = (v.double().T @ Hv.double()).cpu()
    system = torch.cat(
        [(at.J.double() @ at.Q.double()).T.cpu(), torch.ones(1, len(at.losses)).double()]
    )
    known = torch.cat([-(at.Q.double().T @ Hv.double()).cpu(), torch.zeros(1, columns).double()])
    dalpha = torch.linalg.pinv(system) @ known
    return Tangents(v, B, (M + M.T) / 2, dalpha)


def _transported(near: Tensor, Q: Tensor) -> Tensor:
    """Combine the columns of V so that Q c = Q here; Q where none do."""
    turned = Q.T @ near
    if turned.shape[0] != turned.shape[1] or float(torch.linalg.cond(turned)) > _TURNED:
        return Q
    moved: Tensor = near @ torch.linalg.inv(turned)
    return moved


def to_the_end(alpha: Tensor, dalpha: Tensor) -> float:
    """Return the t at which α + t dα first leaves the simplex: where the front would end."""
    falling = dalpha < 0
    if not bool(falling.any()):
        return torch.inf
    return float((alpha[falling] / -dalpha[falling]).min())
