"""The ε-constraint method."""

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import as_bounds, check_count, check_positive_number, unknown_name

Violation = Literal["absolute", "relative"]


class EpsilonConstraint(LossWeighting):
    """Minimise one loss while others stay below bounds: L_main subject to L_k ≤ ε_k.

    An augmented Lagrangian: at each step λ_k ← max(0, λ_k + μ v_k) with the violation
    v_k = L_k − ε_k ("absolute") or L_k / ε_k − 1 ("relative"), and w_k = λ_k ∂v_k/∂L_k. Where the
    constraint holds the multiplier falls back step by step. At the optimum λ_k is the exchange rate
    −dL_main / dε_k of the front.

    Weights: 1 at the main task, the multipliers at bounded tasks (over ε_k if relative), 0 at
    others.

    Args:
        main: The task to minimise.
        bounds: ε_k by task, none for plain minimisation; absolute bounds may be 0 or negative.
        mu: μ > 0, how fast the multipliers answer.
        violation: What μ multiplies.

    Raises:
        ValueError: `mu` is not positive, `bounds` holds `main`, a negative task or a
            bound that is not finite (not positive, if relative); `violation` is unknown; a task is
            not among the losses.

    Examples:
        >>> method = EpsilonConstraint(main=0, bounds={1: 0.5}, mu=1.0)
        >>> for _ in range(2):
        ...     method.weights(losses=torch.tensor([1.0, 0.75]))
        tensor([1.0000, 0.2500])
        tensor([1.0000, 0.5000])

    Reference:
        Momma, Garakani and Sun, Multi-objective Relevance Ranking, SIGIR eCom 2019; Nocedal and
        Wright, Numerical Optimization, 2006, section 17.4.

    Note:
        The multipliers move at every step, rather than after a minimisation: on a convex stretch of
        the front it converges, on a concave one it circles around the bound.
    """

    multipliers: Tensor

    def __init__(
        self,
        *,
        main: int = 0,
        bounds: Mapping[int, float],
        mu: float = 0.1,
        violation: Violation = "absolute",
    ) -> None:
        super().__init__()
        if violation not in get_args(Violation):
            raise unknown_name("violation", violation, get_args(Violation))
        check_count("main", main, 0)
        bounds = as_bounds(bounds)
        tasks = list(bounds)
        if main in tasks:
            raise ValueError(f"`bounds` must name tasks other than `main`, {main}, got {tasks}")
        lowest = 0.0 if violation == "relative" else -float("inf")
        for task in tasks:
            if not lowest < bounds[task] < float("inf"):
                raise ValueError(
                    f"`bounds` must be finite, and positive for a relative violation, "
                    f"got {bounds[task]} for task {task}"
                )
        self.main, self.tasks, self.mu = main, tasks, check_positive_number("mu", mu)
        self.bounds = torch.tensor([bounds[task] for task in tasks], dtype=torch.float64)
        self.units = self.bounds if violation == "relative" else torch.ones_like(self.bounds)
        self.register_buffer("multipliers", torch.zeros(len(tasks), dtype=torch.float64))

    def forward(self, losses: Tensor) -> Tensor:
        """Weights (task,)."""
        last = max([self.main, *self.tasks])
        if last >= len(losses):
            raise ValueError(f"`main` and `bounds` need task {last}, got {len(losses)} losses")
        violation = (losses[self.tasks] - self.bounds) / self.units
        self.multipliers = (self.multipliers.to(losses) + self.mu * violation).clamp(min=0)
        weights = torch.zeros_like(losses)
        weights[self.main] = 1
        weights[self.tasks] = self.multipliers / self.units
        return weights
