"""Certificates of a point: that it is Pareto-stationary, on its ray, within its bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .._checks import as_bounds, as_numbers, check_gramian, check_length, check_losses
from .._preference import as_ideal, as_ray, as_vector
from .._solvers import min_norm_point


@dataclass(frozen=True, eq=False)
class KKTResidual:
    """How far a point is from Pareto stationarity.

    Attributes:
        absolute: min_{α ∈ Δ} ‖Jᵀ α‖, in the units of the gradients.
        relative: The same over the largest gradient norm, in [0, 1]; 0 where all gradients vanish.
        alpha: The minimiser α (task,), float64: the normal of the front where the residual is 0.
    """

    absolute: float
    relative: float
    alpha: Tensor


def kkt_residual(gramian: Tensor) -> KKTResidual:
    """Compute the least norm of a convex combination of the gradients, min_{α ∈ Δ} √(αᵀ G α).

    It is 0 exactly at a Pareto-stationary point, and the α is that of MGDA.

    Args:
        gramian: G = J Jᵀ (task, task).

    Raises:
        TypeError: `gramian` holds something other than numbers.
        ValueError: `gramian` is not square or not finite, or, beyond rounding, not symmetric or not
            positive semi-definite.

    Examples:
        >>> kkt_residual(torch.tensor([[1.0, 0.0], [0.0, 4.0]])).alpha
        tensor([0.8000, 0.2000], dtype=torch.float64)
        >>> kkt_residual(torch.tensor([[4.0, -2.0], [-2.0, 1.0]])).absolute
        0.0

    Note:
        A Gramian holds squares, so that rounding leaves residuals of 1e-8 of the largest norm (3e-4
        for float32 products). Take ‖Jᵀ α‖ itself where less matters.

    References:
        Désidéri, Multiple-gradient descent algorithm (MGDA), 2012.
    """
    G = torch.from_numpy(as_numbers("gramian", gramian))
    check_gramian(G)
    alpha = torch.from_numpy(min_norm_point(G.numpy()))
    absolute = float((alpha @ G @ alpha).clamp_min(0).sqrt())
    largest = float(G.diagonal().max().sqrt())
    return KKTResidual(absolute, min(1.0, absolute / largest) if largest else 0.0, alpha)


def ray_error(
    losses: Sequence[float] | Tensor,
    preference: Sequence[float] | Tensor,
    *,
    ideal: Sequence[float] | Tensor | None = None,
) -> float:
    """Compute how far losses are from the ray that a Chebyshev-like method lands on.

        max_k |r_k (L_k − z_k) / m − 1|,  m the mean of r_k (L_k − z_k)

    0 exactly on the ray L − z ∝ 1/r. A ray that misses the front has no point with error 0.

    Args:
        losses: L (task,).
        preference: r (task,), on the simplex, each entry positive.
        ideal: z (task,); None is 0.

    Raises:
        ValueError: `losses` are not finite or not above `ideal`, `preference` is not on the simplex
            or has a zero, or one has not one entry per task.

    Examples:
        >>> ray_error(torch.tensor([1.0, 4.0]), [0.8, 0.2])
        0.0
        >>> ray_error(torch.tensor([3.0, 1.0]), [0.5, 0.5])
        0.5
    """
    found = as_vector("losses", losses)
    check_losses(found)
    r = as_ray(preference)
    check_length("preference", len(r), len(found))
    terms = r * (found - as_ideal(ideal, len(found)))
    if not bool((terms > 0).all()):
        raise ValueError(f"`losses` must be above `ideal`, got {found.tolist()}")
    return float((terms / terms.mean() - 1).abs().max())


def constraint_slack(losses: Sequence[float] | Tensor, bounds: Mapping[int, float]) -> Tensor:
    """Compute what is left of each bound: ε_k − L_k, negative where it is broken.

    Args:
        losses: L (task,).
        bounds: ε by task, as `EpsilonConstraint` takes them.

    Returns:
        Slack (task,), float64; infinite where there is no bound.

    Raises:
        TypeError: `losses` hold something other than numbers, or `bounds` is not a mapping from
            int to numbers.
        ValueError: `losses` are not finite, a bound is NaN, or a task does not exist.

    Examples:
        >>> constraint_slack(torch.tensor([0.5, 0.25]), {1: 0.5})
        tensor([ inf, 0.2500], dtype=torch.float64)
    """
    found = as_vector("losses", losses)
    check_losses(found)
    slack = torch.full_like(found, torch.inf)
    for task, bound in as_bounds(bounds).items():
        if task >= len(found):
            raise ValueError(
                f"`bounds` must name tasks from 0 to {len(found) - 1}, got a bound for {task}"
            )
        if bound != bound:
            raise ValueError(f"`bounds` must be numbers, got {bound} for task {task}")
        slack[task] = bound - found[task]
    return slack
