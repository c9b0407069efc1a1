"""Conflict-free inverse gradients with momentum."""

from .._checks import check_below_one
from .._tracking import TrackedGradients
from ._config import ConFIG


class MomentumConFIG(TrackedGradients, ConFIG):
    """`ConFIG` on averages of the gradients over the steps.

    m_k ← β m_k + (1 − β) g_k, divided by 1 − βᵗ after t steps, takes the place of g_k, so that the
    noise of a batch turns the direction less.

    Weights: as `ConFIG`, of the averages. Only with `shared=`: each gradient is kept.

    Args:
        beta: β in [0, 1); 0 is `ConFIG`.

    Examples:
        >>> import torch
        >>> MomentumConFIG().weights(gramian=torch.eye(2))
        tensor([1., 1.])

    References:
        Liu, Chu and Thuerey, ConFIG: Towards Conflict-free Training of Physics Informed Neural
        Networks, ICLR 2025, the variant with momentum (M-ConFIG).

    Note:
        The paper saves backwards by renewing one average per step, in turn, and has a second
        momentum of its own. Here all are renewed, and the second momentum is left to the optimizer,
        as Adam's.
    """

    def __init__(self, *, beta: float = 0.9) -> None:
        super().__init__()
        self.beta = check_below_one("beta", beta)

    def rate(self, step: int) -> float:
        """Return (1 − β) / (1 − βᵗ), which corrects the bias of a start at 0."""
        return (1 - self.beta) / (1 - self.beta**step)
