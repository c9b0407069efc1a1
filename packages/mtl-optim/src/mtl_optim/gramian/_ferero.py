"""Preference-guided descent on cones, with a ray as constraint."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import Array, as_numbers, check_length, check_positive, check_positive_number
from .._per_task import Given
from .._preference import HoldsPreference, as_ray
from .._solvers import eigen, unit_diagonal

_VANISHES = 1e-12  # of a difference's squared norm, relative to those of its two gradients


class _Columns(Given):
    """The columns of a matrix, held as its rows: A is seen without the rows that become 0."""

    def seen(self, whole: Tensor, at: Tensor) -> Tensor:
        """Return the columns of the tasks `at`; those of I if no row says anything of them."""
        part = whole[at]
        part = part[:, part.any(dim=0)]
        return part if part.numel() > 0 else torch.eye(len(at), device="cpu").to(whole)


class FERERO(HoldsPreference, GramianWeighting):
    """Descend in the order of a cone while the losses are drawn onto the ray 1/r: one program.

    With H(θ) = B L, whose rows span what is orthogonal to 1/r, and f_i the rows of A J, d solves

        min over d and γ of  γ + ½ ‖d‖²  such that  −⟨f_i, d⟩ ≤ γ and (B J) d = c B L,

    so that H falls at the rate c, whatever the stage, and every f_i at least as fast as −γ. Away
    from the ray a loss may rise. A = I is the order of Pareto; another A prefers what it ranks: a
    move y of the losses is an improvement where A y ≤ 0. Along the ray all losses fall together.

    It may end at a point that satisfies H = 0 and is not Pareto-stationary, where the constraint
    holds it: all that is promised is a KKT point of min L such that B L = 0.

    Weights: some may be negative; Σ w_k / r_k lies between the least and the largest (A 1/r)_i, so
    with an even r and A = I they sum to 1.

    Args:
        preference: r (task,), on the simplex, each entry positive.
        cone: A (row, task), no entry negative and no row 0; None is I.
        rate: κ > 0 in c = κ Σ ‖r_k g_k‖² / Σ r_k L_k.

    Raises:
        ValueError: `cone` has another shape or a negative entry, or a loss is not positive.
        TypeError: No losses are given.

    Examples:
        >>> losses = torch.tensor([1.0, 4.0])
        >>> FERERO([0.5, 0.5]).weights(gramian=torch.eye(2), losses=losses)
        tensor([0.2000, 0.8000])

    References:
        Chen, Saif, Shen and Chen, FERERO: A Flexible Framework for Preference-Guided
        Multi-Objective Learning, NeurIPS 2024; the program of its released code.

    Note:
        The released code takes gradient steps on the dual, with a constant c, whose unit is that
        of a squared gradient over a loss. Here the program is solved, and c is in that unit. It is
        lowered where the part of d that closes in on the ray would be longer than the root of
        Σ ‖r_k g_k‖²: nearly dependent gradients would ask for steps without end.
    """

    read = staticmethod(as_ray)
    columns: Tensor
    per_task: ClassVar = {"columns": _Columns()}

    def __init__(
        self,
        preference: Sequence[float] | Tensor,
        *,
        cone: Sequence[Sequence[float]] | Tensor | None = None,
        rate: float = 1.0,
    ) -> None:
        super().__init__(preference)
        self.rate = check_positive_number("rate", rate)
        A = np.eye(len(self.preference)) if cone is None else as_numbers("cone", cone)
        if A.ndim != 2 or len(A) == 0:
            raise ValueError(f"`cone` must have shape (row, task), got {A.shape}")
        check_length("cone", A.shape[1], len(self.preference))
        if not (np.isfinite(A).all() and (A >= 0).all() and A.any(axis=1).all()):
            raise ValueError(
                f"`cone` must be finite and not negative, with no row of 0, got {A.tolist()}"
            )
        self.register_buffer("columns", torch.from_numpy(A.T.copy()))

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        losses = self.require_losses(losses)
        check_positive(losses, type(self).__name__)
        r, A = self.preference_for(losses).numpy(), self.columns.cpu().numpy().T
        terms, rows = r * losses.numpy(), gramian.numpy() * r * r[:, None]
        total = rows.trace()
        if total == 0:
            return torch.full_like(losses, 1 / len(losses))
        # In a = w / r, to keep r∘L even is to move along the differences of the rows r_k g_k.
        even = np.full(len(r), 1 / len(r))
        ahead = even + _across(rows, -rows @ even)  # the least norm with Σ a = 1
        onto = _across(rows, terms) * (self.rate * total / terms.sum())
        length = float(onto @ rows @ onto)
        if length > total:
            onto *= np.sqrt(total / length)
        speed = A @ (1 / r)
        t = _least_worst(A @ (rows @ onto / r), speed, float(ahead @ rows @ ahead))
        w = r * (onto + t * ahead)
        return torch.from_numpy(w)


def _across(rows: Array, wanted: Array) -> Array:
    """Find the a with Σ a = 0 for which all (rows a − wanted)_k are equal, and ‖·‖ is least."""
    if len(rows) == 1:
        return np.zeros(1)
    squares = rows.diagonal()
    last = int(squares.argmin())
    others = np.arange(len(rows)) != last
    T = np.eye(len(rows))[others]
    T[:, last] = -1.0
    products = T @ rows @ T.T
    small = products.diagonal() <= _VANISHES * (squares[others] + squares[last])
    products[small] = products[:, small] = 0.0
    cosines, norms = unit_diagonal(products)
    values, vectors = eigen(cosines)
    kept = values > 16 * len(values) * np.finfo(np.float64).eps
    inverse = np.where(norms > 0, 1 / np.where(norms > 0, norms, 1.0), 0.0)
    V = vectors[:, kept]
    found = inverse * (V @ ((V.T @ (inverse * (T @ wanted))) / values[kept]))
    return np.asarray(T.T @ found, dtype=np.float64)


def _least_worst(slopes: Array, speed: Array, square: float) -> float:
    """Find the t that minimises max_i −(β_i + t s a_i) + ½ s t², for slopes β and speeds a > 0.

    It is the least of one parabola, t = a_i, or lies where two of them cross.
    """
    apart = square * (speed[:, None] - speed)
    rise = slopes - slopes[:, None]
    crossings = np.divide(rise, apart, out=np.zeros_like(rise), where=apart != 0)
    t = np.append(speed, np.clip(crossings, speed.min(), speed.max()))
    t.sort()  # the shortest where they are equal, as on the front
    worst = -(slopes + square * t[:, None] * speed).min(axis=1) + square * t**2 / 2
    return float(t[worst.argmin()])
