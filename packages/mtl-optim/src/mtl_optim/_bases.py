"""The kinds of multi-task method, by what the paper's method looks at.

A driver takes the cheapest way that a method's kind allows: one backward for a `LossWeighting`,
one vector-Jacobian product per task for the others. What else a method may need of a driver is in
`_protocols.py`.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from ._checks import (
    check_count,
    check_cross_gramian,
    check_flag,
    check_gramian,
    check_length,
    check_tensor,
    check_weights,
    host_losses,
)
from ._gradients import Rows
from ._per_task import Joint, Kept
from ._state import State


class Method(State, ABC):
    """What all methods share: state in buffers, and one device-to-host copy per step.

    Every method raises ValueError for an argument outside the range that its documentation gives,
    for a vector without one entry per task, and when the number of tasks changes; TypeError for an
    argument of another type. What else a method raises stands under its Raises.
    """

    @property
    def has_state(self) -> bool:
        """Whether later steps depend on the losses of earlier ones."""
        parts = [part for part in self.modules() if isinstance(part, State)]
        return any(isinstance(rule, Kept) for part in parts for rule in part._rules().values())


class Weighting(Method):
    """A method whose direction is Jᵀ w: what a driver asks of all kinds, and of their wrappers."""

    @property
    @abstractmethod
    def due(self) -> bool:
        """Whether the next step looks at the Gramian; where not, `weights` needs none."""

    @property
    @abstractmethod
    def looks_at_gradients(self) -> bool:
        """Whether any step looks at the Gramian; where not, one backward serves every step."""

    @property
    def wants_second_batch(self) -> bool:
        """Whether the Gramian is that between the gradients of two batches."""
        return False

    @property
    def tracks(self) -> bool:
        """Whether the driver shows the gradients themselves to `track`, step after step."""
        return False

    def track(self, jacobian: Rows, losses: Tensor, scale: float) -> Rows:
        """Return the rows that the weights combine: the gradients, or what a method makes of them.

        Args:
            jacobian: The gradients of each task, one per shared tensor; None where one is missing.
            losses: Losses (task,).
            scale: Factor of the gradients, from a gradient scaler; of the result too.
        """
        return jacobian

    @abstractmethod
    def weights(self, *, losses: Tensor | None = None, gramian: Tensor | None = None) -> Tensor:
        """Return the weights (task,), with no model at all."""

    def checked(self, weights: Tensor, like: Tensor) -> Tensor:
        """Copy what `forward` gave, to the dtype and the device of another tensor.

        Args:
            weights: What `forward` gave.
            like: Losses (task,) or a Gramian (task, task).

        Raises:
            TypeError: They are not a tensor.
            ValueError: They are not of shape (task,), or one is NaN or infinite, in that dtype (the
                message names the task).
        """
        check_weights(weights, len(like), type(self).__name__)
        found = weights.detach().to(like.dtype, copy=True)
        if found.dtype != weights.dtype:
            check_weights(found, len(like), f"{type(self).__name__} in {found.dtype}")
        return found.to(like.device)

    def learn(self, losses: Tensor, gramian: Tensor | None, scale: float) -> None:
        """Add to the `.grad` of the method's own parameters, where it has some.

        A driver calls it once per step, before it writes any gradient.

        Args:
            losses: Losses (task,), float64, on the CPU.
            gramian: Gramian (task, task), likewise; None in a step that looks at none.
            scale: Factor of the gradients, from a gradient scaler.
        """


class LossWeighting(Weighting):
    """A method that weighs the tasks by their losses alone: one backward per step.

    A subclass implements `forward(losses) -> weights`, both (task,), float64, on the CPU, finite.
    """

    @abstractmethod
    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,) for the losses (task,)."""

    @property
    def due(self) -> bool:
        """Never: no step looks at the Gramian."""
        return False

    @property
    def looks_at_gradients(self) -> bool:
        """Never."""
        return False

    def weights(self, *, losses: Tensor | None = None, gramian: Tensor | None = None) -> Tensor:
        """Compute the method's weights, with no model at all.

        Args:
            losses: Losses (task,).
            gramian: Ignored, so that methods of all kinds can be called alike.

        Returns:
            Weights (task,) with the dtype and device of `losses`.

        Raises:
            TypeError: `losses` is not given, or is not a dense tensor of floating-point numbers.
            ValueError: A loss is NaN or infinite (the message names the task).
        """
        if losses is None:
            raise TypeError(f"{type(self).__name__} needs `losses`, got None")
        return self.checked(self(host_losses(losses)), losses)


