"""Small problems whose Pareto fronts are known in closed form.

Each takes a point x, a floating-point vector (n,), and returns the losses (task,) there. A point of
another kind, or one that is too short, raises.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .._checks import check_count, check_positive_number, check_tensor


def _check_point(x: Tensor, least: int = 1) -> None:
    """Raise unless x is a point (n,) with n at least `least`; the values are not checked."""
    check_tensor("x", x)
    if x.ndim != 1 or len(x) < least:
        raise ValueError(f"`x` must have shape (n,) with n at least {least}, got {tuple(x.shape)}")


def spheres(x: Tensor) -> Tensor:
    """Compute two parabolas on a line: L = (t²/2, (1 − t)²/2).

    Every t in [0, 1] is Pareto-optimal. Linear scalarisation ends at t = r_2, Chebyshev at
    t = √r_2 / (√r_1 + √r_2); the front's exchange rate dL_2/dL_1 is −(1 − t)/t.

    Examples:
        >>> spheres(torch.tensor([0.5]))
        tensor([0.1250, 0.1250])
    """
    _check_point(x)
    return torch.stack([x[0] ** 2, (1 - x[0]) ** 2]) / 2


def simplex(x: Tensor) -> Tensor:
    """Compute the squared distances to the corners of the simplex: L_k = ½‖x − e_k‖².

    The Pareto set is the simplex: linear scalarisation ends at x = r, equal Chebyshev at 1/K.

    Examples:
        >>> simplex(torch.tensor([1.0, 0.0]))
        tensor([0., 1.])
    """
    _check_point(x)
    corners = torch.eye(len(x), dtype=x.dtype, device=x.device)
    return ((x - corners) ** 2).sum(dim=1) / 2


def fonseca_fleming(x: Tensor) -> Tensor:
    """Compute losses with a concave front: L = 1 − exp(−Σ (x_i ∓ 1/√n)²).

    The Pareto set is x_i = u/√n with u in [−1, 1]; the front bends at u = ±1/√2 and is concave
    between. Equal Chebyshev ends at u = 0 with L = 1 − 1/e; linear scalarisation with equal weights
    never does: it ends at u = ±0.9575040.

    Examples:
        >>> fonseca_fleming(torch.zeros(3))
        tensor([0.6321, 0.6321])

    References:
        Fonseca and Fleming, An overview of evolutionary algorithms in multiobjective optimization,
        Evolutionary Computation 3(1), 1995.
    """
    _check_point(x)
    center = 1 / math.sqrt(len(x))
    return torch.stack(
        [1 - (-((x - center) ** 2).sum()).exp(), 1 - (-((x + center) ** 2).sum()).exp()]
    )


def quadratics(
    num_tasks: int, size: int, *, condition: float = 100.0, seed: int = 0
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Make anisotropic quadratics with a curved Pareto set: L_k = ½ (x − a_k)ᵀ A_k (x − a_k).

    The A_k are diagonal, with entries log-uniform in [1/condition, 1]. The Pareto set is
    x(α) = (Σ α_k A_k)⁻¹ Σ α_k A_k a_k, where α is the normal of the front.

    Args:
        num_tasks: K.
        size: n.
        condition: Largest ratio of two curvatures.
        seed: Draws A and a.

    Returns:
        The losses x (n,) ↦ L (task,), and α (task,) ↦ x(α), both in float64.

    Examples:
        >>> losses, pareto = quadratics(2, 5)
        >>> losses(pareto(torch.tensor([1.0, 0.0])))[0].round(decimals=12)
        tensor(0., dtype=torch.float64)
    """
    check_count("num_tasks", num_tasks)
    check_count("size", size)
    condition = check_positive_number("condition", condition)
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(num_tasks, size, generator=generator, dtype=torch.float64)
    A = condition ** (draw - 1)
    a = torch.randn(num_tasks, size, generator=generator, dtype=torch.float64) / math.sqrt(size)

    def losses(x: Tensor) -> Tensor:
        return (A * (x - a) ** 2).sum(dim=1) / 2

    def pareto(alpha: Tensor) -> Tensor:
        weighted = alpha.to(A)[:, None] * A
        return (weighted * a).sum(dim=0) / weighted.sum(dim=0)

    return losses, pareto


