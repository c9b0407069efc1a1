"""Methods made of another method."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from ._bases import GramianWeighting, Weighting
from ._checks import (
    check_below_one,
    check_count,
    check_cross_gramian,
    check_flag,
    check_length,
    check_not_negative,
    check_positive_number,
    check_tensor,
    host_losses,
)
from ._gradients import Rows
from ._per_task import Kept


def _of_inner(name: str) -> Any:
    """Make a property that is the inner method's."""
    return property(lambda self: getattr(self.inner, name), doc="As the inner method.")


class _ShownTheSame(Weighting):
    """A method made of another one, which is shown the gradients and batches of the inner one."""

    inner: Weighting
    wants_second_batch = _of_inner("wants_second_batch")
    tracks = _of_inner("tracks")

    def track(self, jacobian: Rows, losses: Tensor, scale: float) -> Rows:
        """As the inner method."""
        return self.inner.track(jacobian, losses, scale)


class Wrapper(_ShownTheSame):
    """A weighting that changes what an inner one sees, or what it gives.

    It is of the inner method's kind: it looks at gradients when that does, is due when that is, and
    hands on its parameters. A method that looks twice is shown the losses itself:
    `wrapper.inner.look_again(losses)`.

    Args:
        inner: The method inside.

    Raises:
        TypeError: `inner` is not a weighting.
    """

    due = _of_inner("due")
    looks_at_gradients = _of_inner("looks_at_gradients")

    def __init__(self, inner: Weighting) -> None:
        super().__init__()
        if not isinstance(inner, Weighting):
            raise TypeError(
                f"`inner` must be a LossWeighting or a GramianWeighting, got {type(inner).__name__}"
            )
        self.inner = inner

    def learn(self, losses: Tensor, gramian: Tensor | None, scale: float) -> None:
        """As the inner method."""
        self.inner.learn(losses, gramian, scale)

    def weights(self, *, losses: Tensor | None = None, gramian: Tensor | None = None) -> Tensor:
        """Compute the wrapped weights (task,), with the dtype and device of what they weigh.

        Raises:
            TypeError: The inner method or the wrapper needs what is not given.
            ValueError: As the inner method, or a loss is NaN or infinite.
        """
        like = gramian if gramian is not None and self.looks_at_gradients else losses
        host = None if losses is None else host_losses(losses)
        products = None
        if gramian is not None and self.looks_at_gradients:
            check_tensor("gramian", gramian)
            products = gramian.detach().to("cpu", torch.float64)
            check_cross_gramian(products)
            if host is not None:
                check_length("losses", len(host), len(products))
        found: Tensor = self(host, products)
        return found if like is None else self.checked(found, like)

    @abstractmethod
    def forward(self, losses: Tensor | None, gramian: Tensor | None) -> Tensor:
        """Return the weights (task,) from losses and Gramian: float64, on the CPU."""


