"""Small problems whose Pareto fronts are known in closed form."""

import math

import torch
from torch import Tensor


def spheres(x: Tensor) -> Tensor:
    """Two parabolas on a line: L = (t²/2, (1 − t)²/2).

    Every t in [0, 1] is Pareto-optimal. Linear scalarisation ends at t = r_2, Chebyshev at
    t = √r_2 / (√r_1 + √r_2); the front's exchange rate dL_2/dL_1 is −(1 − t)/t.

    Args:
        x: Point t, of shape (1,).

    Returns:
        Losses (2,).

    Examples:
        >>> spheres(torch.tensor([0.5]))
        tensor([0.1250, 0.1250])
    """
    return torch.stack([x[0] ** 2, (1 - x[0]) ** 2]) / 2


def simplex(x: Tensor) -> Tensor:
    """Squared distances to the corners of the simplex: L_k = ½‖x − e_k‖².

    The Pareto set is the simplex: linear scalarisation ends at x = r, equal Chebyshev at 1/K.

    Args:
        x: Point (task,).

    Returns:
        Losses (task,).

    Examples:
        >>> simplex(torch.tensor([1.0, 0.0]))
        tensor([0., 1.])
    """
    corners = torch.eye(len(x), dtype=x.dtype, device=x.device)
    return ((x - corners) ** 2).sum(dim=1) / 2


def fonseca_fleming(x: Tensor) -> Tensor:
    """A concave front: L = 1 − exp(−Σ (x_i ∓ 1/√n)²).

    The Pareto set is x_i = u/√n with u in [−1, 1]; the front bends at u = ±1/√2 and is concave
    between. Equal Chebyshev ends at u = 0 with L = 1 − 1/e; linear scalarisation with equal weights
    never does: it ends at u = ±0.9575040.

    Args:
        x: Point (n,).

    Returns:
        Losses (2,).

    Examples:
        >>> fonseca_fleming(torch.zeros(3))
        tensor([0.6321, 0.6321])

    Reference:
        Fonseca and Fleming, An overview of evolutionary algorithms in multiobjective optimization,
        Evolutionary Computation 3(1), 1995.
    """
    center = 1 / math.sqrt(len(x))
    return torch.stack(
        [1 - (-((x - center) ** 2).sum()).exp(), 1 - (-((x + center) ** 2).sum()).exp()]
    )
