"""IMTL-G: the half of impartial multi-task learning that balances gradients."""

import math

import numpy as np
import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import Array
from .._solvers import equal_cosines


class IMTLG(GramianWeighting):
    """IMTL-G (DeepMTL2R's `imtl`): the same projection on every unit gradient, w ∝ G⁺ √diag(G).

    It is the half of the paper's method that balances gradients; `IMTL` is the whole.

    ⟨g_k, d⟩ / ‖g_k‖ is the same for all k where the gradients are independent; scaling a task's
    loss leaves the direction. Weights may be negative: a task whose gradient would be served too
    well is held back.

    Weights: u / max(Σ u, ½ Σ |u|), u = G⁺ √diag(G): they sum to 1 unless negative ones outweigh a
    quarter of all. A task whose gradient vanishes has 0.

    Examples:
        >>> IMTLG().weights(gramian=torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([0.6667, 0.3333])

    References:
        Liu et al., Towards Impartial Multi-task Learning, ICLR 2021, section 3.1,
        equations 1 and 2.

    Note:
        The paper divides by Σ u, which may be 0 or negative: the step then has no bound, or
        ascends. The bound ½ Σ |u| takes over continuously, keeps the weights within [−2, 2], and
        leaves the common projection non-negative. The pseudo-inverse is that of the cosines.
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        return torch.from_numpy(impartial(gramian.numpy()))


def impartial(gramian: Array) -> Array:
    """Compute the weights (task,) for the Gramian (task, task)."""
    if len(gramian) == 2:
        (square, inner), (_, another) = gramian.tolist()
        one, other = math.sqrt(square), math.sqrt(another)
        if inner > -(1 - 1e-8) * one * other:  # two that are not opposite, in closed form
            return np.array([other / (one + other), one / (one + other)])
    x, norms = equal_cosines(gramian)
    if np.count_nonzero(x) == 0:
        return x
    lengths = np.where(norms > 0, norms, np.inf)  # x is 0 where a gradient vanishes
    u = x * (lengths.min() / lengths)
    return np.asarray(u / max(u.sum(), np.abs(u).sum() / 2), dtype=np.float64)
