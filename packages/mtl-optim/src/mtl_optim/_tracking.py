"""Gradients averaged over the steps, for methods that combine the averages."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ._bases import Method
from ._checks import check_length
from ._gradients import Rows, check_finite_rows, finite_rows
from ._sparse import is_sparse


class TrackedGradients(Method):
    """Mixin of a method whose rows of J are running averages: y_k ← y_k + ρ_t (c_k g_k − y_k).

    Name it before the kind (`class MoCo(TrackedGradients, GramianWeighting)`) and implement `rate`;
    `factors` where the gradients are scaled first. The method then sees the Gramian of the averages
    and its weights combine them. They take as much memory as the K gradients, and `state_dict`
    holds them.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.averages: Rows = []
        self.steps: list[int] = []  # that each task was present at

    @property
    def tracks(self) -> bool:
        """Always."""
        return True

    @abstractmethod
    def rate(self, step: int) -> float:
        """Return ρ_t in (0, 1] for step t, counted from 1; ρ_1 = 1, as there is no average."""

    def factors(self, losses: Tensor) -> Tensor:
        """Return the factors c (task,) for the losses (task,)."""
        return torch.ones_like(losses)

    @torch.no_grad()
    def track(self, jacobian: Rows, losses: Tensor, scale: float) -> Rows:
        """Update the averages by the gradients, which a gradient scaler has multiplied by `scale`.

        Gradients that overflowed in a scaler leave the averages, and are handed back as they are.

        Raises:
            ValueError: A gradient is NaN or infinite without a scaler, or the number of tasks or
                their parameters change.
        """
        if not self.admit(jacobian, scale):
            return jacobian
        factors = self.factors(losses.detach().to("cpu", torch.float64)).tolist()
        rates = [self.rate(step) for step in self.steps]
        self.averages = [
            [_move(y, g, rate, factor * rate / scale) for y, g in zip(own, row, strict=True)]
            for own, row, rate, factor in zip(self.averages, jacobian, rates, factors, strict=True)
        ]
        if scale == 1:
            return self.averages
        return [[None if y is None else y * scale for y in row] for row in self.averages]

    def admit(self, jacobian: Rows, scale: float) -> bool:
        """Return whether the gradients may enter the state; if so, count the step."""
        if scale == 1:
            check_finite_rows(jacobian)
        elif not bool(finite_rows(jacobian).all()):
            return False
        if not self.averages:
            self.averages = [[None] * len(row) for row in jacobian]
            self.steps = [0] * len(jacobian)
        found = len(jacobian), len(jacobian[0])
        before = len(self.averages), len(self.averages[0])
        if found != before:
            raise ValueError(
                "`shared` must not change its number of tasks and of tensors: "
                f"got {found} after {before}"
            )
        for own, row in zip(self.averages, jacobian, strict=True):
            for average, gradient in zip(own, row, strict=True):
                if average is not None and gradient is not None and average.shape != gradient.shape:
                    raise ValueError(
                        "`shared` must not change the shapes of its tensors: got "
                        f"{tuple(gradient.shape)} after {tuple(average.shape)}"
                    )
        self.steps = [step + 1 for step in self.steps]
        return True

    @contextmanager
    def among(self, present: Sequence[int], tasks: int) -> Iterator[None]:
        """Show the averages of the tasks present alone."""
        averages, steps = self.averages, self.steps
        if averages:
            check_length("averages", len(averages), tasks)
            self.averages = [list(averages[task]) for task in present]
            self.steps = [steps[task] for task in present]
        try:
            with super().among(present, tasks):
                yield
            if self.averages and not averages:
                averages, steps = [[None] * len(self.averages[0])] * tasks, [0] * tasks
            averages, steps = list(averages), list(steps)
            for task, row, step in zip(present, self.averages, self.steps, strict=bool(averages)):
                averages[task], steps[task] = row, step
        finally:
            self.averages, self.steps = averages, steps

    # The averages are tensors of their own names, as every state: a checkpoint of tensors alone,
    # such as safetensors, holds them.
    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if not self.averages:
            return
        tasks, blocks = len(self.averages), len(self.averages[0])
        tracked = torch.tensor([tasks, blocks, *self.steps], device="cpu")
        destination[f"{prefix}tracked"] = tracked
        for k, row in enumerate(self.averages):
            for b, average in enumerate(row):
                if average is not None:
                    destination[f"{prefix}averages.{k}.{b}"] = average

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        own = f"{prefix}averages."
        found = {key: value for key, value in state_dict.items() if key.startswith(own)}
        tracked = state_dict.get(f"{prefix}tracked")
        mine = {*found, f"{prefix}tracked"}
        rest = {key: value for key, value in state_dict.items() if key not in mine}
        super()._load_from_state_dict(rest, prefix, *args, **kwargs)
        tasks, blocks, *self.steps = [0, 0] if tracked is None else tracked.tolist()
        self.averages = [[None] * blocks for _ in range(tasks)]
        for key, value in found.items():
            k, b = key.removeprefix(own).split(".")
            self.averages[int(k)][int(b)] = value.clone()


def _move(
    average: Tensor | None, gradient: Tensor | None, rate: float, part: float
) -> Tensor | None:
    """Return (1 − ρ) y + ρ c g, in the memory of y; None is 0."""
    if average is None:
        return None if gradient is None else gradient * part
    average = average.to(gradient.device) if gradient is not None else average
    average.mul_(1 - rate)
    if gradient is None:
        return average
    if is_sparse(average) and not is_sparse(gradient):
        return torch.add(gradient * part, average)
    return average.add_(gradient, alpha=part)
