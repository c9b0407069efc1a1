"""A logarithm of each feature whose strength is learned."""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ._base import FeatureLayer


class LogScale(FeatureLayer):
    r"""Learned compression of each feature.

        y_f = s_f sign(x_f) log(1 + a_f |x_f|),   a_f > 0

    with the strength a_f = softplus(α_f) and the scale s_f learned; at the start a_f = 1 and
    s_f = 1, which is the log1p transform of Qin et al. (2021), "Are Neural Rankers still
    Outperformed by Gradient Boosted Decision Trees?". For a small a_f it is linear, for a large one
    the logarithm of the magnitude. Odd, increasing while s_f > 0, and smooth enough at 0 to be
    trained.

    Args:
        num_features: Inputs per document.

    Examples:
        >>> LogScale(2)(torch.tensor([[0.0, -1.0]])).detach()
        tensor([[ 0.0000, -0.6931]])
    """

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features, num_features)
        self.strength = nn.Parameter(torch.empty(num_features))
        self.scale = nn.Parameter(torch.empty(num_features))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Set the start, sign(x) log(1 + |x|); nothing is drawn."""
        with torch.no_grad():
            self.strength.fill_(1.0).expm1_().log_()  # softplus⁻¹(1)
            self.scale.fill_(1.0)

    def forward(self, features: Tensor) -> Tensor:
        """Return the compressed features, of the same shape."""
        magnitude = torch.log1p(softplus(self.strength) * features.abs())
        return self.scale * features.sign() * magnitude
