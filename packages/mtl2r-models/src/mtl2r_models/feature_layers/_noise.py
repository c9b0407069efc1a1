"""Noise on the features in training."""

import torch
from torch import Tensor

from ..checks import check_number
from ._base import FeatureLayer


class FeatureNoise(FeatureLayer):
    r"""Adds Gaussian noise in training: x + ε, ε ~ N(0, σ²); nothing in evaluation.

    The augmentation of Qin et al. (2021), "Are Neural Rankers still Outperformed by Gradient
    Boosted Decision Trees?", section "Data augmentation". The noise is drawn from torch's own
    generator of the device, as dropout is.

    Args:
        num_features: Inputs per document.
        sigma: Standard deviation σ, in the units of the transformed features.

    Raises:
        ValueError: For a `sigma` that is negative or not finite.
        TypeError: When it is not a number.

    Examples:
        >>> layer = FeatureNoise(2, sigma=0.1)
        >>> layer.eval()(torch.ones(1, 2))
        tensor([[1., 1.]])
        >>> bool((layer.train()(torch.ones(1, 2)) == 1).any())
        False
    """

    def __init__(self, num_features: int, *, sigma: float = 0.1) -> None:
        check_number("sigma", sigma)
        if not 0.0 <= sigma < float("inf"):
            raise ValueError(f"`sigma` must be finite and at least 0, got {sigma}")
        super().__init__(num_features, num_features)
        self.sigma = sigma

    def forward(self, features: Tensor) -> Tensor:
        """Return the features, with noise in training."""
        if not self.training or self.sigma == 0.0:
            return features
        return features + self.sigma * torch.randn_like(features)
