"""Products of features, learned: the cross network."""

from torch import Tensor, nn

from ..checks import check_sizes
from ._base import FeatureLayer


class Cross(FeatureLayer):
    r"""Cross network of DCN-V2: explicit products of features up to a degree.

        x_{l+1} = x_0 ⊙ (W_l x_l + b_l) + x_l,   W_l = U_l V_l where a rank is given

    After L layers the output is a polynomial of degree L + 1 in the features. The deep part of
    "deep and cross" is the network behind it (the stacked form). Wang et al. (2021), "DCN V2",
    equations 1 and 2.

    Args:
        num_features: Inputs per document.
        layers: Number of layers L.
        rank: Inner width of a low-rank W; None for a full matrix.

    Raises:
        ValueError: For `layers` or `rank` below 1.
        TypeError: When one of them is not an int.

    Examples:
        >>> import torch
        >>> layer = Cross(2, layers=1)
        >>> with torch.no_grad():
        ...     _ = layer.weights[0].weight.copy_(torch.eye(2)), layer.weights[0].bias.zero_()
        >>> layer(torch.tensor([[2.0, 3.0]])).detach()  # x² + x
        tensor([[ 6., 12.]])
    """

    def __init__(self, num_features: int, *, layers: int = 2, rank: int | None = None) -> None:
        check_sizes(layers=layers, rank=1 if rank is None else rank)
        super().__init__(num_features, num_features)
        self.weights = nn.ModuleList(_linear(num_features, rank) for _ in range(layers))

    def forward(self, features: Tensor) -> Tensor:
        """Return products of the features, of the same shape."""
        crossed = features
        for weight in self.weights:
            crossed = features * weight(crossed) + crossed
        return crossed


def _linear(width: int, rank: int | None) -> nn.Module:
    if rank is None:
        return nn.Linear(width, width)
    return nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width))
