"""Relative loss balancing with random lookback."""

from typing import ClassVar

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._checks import (
    check_below_one,
    check_length,
    check_number,
    check_positive,
    check_positive_number,
)
from .._per_task import Kept, Shares
from .._random import Randomness


class ReLoBRaLo(Randomness, LossWeighting):
    """Weigh the tasks by how slowly their losses fall, with a memory that sometimes goes back.

    With the balance b(t, s) = K softmax(L(t) / (T L(s))) between two steps,

        w(t) = α (ρ w(t − 1) + (1 − ρ) b(t, 0)) + (1 − α) b(t, t − 1),   ρ ~ Bernoulli(p):

    with probability 1 − p a step forgets the weights and looks back to the first losses.

    Weights: sum to K; 1 each in the first step.

    Args:
        alpha: α in [0, 1), how long weights are remembered.
        temperature: T > 0; a large one makes the weights even.
        remember: p in [0, 1], the expectation of ρ.
        generator: Draws ρ; None makes one with the default seed.

    Raises:
        ValueError: A loss is not positive.

    Examples:
        >>> method = ReLoBRaLo(alpha=0.5, temperature=1.0, remember=1.0)
        >>> for losses in ([1.0, 1.0], [0.5, 1.0]):
        ...     method.weights(losses=torch.tensor(losses))
        tensor([1., 1.])
        tensor([0.8775, 1.1225])

    References:
        Bischof and Kraus, Multi-Objective Loss Balancing for Physics-Informed Deep Learning,
        arXiv 2110.09813, equation 11.
    """

    first: Tensor
    last: Tensor
    shares: Tensor
    per_task: ClassVar = {"first": Kept(), "last": Kept(), "shares": Shares()}

    def __init__(
        self,
        *,
        alpha: float = 0.999,
        temperature: float = 0.1,
        remember: float = 0.999,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(generator=generator)
        self.alpha = check_below_one("alpha", alpha)
        self.temperature = check_positive_number("temperature", temperature)
        self.remember = check_number("remember", remember)
        if not 0 <= self.remember <= 1:
            raise ValueError(f"`remember` must be in [0, 1], got {remember}")
        for name in ("first", "last", "shares"):
            self.register_buffer(name, torch.empty(0, dtype=torch.float64, device="cpu"))

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        check_positive(losses, type(self).__name__)
        tasks = len(losses)
        if self.first.numel() == 0:
            self.first = self.last = losses
            self.shares = torch.full_like(losses, 1 / tasks)
            return tasks * self.shares
        check_length("losses", tasks, len(self.first))
        # NaN at a task that was never present before.
        self.first = torch.where(self.first.isnan(), losses, self.first.to(losses))
        before = torch.where(self.last.isnan(), losses, self.last.to(losses))
        history = self.shares.to(losses)
        if float(torch.rand((), generator=self.generator, device="cpu")) >= self.remember:
            history = self._balance(losses, self.first)
        balance = self._balance(losses, before)
        self.last = losses
        self.shares = self.alpha * history + (1 - self.alpha) * balance
        return tasks * self.shares

    def _balance(self, losses: Tensor, before: Tensor) -> Tensor:
        """Return b / K."""
        return torch.softmax(losses / before / self.temperature, dim=0)
