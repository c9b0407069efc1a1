"""Other indicators of a set of points: distance to a target, evenness, change against baselines."""

import numpy as np
import torch
from scipy.spatial.distance import cdist

from .._checks import as_numbers, check_length
from .._preference import as_vector
from ._points import Points, Sense, as_corner, as_costs, as_set, require_moocore


def r2(
    points: Points, ideal: Points, *, preferences: Points | None = None, maximize: Sense = False
) -> float:
    """Compute the expected least Chebyshev distance from the ideal point; smaller is better.

        R2 = E_r min_p max_k r_k (p_k − z_k)

    over preferences r, uniform on the simplex for two tasks (exact), or the mean over those given.

    Args:
        points: Points p (point, task).
        ideal: z (task,), nowhere worse than a point.
        preferences: r (preference, task); needed for more than two tasks.
        maximize: Whether larger is better, for all tasks or for each.

    Raises:
        ImportError: moocore is not installed and no `preferences` are given.
        ValueError: A shape is wrong, an entry is not finite, `ideal` is worse than a point, or
            there are more than two tasks and no `preferences`.

    Examples:
        >>> r2([[1.0, 1.0]], [0.0, 0.0])
        0.75
        >>> r2([[1.0, 1.0]], [0.0, 0.0], preferences=[[0.5, 0.5]])
        0.5

    References:
        Hansen and Jaszkiewicz, Evaluating the quality of approximations to the non-dominated set,
        1998; exact for two tasks: Schäpermeier and Kerschke, R2 v2, 2025.
    """
    costs = as_set(points, maximize)
    best = as_corner(ideal, maximize, costs.shape[1], "ideal")
    if (costs < best).any():
        raise ValueError(
            f"`ideal` must be nowhere worse than a point, got {as_numbers('ideal', ideal)}"
        )
    gaps = costs - best
    if preferences is None:
        if costs.shape[1] != 2:
            raise ValueError(
                f"`preferences` must be given for more than two tasks, got {costs.shape[1]}"
            )
        return float(require_moocore("r2").r2_exact(gaps, ref=np.zeros(2)))
    weights = as_set(preferences, False, "preferences")
    check_length("preferences", weights.shape[1], costs.shape[1])
    return float((weights[:, None] * gaps).max(axis=2).min(axis=1).mean())


def igd_plus(points: Points, target: Points, *, maximize: Sense = False) -> float:
    """Compute the mean distance from a target front to the points, where they fall short of it.

        IGD⁺ = mean_t min_p ‖max(p − t, 0)‖

    Args:
        points: Points p (point, task).
        target: Points t (point, task) of the front that is aimed at.
        maximize: Whether larger is better, for all tasks or for each.

    Returns:
        IGD⁺; 0 where every target is reached.

    Raises:
        ImportError: moocore is not installed.
        ValueError: A shape is wrong or an entry is not finite.

    Examples:
        >>> igd_plus([[1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
        0.5

    References:
        Ishibuchi, Masuda, Tanigaki and Nojima, Modified distance calculation in generational
        distance and inverted generational distance, EMO 2015.
    """
    moocore = require_moocore("igd_plus")
    costs, goal = as_set(points, maximize), as_set(target, maximize, "target")
    check_length("target", goal.shape[1], costs.shape[1])
    return float(moocore.igd_plus(costs, ref=goal))


def spread(points: Points, *, extremes: Points | None = None, maximize: Sense = False) -> float:
    """Compute how unevenly the points lie; 0 if all nearest neighbours are equally far.

        Δ = (Σ_k d(e_k, S) + Σ_p |d(p, S∖p) − d̄|) / (Σ_k d(e_k, S) + N d̄)

    with d(x, S) the distance from x to the nearest point of S, and d̄ the mean of d(p, S∖p).

    Args:
        points: Points S (point, task), two or more different ones.
        extremes: Ends e (end, task) of the front that should be covered; None asks for none.
        maximize: Whether larger is better, for all tasks or for each.

    Returns:
        Δ, at least 0.

    Raises:
        ValueError: A shape is wrong, an entry is not finite, or all points are equal.

    Examples:
        >>> spread([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]])
        0.0

    References:
        Zhou, Jin, Zhang, Sendhoff and Tsang, Combining model-based and genetics-based offspring
        generation for multi-objective optimization, CEC 2006; after Deb et al., NSGA-II, 2002.
    """
    costs = as_set(points, maximize)
    if (costs == costs[0]).all():
        raise ValueError("`points` must hold two or more different points")
    between = cdist(costs, costs)
    np.fill_diagonal(between, np.inf)
    nearest = between.min(axis=1)
    missed = 0.0
    if extremes is not None:
        ends = as_set(extremes, maximize, "extremes")
        check_length("extremes", ends.shape[1], costs.shape[1])
        missed = float(cdist(ends, costs).min(axis=1).sum())
    uneven = float(np.abs(nearest - nearest.mean()).sum())
    return (missed + uneven) / (missed + float(nearest.sum()) or 1.0)


def delta_m(metrics: Points, baselines: Points, *, higher_is_better: Sense = True) -> float:
    """Compute the mean relative change against single-task baselines in percent; lower is better.

    Δm% = 100/K Σ_k (−1)^δ_k (M_k − B_k) / |B_k|, δ_k = 1 where higher is better: a gain over the
    baselines is negative. (The papers divide by B_k; their metrics are positive.)

    Args:
        metrics: Metrics M (task,).
        baselines: Metrics B (task,) of a model trained for that task alone.
        higher_is_better: δ, for all tasks or for each.

    Raises:
        ValueError: Shapes differ, an entry is not finite, or a baseline is 0.

    Examples:
        >>> round(delta_m([0.55, 0.40], [0.50, 0.50]), 6)
        5.0

    References:
        Maninis, Radosavovic and Kokkinos, Attentive Single-Tasking of Multiple Tasks, CVPR 2019,
        with the sign of Liu et al., FAMO, NeurIPS 2023.
    """
    found, base = as_vector("metrics", metrics), as_vector("baselines", baselines)
    fits = base.shape == found.shape and bool((torch.isfinite(base) & (base != 0)).all())
    if not fits:
        raise ValueError(
            f"`baselines` must be finite, not 0, and one per task, got {base.tolist()} "
            f"for {len(found)} tasks"
        )
    costs = as_costs(found[None], higher_is_better, "metrics", "higher_is_better")
    signed = as_costs(base[None], higher_is_better, "baselines", "higher_is_better")
    return float(100 * np.mean((costs - signed) / base.abs().numpy()))
