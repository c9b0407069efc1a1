"""What a method may need of a training loop beside losses and gradients.

`SecondLook` needs the losses after the step, `EpochEnd` a call at the end of each epoch,
`Learnable` an optimizer for its parameters.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ._bases import Method
from ._checks import check_count, host_losses
from ._gradients import Reduce
from ._losses import present_values
from ._state import among_tasks


class SecondLook(Method):
    """Protocol of a method that must see the losses again after the optimizer's step.

    Name it before the kind (`class FAMO(SecondLook, LossWeighting)`) and implement `look`. The
    user calls `method.look_again(losses)` after each step, with the losses of the same batch. The
    next weights are refused until then: a forgotten look would leave the method at its start.
    """

    awaits_look: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("awaits_look", torch.zeros((), dtype=torch.bool, device="cpu"))

    @abstractmethod
    def look(self, losses: Tensor) -> None:
        """Update the state from the losses (task,) after the step: float64, on the CPU."""

    def weights(self, *, losses: Tensor | None = None, gramian: Tensor | None = None) -> Tensor:
        """Compute the weights as the kind does; raise if the last step was not shown.

        Raises:
            RuntimeError: `look_again` was not called since the last weights.
        """
        if bool(self.awaits_look):
            raise RuntimeError(
                f"{type(self).__name__} must see the losses of the same batch again after the "
                "step: call `method.look_again(losses)` after `optimizer.step()`"
            )
        found: Tensor = super().weights(losses=losses, gramian=gramian)  # type: ignore[misc]  # the kind comes next in the MRO
        self.awaits_look.fill_(True)
        return found

    def look_again(
        self, losses: Tensor | Sequence[Tensor | None], *, reduce: Reduce | None = None
    ) -> None:
        """Show the method the losses of the same batch after the optimizer's step.

        Args:
            losses: Vector (task,), or a sequence of scalars; None where the task was absent.
            reduce: As that of `backward`, where it was given one.

        Raises:
            RuntimeError: No weights were asked for since the last look.
            ValueError: A loss is NaN or infinite (the message names the task).
        """
        if not bool(self.awaits_look):
            raise RuntimeError(
                f"{type(self).__name__} has nothing to compare with: "
                "call `mtl_optim.backward` before `look_again`"
            )
        values, present, tasks = present_values(losses, reduce)
        with among_tasks(self, present, tasks):
            self.look(host_losses(values))
        self.awaits_look.fill_(False)


@runtime_checkable
class EpochEnd(Protocol):
    """Protocol of a method that must know where an epoch ends.

    Any method with an `end_epoch` is one; it needs no base class. The training loop calls it after
    each epoch. `method.modules()` finds it inside wrappers too:

        for part in method.modules():
            if isinstance(part, EpochEnd):
                part.end_epoch()

    Examples:
        >>> from mtl_optim import CRMOGM, DynamicWeightAverage
        >>> [isinstance(part, EpochEnd) for part in CRMOGM(DynamicWeightAverage()).modules()]
        [False, True]
    """

    def end_epoch(self) -> None:
        """End the epoch of the steps since the last call."""


class Learnable(Method):
    """Protocol of a method with parameters that are learned beside the model's.

    Name it before the kind (`class UncertaintyWeighting(Learnable, LossWeighting)`) and implement
    `objective`. The user gives `method.parameters()` to an optimizer. At each step the driver adds
    the objective's gradient to their `.grad`, and it refuses to go on where the last gradients
    are still there and changed nothing: a method whose parameters no optimizer holds would stay at
    its start.

    Args:
        accumulation: Calls of `backward` per step of the optimizer.
    """

    answered: Tensor
    waiting: Tensor

    def __init__(self, *, accumulation: int = 1) -> None:
        super().__init__()
        check_count("accumulation", accumulation)
        self.accumulation = accumulation
        # A resumed run starts to watch again, so this is not part of the state.
        self.register_buffer("answered", torch.empty(0, device="cpu"), persistent=False)
        self.register_buffer(
            "waiting", torch.zeros((), dtype=torch.int64, device="cpu"), persistent=False
        )

    @abstractmethod
    def objective(self, losses: Tensor, gramian: Tensor | None) -> Tensor:
        """Return what the method's parameters minimise: a scalar with a graph to them."""

    def learn(self, losses: Tensor, gramian: Tensor | None, scale: float) -> None:
        """Add the objective's gradient to the `.grad` of the parameters.

        Raises:
            RuntimeError: The gradients of the last `accumulation` calls changed no parameter.
        """
        parameters = [p for p in self.parameters() if p.requires_grad]
        if not parameters:
            return
        now = torch.cat([p.detach().flatten().cpu() for p in parameters])
        # An optimizer that holds the parameters moves them, or clears their `.grad`, which it does
        # at a learning rate of 0 or after an overflow too.
        cleared = not any(p.grad is not None and bool(p.grad.any()) for p in parameters)
        if cleared or not torch.equal(now, self.answered):
            self.waiting.zero_()
        if int(self.waiting) >= self.accumulation:
            raise RuntimeError(
                f"the parameters of {type(self).__name__} received gradients and did not change: "
                "give `method.parameters()` to the optimizer, or set `accumulation` to the number "
                "of `backward` calls per optimizer step"
            )
        with torch.enable_grad():
            gradients = torch.autograd.grad(self.objective(losses, gramian), parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            gradient = gradient * scale
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        self.answered = now
        self.waiting += 1
