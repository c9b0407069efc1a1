"""The base class of feature layers."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class FeatureLayer(nn.Module, ABC):
    """A function of the features of one document: (..., feature) to (..., width).

    Attributes:
        num_features: Its inputs per document.
        width: Its outputs per document.
    """

    def __init__(self, num_features: int, width: int) -> None:
        super().__init__()
        self.num_features = num_features
        self.width = width

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Map (..., feature) to (..., width)."""

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Fit the layer to training documents (document, feature); by default nothing is fitted."""

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the initial weights, except those of linear layers, which the ranker draws."""

    def extra_repr(self) -> str:
        """Return inputs and outputs, for `repr`."""
        return f"num_features={self.num_features}, width={self.width}"
