"""Methods made of another method."""

from abc import abstractmethod

import torch
from torch import Tensor

from ._bases import Weighting
from ._checks import check_losses, check_positive


class Wrapper(Weighting):
    """A weighting that changes what an inner one sees, or what it gives.

    It is of the inner method's kind: it looks at gradients when that does, is due when that is, and
    hands on its parameters. A method that looks twice is shown the losses itself:
    `wrapper.inner.look_again(losses)`.

    Args:
        inner: The method inside.

    Raises:
        TypeError: `inner` is no weighting.
    """

    def __init__(self, inner: Weighting) -> None:
        super().__init__()
        if not isinstance(inner, Weighting):
            raise TypeError(
                f"`inner` must be a LossWeighting or a GramianWeighting, got {type(inner).__name__}"
            )
        self.inner = inner

    @property
    def due(self) -> bool:
        """As the inner method."""
        return self.inner.due

    @property
    def looks_at_gradients(self) -> bool:
        """As the inner method."""
        return self.inner.looks_at_gradients

    @property
    def wants_second_batch(self) -> bool:
        """As the inner method."""
        return self.inner.wants_second_batch

    def learn(self, losses: Tensor, gramian: Tensor | None, scale: float) -> None:
        """As the inner method."""
        self.inner.learn(losses, gramian, scale)

    def weights(self, *, losses: Tensor | None = None, gramian: Tensor | None = None) -> Tensor:
        """The wrapped weights (task,), with the dtype and device of what they weigh.

        Raises:
            TypeError: The inner method or the wrapper needs what is not given.
            ValueError: As the inner method, or a loss is NaN or infinite.
        """
        like = gramian if gramian is not None and self.looks_at_gradients else losses
        host_losses = None if losses is None else losses.detach().to("cpu", torch.float64)
        if host_losses is not None:
            check_losses(host_losses)
        host = None if gramian is None else gramian.detach().to("cpu", torch.float64)
        found: Tensor = self(host_losses, host)
        return found if like is None else found.to(like)

    @abstractmethod
    def forward(self, losses: Tensor | None, gramian: Tensor | None) -> Tensor:
        """Weights (task,) from losses (task,) and Gramian (task, task): float64, on the CPU."""


class LogLosses(Wrapper):
    """The inner method on log L: G becomes D G D and w becomes D w, with D = diag(1 / L).

    Only relative changes of the losses count, so that their units do not matter.

    Weights: the inner method's, each over its loss; with `keep_scale` times the harmonic mean of
    the losses, so that where they are equal the weights are the inner method's.

    Args:
        inner: The method that sees log L.
        keep_scale: Whether the step keeps the scale of the losses rather than that of their logs.

    Raises:
        TypeError: `inner` is no weighting, or no losses are given.
        ValueError: A loss is not positive (the message names the task).

    Example:
        >>> from mtl_optim import MGDA
        >>> method = LogLosses(MGDA())
        >>> method.weights(losses=torch.tensor([1.0, 2.0]), gramian=torch.eye(2))
        tensor([0.2000, 0.4000])

    Reference:
        The log variants beside Liu et al., FAMO, NeurIPS 2023, in its released code.
    """

    def __init__(self, inner: Weighting, *, keep_scale: bool = False) -> None:
        super().__init__(inner)
        self.keep_scale = keep_scale

    def forward(self, losses: Tensor | None, gramian: Tensor | None) -> Tensor:
        """Weights (task,)."""
        losses, logs, gramian = self._logs(losses, gramian)
        weights = self.inner.weights(losses=logs, gramian=gramian) / losses
        return weights / (1 / losses).mean() if self.keep_scale else weights

    def learn(self, losses: Tensor, gramian: Tensor | None, scale: float) -> None:
        """As the inner method, on log L."""
        _, logs, gramian = self._logs(losses, gramian)
        self.inner.learn(logs, gramian, scale)

    def _logs(
        self, losses: Tensor | None, gramian: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        if losses is None:
            raise TypeError(f"{type(self).__name__} needs `losses`, got None")
        check_positive(losses, type(self).__name__)
        if gramian is not None:
            gramian = gramian / losses / losses[:, None]
        return losses, losses.log(), gramian
