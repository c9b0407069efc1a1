"""Preference vectors on the simplex.

A preference r weighs the losses. Where a method equalises r_k L_k (weighted Chebyshev, exact Pareto
optimal search), r lands on the *ray* L ∝ 1/r of loss space, not on r: to aim at losses in the
proportions q, ask for the preference proportional to 1/q.
"""

from itertools import combinations

import torch
from torch import Tensor


def evenly_spaced(num: int, *, margin: float = 0.0) -> Tensor:
    """Evenly spaced preferences of two tasks, from (margin, 1 − margin) to (1 − margin, margin).

    Args:
        num: Number of preferences, at least 1; a single one is (1/2, 1/2).
        margin: Distance of the ends from the corners, in [0, 1/2). The corners are single-task
            training; methods that divide by r need a positive margin.

    Returns:
        Preferences (num, 2), float64, with the first task's weight ascending.

    Raises:
        ValueError: `num` is below 1 or `margin` outside [0, 1/2).

    Examples:
        >>> evenly_spaced(3, margin=0.1)
        tensor([[0.1000, 0.9000],
                [0.5000, 0.5000],
                [0.9000, 0.1000]], dtype=torch.float64)
    """
    if num < 1:
        raise ValueError(f"`num` must be at least 1, got {num}")
    if not 0 <= margin < 0.5:
        raise ValueError(f"`margin` must be in [0, 0.5), got {margin}")
    ends = (margin, 1 - margin) if num > 1 else (0.5, 0.5)
    first = torch.linspace(*ends, num, dtype=torch.float64)
    return torch.stack([first, 1 - first], dim=1)


def das_dennis(num_tasks: int, divisions: int) -> Tensor:
    """All preferences whose entries are multiples of 1/divisions.

    Args:
        num_tasks: K, at least 1.
        divisions: Number H of steps along an edge of the simplex, at least 1.

    Returns:
        Preferences (C(H + K − 1, K − 1), K), float64, in lexicographic order.

    Raises:
        ValueError: An argument is below 1.

    Examples:
        >>> das_dennis(3, 1)
        tensor([[0., 0., 1.],
                [0., 1., 0.],
                [1., 0., 0.]], dtype=torch.float64)

    Reference:
        Das and Dennis, Normal-Boundary Intersection, SIAM J. Optim. 8(3), 1998.
    """
    if num_tasks < 1:
        raise ValueError(f"`num_tasks` must be at least 1, got {num_tasks}")
    if divisions < 1:
        raise ValueError(f"`divisions` must be at least 1, got {divisions}")
    # Stars and bars: K - 1 bars among H + K - 1 places.
    places = divisions + num_tasks - 1
    chosen = list(combinations(range(places), num_tasks - 1))
    bars = torch.tensor(chosen, dtype=torch.float64).reshape(len(chosen), num_tasks - 1)
    edge = torch.ones(len(bars), 1, dtype=torch.float64)
    steps = torch.diff(torch.cat([-edge, bars, places * edge], dim=1), dim=1) - 1
    return steps / divisions
