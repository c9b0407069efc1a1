"""Independent component alignment."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from .._bases import GramianWeighting
from .._checks import unknown_name
from .._preference import MayHoldPreference
from .._solvers import align

Scale = Literal["min", "median", "rmse"]


class AlignedMTL(MayHoldPreference, GramianWeighting):
    """Replace J by the nearest matrix whose principal components are equally long.

    With G = V Λ Vᵀ the aligned gradients are B J, B = σ V Λ^(−1/2) Vᵀ: orthogonal and of length σ
    where the gradients are independent, so their matrix has condition number 1. d is their mean.

    Weights: B 1 / K, or B r, so their sum has no fixed value, and they may be negative; 1/K each,
    or r, where the gradients are orthogonal and equally long.

    Args:
        scale: σ² is the least eigenvalue of G that is not 0 ("min"), the median of these, or their
            mean ("rmse": σ is the root of a mean square).
        preference: r (task,), on the simplex, for d = Σ r_k of the aligned gradients; None is 1/K
            each.

    Examples:
        >>> AlignedMTL().weights(gramian=torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([0.5000, 0.2500])

    References:
        Senushkin et al., Independent Component Alignment for Multi-Task Learning, CVPR 2023,
        algorithm 1.
    """

    def __init__(
        self, scale: Scale = "min", *, preference: Sequence[float] | Tensor | None = None
    ) -> None:
        super().__init__(preference=preference)
        if scale not in get_args(Scale):
            raise unknown_name("scale", scale, get_args(Scale))
        self.scale = scale

    def forward(self, gramian: Tensor, losses: Tensor | None) -> Tensor:
        """Return the weights (task,)."""
        values, vectors = align(gramian.numpy())
        if len(values) == 0:
            return torch.zeros(len(gramian), dtype=gramian.dtype, device="cpu")
        lengths = values / values.max()
        sigma = {
            "min": lengths.min,
            "median": lambda: np.sqrt(np.median(lengths**2)),
            "rmse": lambda: np.sqrt((lengths**2).mean()),
        }[self.scale]()
        mean = vectors.mean(axis=0)
        if self.preference is not None:
            mean = self.shares(len(gramian)) @ vectors
        return torch.from_numpy(vectors @ (sigma / lengths * mean))
