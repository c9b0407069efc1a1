"""Random loss weighting."""

import torch
from torch import Tensor

from .._bases import LossWeighting
from .._random import Randomness


class RandomLossWeighting(Randomness, LossWeighting):
    """Draw new weights at each step: w = softmax(ξ), ξ ~ N(0, I).

    Weights: sum to 1; 1/K each in the mean.

    Args:
        generator: Draws ξ; None makes one with the default seed.

    Examples:
        >>> method = RandomLossWeighting(generator=torch.Generator().manual_seed(0))
        >>> float(method.weights(losses=torch.ones(3, dtype=torch.float64)).sum().round(decimals=9))
        1.0

    References:
        Lin et al., Reasonable Effectiveness of Random Weighting, TMLR 2022, section 3.
    """

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weights (task,)."""
        draws = torch.randn(len(losses), generator=self.generator, dtype=losses.dtype, device="cpu")
        return draws.softmax(dim=0)
