"""Preference vectors on the simplex, and the rays of loss space that they stand for.

A preference r weighs the losses. Where a method equalises r_k (L_k − z_k) (weighted Chebyshev,
exact Pareto optimal search), r lands on the *ray* L − z ∝ 1/r of loss space, not on r: to aim at
losses in the proportions q, ask for the preference proportional to 1/q. An argument outside the
range that its documentation gives raises ValueError.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from torch import Tensor

from .._checks import Array, check_count, check_generator, check_length, check_number
from .._preference import as_ray, as_vector


def evenly_spaced(num: int, *, margin: float = 0.0) -> Tensor:
    """Space preferences of two tasks evenly, from (margin, 1 − margin) to (1 − margin, margin).

    Args:
        num: Number of preferences, at least 1; a single one is (1/2, 1/2).
        margin: Distance of the ends from the corners, in [0, 1/2). The corners are single-task
            training; methods that divide by r need a positive margin.

    Returns:
        Preferences (num, 2), float64, with the first task's weight ascending.

    Examples:
        >>> evenly_spaced(3, margin=0.1)
        tensor([[0.1000, 0.9000],
                [0.5000, 0.5000],
                [0.9000, 0.1000]], dtype=torch.float64)
    """
    check_count("num", num)
    if not 0 <= check_number("margin", margin) < 0.5:
        raise ValueError(f"`margin` must be in [0, 0.5), got {margin}")
    ends = (margin, 1 - margin) if num > 1 else (0.5, 0.5)
    first = torch.linspace(*ends, num, dtype=torch.float64)
    return torch.stack([first, 1 - first], dim=1)


def das_dennis(num_tasks: int, divisions: int) -> Tensor:
    """List all preferences whose entries are multiples of 1/divisions.

    Args:
        num_tasks: K, at least 1.
        divisions: Number H of steps along an edge of the simplex, at least 1.

    Returns:
        Preferences (C(H + K − 1, K − 1), K), float64, in lexicographic order.

    Examples:
        >>> das_dennis(3, 1)
        tensor([[0., 0., 1.],
                [0., 1., 0.],
                [1., 0., 0.]], dtype=torch.float64)

    References:
        Das and Dennis, Normal-Boundary Intersection, SIAM J. Optim. 8(3), 1998.
    """
    check_count("num_tasks", num_tasks)
    check_count("divisions", divisions)
    # Stars and bars: K - 1 bars among H + K - 1 places.
    places = divisions + num_tasks - 1
    chosen = list(combinations(range(places), num_tasks - 1))
    bars = torch.tensor(chosen, dtype=torch.float64).reshape(len(chosen), num_tasks - 1)
    edge = torch.ones(len(bars), 1, dtype=torch.float64)
    steps = torch.diff(torch.cat([-edge, bars, places * edge], dim=1), dim=1) - 1
    return steps / divisions


def riesz(num: int, num_tasks: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Spread preferences of any number of tasks as far from one another as possible.

    They minimise the Riesz energy Σ_{i<j} ‖r_i − r_j‖^(−s) with s = K². The corners are among them
    where there are K or more. For two tasks `evenly_spaced` has the exact answer.

    Args:
        num: Number N of preferences, at least 1; a single one is the centre.
        num_tasks: K, at least 2.
        generator: Draws the start; None is a fixed one, so that equal arguments give equal vectors.

    Returns:
        Preferences (num, num_tasks), float64, in lexicographic order.

    Examples:
        >>> riesz(3, 3).round(decimals=6)
        tensor([[0., 0., 1.],
                [0., 1., 0.],
                [1., 0., 0.]], dtype=torch.float64)

    References:
        Hardin and Saff, Discretizing manifolds via minimum energy points, 2004; Blank, Deb, Dhebar,
        Bandaru and Seada, Generating well-spaced points on a unit simplex for evolutionary
        many-objective optimization, IEEE TEC 25(1), 2021, for s = K².
    """
    check_count("num", num)
    check_count("num_tasks", num_tasks, 2)
    check_generator(generator)
    if num == 1:
        return torch.full((1, num_tasks), 1 / num_tasks, dtype=torch.float64)
    if num_tasks == 2:
        return evenly_spaced(num)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    start = _farthest_points(num, num_tasks, generator)
    # On r = u / Σ u with u ≥ 0, bounds are all that is left of the simplex.
    found = minimize(
        _log_energy,
        start.ravel(),
        args=(num_tasks,),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * start.size,
        options={"maxiter": 1000},
    )
    points = found.x.reshape(start.shape)
    points = points / points.sum(axis=1, keepdims=True)
    return torch.from_numpy(points[np.lexsort(points.round(9).T[::-1])])


