"""Dual-balancing multi-task learning."""

import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import check_below_one, check_not_negative
from .._tracking import TrackedGradients


class DBMTL(TrackedGradients, GramianWeighting):
    """Balance losses by their logarithms, and gradients by their lengths.

    The averages ĝ_k ← β ĝ_k + (1 − β) ∇log L_k of the gradients of the logarithms are made as long
    as the longest, and summed: d = max_j ‖ĝ_j‖ Σ_k ĝ_k / ‖ĝ_k‖. The unit of a loss plays no part.
    A loss that has reached 0 has no gradient left, and adds 0 to its average.

    Weights: max_j ‖ĝ_j‖ / ‖ĝ_k‖ on the averages, so at least 1 each; 0 where an average vanishes.
    Only with `shared=`: each gradient is kept.

    Args:
        beta: β in [0, 1), the part of the average that stays; 0 looks at the last step alone.

    Raises:
        ValueError: A loss is negative (the message names the task).

    Examples:
        >>> DBMTL().weights(gramian=torch.tensor([[4.0, 0.0], [0.0, 0.25]]))
        tensor([1., 4.])

    References:
        Lin et al., Dual-Balancing for Multi-Task Learning, arXiv 2308.12029, algorithm 1 and
        equations 1 and 2.

    Note:
        β is constant, where the paper also tries one that falls with the step, and ĝ starts at the
        first gradient rather than at 0. `weights` takes the Gramian of the ĝ. Heads get the plain
        gradients of their losses, as with every method, and in the paper those of the logarithms.
    """

    def __init__(self, *, beta: float = 0.9) -> None:
        super().__init__()
        self.beta = check_below_one("beta", beta)

    def rate(self, step: int) -> float:
        """Return 1 − β, and 1 at the first step."""
        return 1.0 if step == 1 else 1 - self.beta

    def factors(self, losses: Tensor) -> Tensor:
        """Return 1 / L, which makes the gradients those of log L; 0 for a loss of 0."""
        check_not_negative(losses, type(self).__name__)
        return torch.where(losses > 0, 1 / losses, 0.0)

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        norms = gramian.diagonal().sqrt()
        return torch.where(norms > 0, norms.max() / norms, 0.0)
