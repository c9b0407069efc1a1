"""Fast adaptive multitask optimization."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import check_count, check_length, check_non_negative_number, check_positive_number
from .._per_task import Given, Kept
from .._preference import as_ideal
from .._protocols import SecondLook
from .._state import State

_AT_BOUND = 1e-8  # of the other loss


class FAMO(SecondLook, LossWeighting):
    """Let all losses fall at the same relative rate, from the losses before and after each step.

    With z = softmax(ξ) the weights are w_k = z_k / (L_k − b_k) / c, c = Σ z / (L − b): one backward
    of Σ z log(L − b), scaled. After the optimizer's step call `look_again` with the losses of the
    same batch: ξ moves against the softmax Jacobian times log L_before − log L_after, so that the
    weight of the task that fell fastest falls. It takes one call of `backward` per step: with
    micro-batches there would be losses before a step, and none after it. A task at its bound has no
    gradient left: its weight is 0, and its fall to the bound, or rise from it, is by a factor 1e8.

    Weights: sum to 1.

    Args:
        num_tasks: K.
        lr: Learning rate of ξ (Adam).
        weight_decay: γ, of ξ.
        lower_bounds: b (task,), not above any loss; None is 0.

    Raises:
        ValueError: A loss is below its bound (the message names the task).
        RuntimeError: The losses after the last step were not shown.

    Examples:
        >>> method = FAMO(2)
        >>> method.weights(losses=torch.tensor([1.0, 3.0]))
        tensor([0.7500, 0.2500])
        >>> method.look_again(torch.tensor([0.5, 3.0]))
        >>> bool(method.logits[0] < method.logits[1])
        True

    References:
        Liu et al., FAMO: Fast Adaptive Multitask Optimization, NeurIPS 2023, algorithm 1.
    """

    logits: Tensor
    bounds: Tensor
    before: Tensor
    per_task: ClassVar = {"logits": Kept(), "bounds": Given(), "before": Kept()}

    def __init__(
        self,
        num_tasks: int,
        *,
        lr: float = 0.025,
        weight_decay: float = 1e-3,
        lower_bounds: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        check_count("num_tasks", num_tasks)
        self.adam = _Adam(num_tasks, lr=lr, weight_decay=weight_decay)
        self.register_buffer("logits", torch.zeros(num_tasks, dtype=torch.float64, device="cpu"))
        self.register_buffer("bounds", as_ideal(lower_bounds, num_tasks, name="lower_bounds"))
        self.register_buffer("before", torch.zeros(num_tasks, dtype=torch.float64, device="cpu"))

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        self.before = self._above_bound(losses)
        z = self.logits.to(losses).softmax(dim=0)
        w = torch.where(self.before > 0, z / self.before, 0.0)
        return w / w.sum() if bool(w.any()) else w

    def look(self, losses: Tensor) -> None:
        """Move ξ by what the step did to the losses (task,)."""
        before, after = self.before.to(losses), self._above_bound(losses)
        least = _AT_BOUND * torch.maximum(before, after)
        least = torch.where(least > 0, least, 1.0)
        before, after = (torch.where(x > 0, x, least) for x in (before, after))
        fall = before.log() - after.log()
        logits = self.logits.to(fall)
        z = logits.softmax(dim=0)
        self.logits = self.adam.step(logits, z * (fall - z @ fall))

    def _above_bound(self, losses: Tensor) -> Tensor:
        check_length("losses", len(losses), len(self.bounds))
        above = losses - self.bounds.to(losses)
        if bool((above < 0).any()):
            task = int(torch.nonzero(above < 0)[0])
            raise ValueError(
                f"FAMO needs `losses` of at least `lower_bounds`, got {float(losses[task])} with "
                f"the bound {float(self.bounds[task])} for task {task}"
            )
        return above


class _Adam(State):
    """Adam with its state in buffers, so that `state_dict` of a method resumes it.

    References:
        Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, algorithm 1.
    """

    mean: Tensor
    square: Tensor
    steps: Tensor
    per_task: ClassVar = {"mean": Kept(), "square": Kept(), "steps": Kept()}

    def __init__(self, size: int, *, lr: float, weight_decay: float) -> None:
        super().__init__()
        self.lr = check_positive_number("lr", lr)
        self.weight_decay = check_non_negative_number("weight_decay", weight_decay)
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64, device="cpu"))
        self.register_buffer("square", torch.zeros(size, dtype=torch.float64, device="cpu"))
        self.register_buffer("steps", torch.zeros(size, dtype=torch.int64, device="cpu"))

    def step(self, vector: Tensor, gradient: Tensor) -> Tensor:
        """Return the vector after a step."""
        gradient = gradient + self.weight_decay * vector
        self.steps = self.steps + 1
        self.mean = self.mean.to(gradient).lerp(gradient, 0.1)
        self.square = self.square.to(gradient).lerp(gradient**2, 0.001)
        steps = self.steps.to(gradient)
        mean, square = self.mean / (1 - 0.9**steps), self.square / (1 - 0.999**steps)
        return vector - self.lr * mean / (square.sqrt() + 1e-8)
