"""The record that a step leaves."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Step:
    """What one call of `backward` saw and decided.

    The tensors are detached, float64, and on the CPU: they are the one copy that the method needed
    anyway, so reading them never waits for the device. A task that was absent has the weight 0, and
    NaN in the losses and in the Gramian.

    Attributes:
        losses: Losses (task,).
        weights: Weights (task,) in d = Jᵀ w; None for a `JacobianAggregator`.
        gramian: Gramian (task, task) that the method saw; None where it needed none. Of a method
            that keeps averages it is theirs. Of one that looks at two batches it lies between these
            and may have a negative diagonal, for which norms and cosines are NaN.
    """

    losses: Tensor
    weights: Tensor | None
    gramian: Tensor | None

    @property
    def gradient_norms(self) -> Tensor | None:
        """Norms ‖g_k‖ (task,) of the tasks' gradients, or None without a Gramian."""
        return None if self.gramian is None else self.gramian.diagonal().sqrt()

    @property
    def cosines(self) -> Tensor | None:
        """Cosines (task, task) between the gradients, or None without a Gramian; NaN for g = 0."""
        if self.gramian is None:
            return None
        norms = self.gramian.diagonal().sqrt()
        return (self.gramian / norms[:, None] / norms).clamp(-1, 1)

    def of_all(self, present: Sequence[int], tasks: int) -> "Step":
        """Return the record with an entry for each task, of one of the tasks present alone."""
        if len(present) == tasks:
            return self
        at = torch.tensor(present, device="cpu")
        losses = self.losses.new_full((tasks,), torch.nan)
        losses[at] = self.losses
        weights = gramian = None
        if self.weights is not None:
            weights = self.weights.new_zeros(tasks)
            weights[at] = self.weights
        if self.gramian is not None:
            gramian = self.gramian.new_full((tasks, tasks), torch.nan)
            gramian[at[:, None], at] = self.gramian
        return Step(losses, weights, gramian)