class GramianWeighting(Weighting):
    """A method that weighs the tasks by the Gramian of their gradients, and by their losses.

    A subclass implements `forward(gramian, losses) -> weights`: float64, on the CPU, finite;
    `losses` is None where the caller has none.

    Args:
        update_every: The weights are found at every `update_every`-th step and reused between; the
            steps between cost one backward.

    Raises:
        ValueError: `update_every` is below 1.
    """

    held_weights: Tensor
    steps_held: Tensor
    per_task: ClassVar = {"held_weights": Joint()}

    def __init__(self, *, update_every: int = 1) -> None:
        super().__init__()
        check_count("update_every", update_every)
        self.update_every = update_every
        self.register_buffer("held_weights", torch.empty(0, dtype=torch.float64, device="cpu"))
        self.register_buffer("steps_held", torch.zeros((), dtype=torch.int64, device="cpu"))

    @abstractmethod
    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,) for the Gramian (task, task) and the losses (task,)."""

    @property
    def due(self) -> bool:
        """Whether the next step looks at the Gramian; where not, `weights` needs none."""
        return (
            self.update_every == 1
            or self.held_weights.numel() == 0
            or bool(self.held_weights.isnan().any())  # found while some tasks were absent
            or int(self.steps_held) >= self.update_every
        )

    @property
    def looks_at_gradients(self) -> bool:
        """Always."""
        return True

    def weights(self, *, losses: Tensor | None = None, gramian: Tensor | None = None) -> Tensor:
        """Compute the method's weights, with no model at all.

        Args:
            losses: Losses (task,); most methods do without.
            gramian: Gramian G = J Jᵀ (task, task) of the tasks' gradients.

        Returns:
            Weights (task,) with the dtype and device of `gramian`.

        Raises:
            TypeError: `gramian` is not given at a step that looks at it, or is not a dense
                tensor of floating-point numbers.
            ValueError: An entry is NaN or infinite (the message names the task), a shape is wrong,
                or, beyond what rounding does, `gramian` is not symmetric or has a negative
                eigenvalue.
        """
        like = gramian if gramian is not None else losses
        if not self.due:
            if losses is not None:
                check_length("losses", len(losses), len(self.held_weights))
            self.steps_held += 1
            return self.checked(self.held_weights, self.held_weights if like is None else like)
        if gramian is None:
            raise TypeError(f"{type(self).__name__} needs `gramian`, got None")
        check_tensor("gramian", gramian)
        host = gramian.detach().to("cpu", torch.float64)
        if losses is not None:
            losses = host_losses(losses)
            check_length("losses", len(losses), len(host))
        self.check_gramian(host)
        found: Tensor = self(host, losses)
        weights = self.checked(found, gramian)
        if self.update_every > 1:
            self.held_weights = found.detach().clone()
            self.steps_held.fill_(1)
        return weights

    def check_gramian(self, gramian: Tensor) -> None:
        """Raise unless `gramian` is a Gramian."""
        check_gramian(gramian)

    def require_losses(self, losses: Tensor | None) -> Tensor:
        """Return the losses of a method that needs them."""
        if losses is None:
            raise TypeError(f"{type(self).__name__} needs `losses` beside `gramian`, got None")
        return losses


class CrossGramianWeighting(GramianWeighting):
    """A method that weighs the tasks by the gradients of two independent batches.

    Where a `GramianWeighting` sees G = J Jᵀ it sees C = J J'ᵀ, whose mean is the product of the
    mean gradients, while that of G is more, by the noise of the batch with itself. C is neither
    symmetric nor of positive diagonal.

    A subclass implements `forward(cross_gramian, losses) -> weights`.

    Args:
        one_batch: Whether one batch stands for both, C = G: cheaper, and biased.
    """

    def __init__(self, *, one_batch: bool = False) -> None:
        super().__init__()
        self.one_batch = check_flag("one_batch", one_batch)

    @property
    def wants_second_batch(self) -> bool:
        """Unless one batch stands for both."""
        return not self.one_batch

    def check_gramian(self, gramian: Tensor) -> None:
        """Raise unless `gramian` is a finite square matrix."""
        check_cross_gramian(gramian)


class JacobianAggregator(Method):
    """A method that combines the gradients themselves, each parameter's apart from the others'.

    A subclass implements `forward(jacobian) -> direction` from (task, param) to (param,). It is
    called once per block of columns (a parameter of the model, or a feature tensor), so that the
    whole Jacobian never stands in memory; a method whose result in one column depends on other
    columns depends on them through the Gramian and is a `GramianWeighting`.
    """

    @abstractmethod
    def forward(self, jacobian: Tensor) -> Tensor:
        """Return the direction (param,) for one block of columns of the Jacobian (task, param)."""

    def direction(self, jacobian: Tensor) -> Tensor:
        """Return the direction (*shape) for the gradients (task, *shape) of one tensor.

        Raises:
            TypeError: `forward` does not give a tensor.
            ValueError: It does not give one number per column.
        """
        columns = jacobian.reshape(len(jacobian), jacobian[0].numel())
        found = self(columns)
        name = type(self).__name__
        if not isinstance(found, Tensor):
            raise TypeError(
                f"{name} must give the direction as a tensor, got {type(found).__name__}"
            )
        if found.shape != columns.shape[1:]:
            raise ValueError(
                f"{name} must give a direction of shape (param,), here {tuple(columns.shape[1:])}, "
                f"got {tuple(found.shape)}"
            )
        return found.reshape(jacobian.shape[1:])

    def at_features(self, jacobian: Tensor, features: Tensor) -> Tensor:
        """Return the direction for one feature tensor; override it to look at its axes.

        Args:
            jacobian: Gradients (task, *shape) with respect to the features.
            features: The features, of that shape; the batch axis is first.

        Returns:
            Direction, of the shape of the features.
        """
        return self.direction(jacobian)