def zdt1(x: Tensor) -> Tensor:
    """Compute losses with a convex front, L_2 = 1 − √L_1, of hypervolume 2/3 at (1, 1).

    L_1 = x_1, L_2 = g (1 − √(x_1/g)), g = 1 + 9 Σ_{i>1} x_i / (n − 1), for x in [0, 1]ⁿ, n ≥ 2.
    The Pareto set is x_i = 0 for i > 1, on the border of the box.

    Examples:
        >>> zdt1(torch.tensor([0.25, 0.0]))
        tensor([0.2500, 0.5000])

    References:
        Zitzler, Deb and Thiele, Comparison of multiobjective evolutionary algorithms, Evolutionary
        Computation 8(2), 2000.
    """
    _check_point(x, 2)
    g = 1 + 9 * x[1:].mean()
    return torch.stack([x[0], g * (1 - (x[0] / g).sqrt())])


def zdt2(x: Tensor) -> Tensor:
    """Compute losses with a concave front, L_2 = 1 − L_1², of hypervolume 1/3 at (1, 1).

    The rest is as in `zdt1`.

    Examples:
        >>> zdt2(torch.tensor([0.5, 0.0]))
        tensor([0.5000, 0.7500])

    References:
        Zitzler, Deb and Thiele, 2000.
    """
    _check_point(x, 2)
    g = 1 + 9 * x[1:].mean()
    return torch.stack([x[0], g * (1 - (x[0] / g) ** 2)])


def dtlz2(x: Tensor, num_tasks: int) -> Tensor:
    """Compute losses with a concave front, the sphere ‖L‖ = 1.

    L_k = (1 + g) Π cos(x_i π/2) · sin(x_{K−k+1} π/2), g = Σ_{i≥K} (x_i − ½)². The Pareto set is
    x_i = ½ for i ≥ K, inside the box. Hypervolumes: 1 − π/4 at (1, 1) for K = 2; 1.331 − π/6 at
    1.1 for K = 3.

    Args:
        x: Point (n,), n ≥ K − 1, in [0, 1]ⁿ.
        num_tasks: K.

    Examples:
        >>> dtlz2(torch.tensor([0.0, 0.5, 0.5]), 2)
        tensor([1., 0.])

    References:
        Deb, Thiele, Laumanns and Zitzler, Scalable test problems for evolutionary multiobjective
        optimization, 2005.
    """
    check_count("num_tasks", num_tasks)
    _check_point(x, max(1, num_tasks - 1))
    angles = x[: num_tasks - 1] * (math.pi / 2)
    g = ((x[num_tasks - 1 :] - 0.5) ** 2).sum()
    losses = []
    for k in range(num_tasks):
        cosines = angles[: num_tasks - 1 - k].cos().prod()
        losses.append((1 + g) * cosines * (angles[num_tasks - 1 - k].sin() if k else 1))
    return torch.stack(losses)


def linear(x: Tensor, num_tasks: int) -> Tensor:
    """Compute losses with a flat front, Σ L_k = 1, of hypervolume 1 − 1/K! at (1, …, 1).

    L_k = (1 + g) x_k / Σ x_i over the first K entries, g = Σ_{i>K} x_i². The Pareto set is x_i = 0
    for i > K.

    Args:
        x: Point (n,), n ≥ K, positive in its first K entries.
        num_tasks: K.

    Examples:
        >>> linear(torch.tensor([1.0, 3.0, 0.0]), 2)
        tensor([0.2500, 0.7500])
    """
    check_count("num_tasks", num_tasks)
    _check_point(x, num_tasks)
    shares = x[:num_tasks] / x[:num_tasks].sum()
    return (1 + (x[num_tasks:] ** 2).sum()) * shares
