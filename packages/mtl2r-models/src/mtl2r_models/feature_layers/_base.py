"""What all feature layers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

__all__ = ["FeatureLayer"]


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
        """(..., feature) to (..., width)."""

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Takes what it needs from training documents (document, feature); by default nothing."""

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws its initial weights, but for those of linear layers, which the ranker draws."""

    def extra_repr(self) -> str:
        """Inputs and outputs, for `repr`."""
        return f"num_features={self.num_features}, width={self.width}"