def _farthest_points(num: int, tasks: int, generator: torch.Generator) -> Array:
    """Choose the corners, then always the farthest of many random points from those chosen."""
    drawn = -torch.rand(200 * num, tasks, generator=generator, dtype=torch.float64).log()
    pool = np.concatenate([np.eye(tasks), (drawn / drawn.sum(dim=1, keepdim=True)).numpy()])
    chosen = [0]
    nearest = np.linalg.norm(pool - pool[0], axis=1)
    while len(chosen) < num:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(pool - pool[chosen[-1]], axis=1))
    return pool[chosen]


def _log_energy(flat: Array, tasks: int) -> tuple[float, Array]:
    """Compute log Σ_{i<j} ‖r_i − r_j‖^(−s), and its gradient in u."""
    u = flat.reshape(-1, tasks)
    total = u.sum(axis=1, keepdims=True)
    r = u / total
    squared = cdist(r, r, "sqeuclidean")
    np.fill_diagonal(squared, np.inf)
    squared = np.maximum(squared, 1e-30)
    power = tasks**2 / 2
    terms = -power * np.log(squared)
    top = terms.max()
    terms = np.exp(terms - top)
    energy = terms.sum()
    pull = terms / squared / energy
    gradient = -4 * power * (pull.sum(axis=1, keepdims=True) * r - pull @ r)
    # d r / d u = (I − 1 rᵀ) / Σ u.
    gradient = (gradient - (gradient * r).sum(axis=1, keepdims=True)) / total
    return float(np.log(energy) + top), gradient.ravel()


def ray_of_preference(
    preference: Sequence[float] | Tensor, *, scale: Sequence[float] | Tensor | None = None
) -> Tensor:
    """Find the ray of loss space on which a Chebyshev-like method with this preference lands.

    r_k (L_k − z_k) are equal there, so that in losses normalised by scales s the ray is
    q ∝ 1/(s r).

    Args:
        preference: r (task,), on the simplex, each entry positive.
        scale: s (task,), such as nadir − ideal; None is 1.

    Returns:
        Ray q (task,), float64, on the simplex.

    Raises:
        ValueError: `preference` is not on the simplex or has a zero, or `scale` is not positive or
            has not one entry per task.

    Examples:
        >>> ray_of_preference([0.75, 0.25])
        tensor([0.2500, 0.7500], dtype=torch.float64)
    """
    return _reciprocal(as_ray(preference), scale)


def preference_of_ray(
    ray: Sequence[float] | Tensor, *, scale: Sequence[float] | Tensor | None = None
) -> Tensor:
    """Find the preference with which a Chebyshev-like method lands on a ray: r ∝ 1/(s q).

    Args:
        ray: q (task,), losses above the ideal point in proportion, each positive; any sum.
        scale: s (task,) by which the ray's losses were normalised, as nadir − ideal; None is 1.

    Returns:
        Preference r (task,), float64, on the simplex.

    Raises:
        ValueError: `ray` is not positive and finite, or `scale` is not or has not one entry per
            task.

    Examples:
        >>> preference_of_ray([1.0, 3.0])
        tensor([0.7500, 0.2500], dtype=torch.float64)
    """
    q = as_vector("ray", ray)
    if not bool(((q > 0) & torch.isfinite(q)).all()):
        raise ValueError(f"`ray` must be a positive and finite vector, got {q.tolist()}")
    return _reciprocal(q / q.sum(), scale)


def _reciprocal(vector: Tensor, scale: Sequence[float] | Tensor | None) -> Tensor:
    s = torch.ones_like(vector)
    if scale is not None:
        s = as_vector("scale", scale)
        check_length("scale", len(s), len(vector))
        if not bool(((s > 0) & torch.isfinite(s)).all()):
            raise ValueError(f"`scale` must be positive and finite, got {s.tolist()}")
    inverse = 1 / (s * vector)
    return inverse / inverse.sum()
