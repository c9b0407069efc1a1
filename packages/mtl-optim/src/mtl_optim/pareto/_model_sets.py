"""Weights for a few models that serve many tasks together."""

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax
from torch import Tensor

from .._checks import Array, check_length, check_positive_number
from .._preference import as_preference
from ._points import Points, as_corner, as_set


def stch_set_weights(
    losses: Points,
    *,
    mu: float,
    preference: Sequence[float] | Tensor | None = None,
    ideal: Points | None = None,
) -> Array:
    """Compute the slopes of the smooth Chebyshev scalar of a set of models.

        μ log Σ_k exp(r_k (s_k − z_k) / μ),   s_k = −μ log Σ_m exp(−L_mk / μ)

    s_k is a smooth least loss over the models m: a task needs one model that serves it. The slope
    in L_mk is r_k, times how much the scalar depends on task k, times how much of s_k is model m's:

        w_mk = r_k softmax_k(r_k (s_k − z_k) / μ) softmax_m(−L_mk / μ).

    Models share the tasks out. As μ → 0 it is max_k r_k (min_m L_mk − z_k), above by at most
    μ log K and below by at most max r · μ log M for M models.

    Args:
        losses: Losses L (model, task).
        mu: Smoothing μ > 0, in units of the losses.
        preference: r (task,), on the simplex; None is 1 for each task.
        ideal: z (task,), the point that differences are taken from; None is 0.

    Returns:
        Weights (model, task): the gradient of model m is that of Σ_k w_mk L_mk. They sum to an
        average of r, so to 1 without a preference.

    Raises:
        ValueError: A shape is wrong, an entry is not finite, or `preference` is not on the simplex.

    Examples:
        >>> stch_set_weights([[1.0, 5.0], [5.0, 2.0]], mu=0.1).round(3).tolist()
        [[0.0, 0.0], [0.0, 1.0]]
        >>> stch_set_weights([[1.0, 5.0], [5.0, 1.0]], mu=0.1).round(3).tolist()
        [[0.5, 0.0], [0.0, 0.5]]

        With two models' losses as tensors, `(losses * torch.from_numpy(w)).sum().backward()`.

    References:
        Lin et al., Few for Many: Tchebycheff Set Scalarization for Many-Objective Optimization,
        ICLR 2025.
    """
    L = as_set(losses, False, "losses")
    mu, tasks = check_positive_number("mu", mu), L.shape[1]
    r, z = np.ones(tasks), np.zeros(tasks)
    if preference is not None:
        r = as_preference(preference).numpy()
        check_length("preference", len(r), tasks)
    if ideal is not None:
        z = as_corner(ideal, False, tasks, "ideal")
    nearest = L.min(axis=0)
    least = nearest - mu * np.log(np.exp((nearest - L) / mu).sum(axis=0))
    demand = r * softmax(r * (least - z) / mu)
    return np.asarray(demand * softmax(-L / mu, axis=0), dtype=np.float64)
