"""The ε-constraint method."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import as_bounds, check_count, check_number, check_positive_number, unknown_name

Violation = Literal["absolute", "relative"]


class EpsilonConstraint(LossWeighting):
    """Minimise one loss while others stay below bounds: L_main subject to L_k ≤ ε_k.

    An augmented Lagrangian: with the violation v_k = L_k − ε_k ("absolute") or L_k / ε_k − 1
    ("relative") each step pushes by p_k = max(0, λ_k + μ v_k), and the multiplier goes a part κ of
    the way there, λ_k ← λ_k + κ (p_k − λ_k). Where the constraint holds the multiplier falls back
    step by step. At the optimum λ_k is the exchange rate −dL_main / dε_k of the front.

    κ = 1 is the paper's. It has no damping but what the front's convexity gives: a large μ passes
    the bound and swings back, and on a concave stretch it circles around the bound for good. With
    κ < 1 the penalty (1 − κ) μ v acts beyond the multiplier, which damps both: along a front with
    the curvature h of L_main + λ v and the slope a of v in the parameters, small steps end on the
    bound where (1 − κ) μ a² > −h. So ask for κ = 0.1 with a large μ (10, say, for relative
    violations) where the front may be concave or a bound must not be overshot; the multiplier then
    takes some 1/κ times as long.

    Weights: 1 at the main task, p at bounded tasks (over ε_k if relative), 0 at others.

    Args:
        main: The task to minimise.
        bounds: ε_k by task, none for plain minimisation; absolute bounds may be 0 or negative.
        mu: μ > 0, how fast the multipliers answer.
        violation: What μ multiplies.
        dual_step: κ in (0, 1], the part of its way that a multiplier goes at each step.

    Raises:
        ValueError: `bounds` holds `main`, or a bound that is not finite (if relative, positive).

    Examples:
        >>> method = EpsilonConstraint(main=0, bounds={1: 0.5}, mu=1.0)
        >>> for _ in range(2):
        ...     method.weights(losses=torch.tensor([1.0, 0.75]))
        tensor([1.0000, 0.2500])
        tensor([1.0000, 0.5000])

    References:
        Momma, Garakani and Sun, Multi-objective Relevance Ranking, SIGIR eCom 2019; Nocedal and
        Wright, Numerical Optimization, 2006, section 17.4; for the damping Platt and Barr,
        Constrained Differential Optimization, NIPS 1987.

    Note:
        The multipliers move at every step, rather than after a minimisation.
    """

    multipliers: Tensor

    def __init__(
        self,
        *,
        main: int = 0,
        bounds: Mapping[int, float],
        mu: float = 0.1,
        violation: Violation = "absolute",
        dual_step: float = 1.0,
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
        if not 0 < check_number("dual_step", dual_step) <= 1:
            raise ValueError(f"`dual_step` must be in (0, 1], got {dual_step}")
        self.main: int | None = main  # None while it is absent
        self.tasks, self.mu = tasks, check_positive_number("mu", mu)
        self.dual_step = float(dual_step)
        self.bounds = torch.tensor(
            [bounds[task] for task in tasks], dtype=torch.float64, device="cpu"
        )
        self.units = self.bounds if violation == "relative" else torch.ones_like(self.bounds)
        self.register_buffer(
            "multipliers", torch.zeros(len(tasks), dtype=torch.float64, device="cpu")
        )

    @property
    def has_state(self) -> bool:
        """Always: the multipliers."""
        return True

    @contextmanager
    def among(self, present: Sequence[int], tasks: int) -> Iterator[None]:
        """Show the bounds of the tasks present alone; the main task may be absent."""
        self._check_tasks(tasks)
        whole = self.main, self.tasks, self.bounds, self.units, self.multipliers
        place = {task: i for i, task in enumerate(present)}
        kept = [j for j, task in enumerate(self.tasks) if task in place]
        self.main = None if self.main is None else place.get(self.main)
        self.tasks = [place[self.tasks[j]] for j in kept]
        self.bounds, self.units = self.bounds[kept], self.units[kept]
        self.multipliers, multipliers = self.multipliers[kept], self.multipliers.clone()
        try:
            with super().among(present, tasks):
                yield
            multipliers[kept] = self.multipliers.to(multipliers)
            whole = (*whole[:-1], multipliers)
        finally:
            self.main, self.tasks, self.bounds, self.units, self.multipliers = whole

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        self._check_tasks(len(losses))
        violation = (losses[self.tasks] - self.bounds) / self.units
        multipliers = self.multipliers.to(losses)
        push = (multipliers + self.mu * violation).relu()
        self.multipliers = multipliers.lerp(push, self.dual_step)
        weights = torch.zeros_like(losses)
        if self.main is not None:  # present in this step
            weights[self.main] = 1
        weights[self.tasks] = push / self.units
        return weights

    def _check_tasks(self, tasks: int) -> None:
        last = max([0 if self.main is None else self.main, *self.tasks])
        if last >= tasks:
            raise ValueError(f"`main` and `bounds` need task {last}, got {tasks} losses")
