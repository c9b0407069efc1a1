"""A main task with guard rails."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import Array, as_bounds, check_number
from .._main_task import HoldsMain
from .._solvers import project_onto_half_spaces, unit_diagonal

_HALVINGS = 50


class GuardRails(HoldsMain, GramianWeighting):
    """Follow the main task's gradient as far as the other tasks' floors allow.

    With the main task's gradient g₀ the direction is

        argmin ‖d − g₀‖²  such that  ⟨g_k, d⟩ ≥ ρ_k ‖g_k‖ ‖g₀‖  for each guarded task k.

    To first order a floor of 0 keeps L_k from rising; ρ_k > 0 makes it fall at least by that part
    of what the same step would gain along its own gradient; ρ_k < 0 lets it rise by that much.
    Where no floor binds, d = g₀. Positive floors come before the main task, whose loss may rise.

    Floors of 0 and below can always be met, by d = 0 at worst. Where positive floors would need a
    direction longer than `longest` ‖g₀‖, or none meets them, as for gradients that are opposite,
    all positive floors are lowered by one factor until such a direction does.

    Weights: 1 for the main task, the multipliers v_k ≥ 0 of the program for guarded tasks, 0 for
    others. Where g₀ vanishes, d = 0; where the main task is absent, all weights are 0.

    Args:
        main: The task to follow.
        floors: ρ_k in [−1, 1] by guarded task; None guards all other tasks with 0.
        longest: ‖d‖ / ‖g₀‖ at most, at least 1.

    Raises:
        ValueError: `floors` holds `main`, or a floor that is not in [−1, 1].

    Examples:
        >>> conflict = torch.tensor([[1.0, -0.5], [-0.5, 1.0]])
        >>> GuardRails().weights(gramian=conflict)
        tensor([1.0000, 0.5000])
        >>> GuardRails(floors={1: 0.25}).weights(gramian=conflict)
        tensor([1.0000, 0.7500])

    References:
        Lopez-Paz and Ranzato, Gradient Episodic Memory for Continual Learning, NeurIPS 2017,
        equation 11, where all floors are 0 and the main task is the current one.
    """

    def __init__(
        self, *, main: int = 0, floors: Mapping[int, float] | None = None, longest: float = 2.0
    ) -> None:
        super().__init__(main)
        self.floors = None if floors is None else as_bounds(floors, name="floors")
        for task, floor in (self.floors or {}).items():
            if task == main or not -1 <= floor <= 1:
                raise ValueError(
                    f"`floors` must be in [-1, 1], for tasks other than `main`, {main}, "
                    f"got {floor} for task {task}"
                )
        self.longest = check_number("longest", longest)
        if not 1 <= self.longest < float("inf"):
            raise ValueError(f"`longest` must be at least 1 and finite, got {longest}")

    @contextmanager
    def among(self, present: Sequence[int], tasks: int) -> Iterator[None]:
        """Show the floors of the tasks present alone; the main task may be absent."""
        self._check_tasks(tasks)
        whole = self.floors
        if whole is not None:
            self.floors = {i: whole[task] for i, task in enumerate(present) if task in whole}
        try:
            with super().among(present, tasks):
                yield
        finally:
            self.floors = whole

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        floors = self._floors(len(gramian))
        cosines, norms = unit_diagonal(gramian.numpy())
        start = np.zeros(len(norms))
        if self.main is None:
            return torch.from_numpy(start)
        start[self.main] = 1.0
        if norms[self.main] == 0:
            return torch.from_numpy(start)
        moves = norms > 0
        weights = self._within(cosines, start, np.where(moves, floors, -np.inf))
        weights[moves] *= norms[self.main] / norms[moves]
        return torch.from_numpy(weights)

    def _floors(self, tasks: int) -> Array:
        """Return ρ (task,); −∞ where a task is not guarded."""
        self._check_tasks(tasks)
        rho = np.full(tasks, 0.0 if self.floors is None else -np.inf)
        for task, floor in (self.floors or {}).items():
            rho[task] = floor
        if self.main is not None:
            rho[self.main] = -np.inf
        return rho

    def _check_tasks(self, tasks: int) -> None:
        last = max([0 if self.main is None else self.main, *(self.floors or {})])
        if last >= tasks:
            raise ValueError(f"`main` and `floors` need task {last}, got {tasks} tasks")

    def _within(self, cosines: Array, start: Array, floors: Array) -> Array:
        """Return the weights of unit gradients, with the positive floors as high as they can be."""
        found = project_onto_half_spaces(cosines, start, floors)
        if found is not None and found @ cosines @ found <= self.longest**2:
            return found.copy()
        low, high = 0.0, 1.0
        kept = project_onto_half_spaces(cosines, start, np.minimum(floors, 0.0))
        for _ in range(_HALVINGS):
            factor = (low + high) / 2
            found = project_onto_half_spaces(
                cosines, start, np.where(floors > 0, factor * floors, floors)
            )
            if found is None or found @ cosines @ found > self.longest**2:
                high = factor
            else:
                low, kept = factor, found
        return start.copy() if kept is None else kept.copy()
