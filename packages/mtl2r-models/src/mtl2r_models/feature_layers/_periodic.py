"""Periodic embeddings of numerical features."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ..checks import check_number, check_sizes
from ._base import FeatureLayer


class Periodic(FeatureLayer):
    r"""Embeds each feature by waves of learned frequencies, then linear and ReLU.

        v_f = [sin(2π c_f x_f), cos(2π c_f x_f)],   y_f = relu(W v_f + b)

    The periodic embedding of Gorishniy et al. (2022), "On Embeddings for Numerical Features in
    Tabular Deep Learning", section 3.3, equation 2: c_f is drawn from N(0, σ²). W and b are shared
    by the features, as in the "PLR(lite)" of Gorishniy et al. (2024), "TabR: Tabular Deep Learning
    Meets Nearest Neighbors". The outputs of all features stand side by side.

    Args:
        num_features: Inputs per document.
        frequencies: Waves per feature.
        sigma: Standard deviation of the initial frequencies: the larger, the finer the steps of
            a feature that are resolved at the start. This choice matters most.
        embedding: Outputs per feature.

    Raises:
        ValueError: For a size below 1, or a `sigma` that is not positive and finite.
        TypeError: When a size is not an int, or `sigma` not a number.

    Examples:
        >>> Periodic(3, frequencies=8, embedding=4)(torch.zeros(2, 5, 3)).shape
        torch.Size([2, 5, 12])
    """

    def __init__(
        self, num_features: int, *, frequencies: int = 16, sigma: float = 0.1, embedding: int = 8
    ) -> None:
        check_sizes(frequencies=frequencies, embedding=embedding)
        check_number("sigma", sigma)
        if not 0.0 < sigma < float("inf"):
            raise ValueError(f"`sigma` must be finite and above 0, got {sigma}")
        super().__init__(num_features, num_features * embedding)
        self.sigma = sigma
        self.frequencies = nn.Parameter(torch.empty(num_features, frequencies))
        self.linear = nn.Linear(2 * frequencies, embedding)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the frequencies."""
        nn.init.normal_(self.frequencies, std=self.sigma, generator=generator)

    def forward(self, features: Tensor) -> Tensor:
        """Map (..., feature) to (..., feature × embedding)."""
        phase = (2 * math.pi) * self.frequencies * features[..., None]
        embedded: Tensor = self.linear(torch.cat([phase.sin(), phase.cos()], dim=-1))
        return relu(embedded).flatten(-2)
