"""Multiple-gradient descent."""

from typing import Literal, get_args

import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import check_not_negative, unknown_name
from .._solvers import min_norm_point

Normalization = Literal["norm", "loss", "loss+"]


class MGDA(GramianWeighting):
    """The direction of least norm in the convex hull of the gradients: w = argmin_Δ wᵀ G w.

    Every task descends at least at the common rate: (G w)_k ≥ wᵀ G w = ‖d‖², and d = 0 exactly
    at a Pareto-stationary point. A task with a small gradient dominates; `normalization` answers
    that by taking the hull of g_k / c_k.

    Weights: sum to 1 without normalization; with it w_k = α_k h / c_k, where α ∈ Δ solves the
    normalised problem and h is the harmonic mean of c, so that an even α has weights that sum to 1.
    Where gradients vanish, the weight is theirs and d = 0; so it is where losses that c needs have
    reached 0, since h then is 0 for the other tasks.

    Args:
        normalization: c_k is ‖g_k‖ ("norm"), L_k ("loss"), L_k ‖g_k‖ ("loss+") or 1 (None).

    Raises:
        ValueError: `normalization` asks for losses and one is negative.
        TypeError: `normalization` asks for losses and none are given.

    Examples:
        >>> MGDA().weights(gramian=torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([0.8000, 0.2000])

    References:
        Désidéri, Multiple-gradient descent algorithm (MGDA), 2012; Sener and Koltun, Multi-Task
        Learning as Multi-Objective Optimization, NeurIPS 2018, equation 3. Solved in one
        non-negative least squares rather than by the Frank-Wolfe steps of algorithm 2.

    Note:
        The released code of the second paper solves for the normalised gradients and applies the
        solution to those that are not, which loses the common descent. Here d is the point of least
        norm of the normalised hull, times h.
    """

    def __init__(self, normalization: Normalization | None = None) -> None:
        super().__init__()
        if normalization is not None and normalization not in get_args(Normalization):
            raise unknown_name("normalization", normalization, get_args(Normalization))
        self.normalization = normalization

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        if self.normalization is None:
            return torch.from_numpy(min_norm_point(gramian.numpy()))
        scale = torch.ones(len(gramian), dtype=gramian.dtype, device="cpu")
        if self.normalization in ("loss", "loss+"):
            scale = self.require_losses(losses)
            check_not_negative(scale, f'MGDA of `normalization="{self.normalization}"`')
            if not bool(scale.all()):
                return (scale == 0) / (scale == 0).sum(dtype=scale.dtype)
        if self.normalization in ("norm", "loss+"):
            norms = gramian.diagonal().sqrt()
            # A vanishing gradient stays what it is: the least norm is 0 and the weight is its.
            scale = scale * torch.where(norms > 0, norms, norms.max() + (norms.max() == 0))
        alpha = torch.from_numpy(min_norm_point((gramian / scale / scale[:, None]).numpy()))
        return alpha * (len(scale) / (scale.min() / scale).sum()) * (scale.min() / scale)
