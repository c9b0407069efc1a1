"""Nash bargaining between tasks."""

import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._solvers import nash_bargaining


class NashMTL(GramianWeighting):
    """The Nash bargaining solution: the w > 0 with G w = 1/w.

    It maximises Σ log ⟨g_k, d⟩ over directions of bounded length. Scaling a task's loss leaves the
    direction: each task's gain w_k (G w)_k is 1.

    Weights: ‖d‖² = Σ w_k (G w)_k = K whatever the gradients, so the learning rate sets the length
    of the step. A task whose gradient vanishes has w = 0; at a Pareto-stationary point, where no
    direction serves every task, all have (the disagreement point).

    Args:
        update_every: Steps between two bargains; the weights are reused meanwhile.

    Examples:
        >>> NashMTL().weights(gramian=torch.tensor([[4.0, 0.0], [0.0, 0.25]]))
        tensor([0.5000, 2.0000])

    References:
        Navon et al., Multi-Task Learning as a Bargaining Game, ICML 2022, claim 3.1 and algorithm
        1. Solved by Newton's method rather than by the sequence of convex programs of section 3.2.

    Note:
        The released code also limits ‖d‖ to 1; use `torch.nn.utils.clip_grad_norm_`.
    """

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        return torch.from_numpy(nash_bargaining(gramian.numpy()))