class LogLosses(Wrapper):
    """The inner method on log L: G becomes D G D and w becomes D w, with D = diag(1 / L).

    Only relative changes of the losses count, so that their units do not matter. The inner method
    sees log L, which is negative below 1: one that needs positive losses, as EPO, refuses that.
    A loss that has reached 0 has no gradient left: it is shown as the least number of float64 with
    a gradient of 0, and its weight is 0.

    Weights: the inner method's, each over its loss; with `keep_scale` times the harmonic mean of
    the positive losses, so that where they are equal the weights are the inner method's.

    Args:
        inner: The method that sees log L.
        keep_scale: Whether the step keeps the scale of the losses rather than that of their logs.

    Raises:
        TypeError: No losses are given.
        ValueError: A loss is negative (the message names the task).

    Examples:
        >>> from mtl_optim import MGDA
        >>> method = LogLosses(MGDA())
        >>> method.weights(losses=torch.tensor([1.0, 2.0]), gramian=torch.eye(2))
        tensor([0.2000, 0.4000])

    References:
        The log variants beside Liu et al., FAMO, NeurIPS 2023, in its released code.
    """

    def __init__(self, inner: Weighting, *, keep_scale: bool = False) -> None:
        super().__init__(inner)
        self.keep_scale = check_flag("keep_scale", keep_scale)

    def forward(self, losses: Tensor | None, gramian: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        losses, logs, gramian = self._logs(losses, gramian)
        try:
            found = self.inner.weights(losses=logs, gramian=gramian)
        except ValueError as error:
            error.add_note("LogLosses shows it the logarithms of the losses, and their gradients")
            raise
        positive = losses > 0
        weights = torch.where(positive, found / losses, 0.0)
        if self.keep_scale and bool(positive.any()):
            weights /= (1 / losses[positive]).mean()
        return weights

    def learn(self, losses: Tensor, gramian: Tensor | None, scale: float) -> None:
        """Learn as the inner method, on log L."""
        _, logs, gramian = self._logs(losses, gramian)
        self.inner.learn(logs, gramian, scale)

    def _logs(
        self, losses: Tensor | None, gramian: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        if losses is None:
            raise TypeError(f"{type(self).__name__} needs `losses`, got None")
        check_not_negative(losses, type(self).__name__)
        if gramian is not None:
            inverse = torch.where(losses > 0, 1 / losses, 0.0)
            gramian = gramian * inverse * inverse[:, None]
        return losses, losses.clamp(min=torch.finfo(losses.dtype).tiny).log(), gramian


class CRMOGM(Wrapper):
    """Average the inner method's weights over the steps: w ← γ w + (1 − γ) w_inner.

    Weights found on one batch are correlated with its gradients, which biases the direction; the
    average is less so.

    Weights: of the inner method's scale.

    Args:
        inner: The method whose weights are averaged.
        gamma: γ in [0, 1); the first step takes the inner method's weights as they are.

    Examples:
        >>> from mtl_optim import MGDA
        >>> method = CRMOGM(MGDA(), gamma=0.5)
        >>> for other in (1.0, 3.0):
        ...     method.weights(gramian=torch.tensor([[1.0, 0.0], [0.0, other]]))
        tensor([0.5000, 0.5000])
        tensor([0.6250, 0.3750])

    References:
        Zhou et al., On the Convergence of Stochastic Multi-Objective Gradient Manipulation and
        Beyond, NeurIPS 2022, algorithm 1.
    """

    average: Tensor
    per_task: ClassVar = {"average": Kept()}

    def __init__(self, inner: Weighting, *, gamma: float = 0.9) -> None:
        super().__init__(inner)
        self.gamma = check_below_one("gamma", gamma)
        self.register_buffer("average", torch.empty(0, dtype=torch.float64, device="cpu"))

    def forward(self, losses: Tensor | None, gramian: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        found = self.inner.weights(losses=losses, gramian=gramian)
        if self.average.numel() > 0:
            check_length("losses", len(found), len(self.average))
            average = self.average.to(found)
            average = torch.where(average.isnan(), found, average)
            found = self.gamma * average + (1 - self.gamma) * found
        self.average = found
        return found.clone()


class RescaledWeights(Wrapper):
    """The inner method's weights times a factor that makes Σ |w_k| the same in every step.

    For comparisons: methods whose weights sum to 1, to K or to nothing fixed then share a learning
    rate.

    Weights: Σ |w_k| = `total`; those that are all 0 stay so.

    Args:
        inner: The method whose weights are rescaled.
        total: The sum, positive.

    Examples:
        >>> from mtl_optim import PCGrad
        >>> RescaledWeights(PCGrad()).weights(gramian=torch.eye(2))
        tensor([0.5000, 0.5000])
    """

    def __init__(self, inner: Weighting, *, total: float = 1.0) -> None:
        super().__init__(inner)
        self.total = check_positive_number("total", total)

    def forward(self, losses: Tensor | None, gramian: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        found = self.inner.weights(losses=losses, gramian=gramian)
        largest = found.abs().max()
        if float(largest) == 0:
            return found
        found = found / largest
        return self.total * found / found.abs().sum()


class UpdateEvery(_ShownTheSame, GramianWeighting):
    """The inner method's weights, found at every m-th step and reused between.

    The steps between cost one backward, whatever the inner method. Put it outside other wrappers,
    which look at every step.

    Weights: the inner method's.

    Args:
        inner: A method that looks at gradients.
        steps: m, at least 1.

    Raises:
        TypeError: `inner` looks at losses only: nothing could be saved.

    Examples:
        >>> from mtl_optim import MGDA
        >>> method = UpdateEvery(MGDA(), steps=10)
        >>> method.weights(gramian=torch.eye(2)), method.due
        (tensor([0.5000, 0.5000]), False)

    References:
        Navon et al., Multi-Task Learning as a Bargaining Game, ICML 2022, section 4.
    """

    def __init__(self, inner: Weighting, *, steps: int) -> None:
        if not isinstance(inner, Weighting) or not inner.looks_at_gradients:
            raise TypeError(
                f"`inner` must be a method that looks at gradients, got {type(inner).__name__}"
            )
        check_count("steps", steps)
        super().__init__(update_every=steps)
        self.inner = inner

    def check_gramian(self, gramian: Tensor) -> None:
        """Leave the check to the inner method, which may look at two batches."""

    def learn(self, losses: Tensor, gramian: Tensor | None, scale: float) -> None:
        """Learn as the inner method, in the steps that look at the Gramian."""
        if gramian is not None:
            self.inner.learn(losses, gramian, scale)

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        return self.inner.weights(losses=losses, gramian=gramian)
