"""Piecewise-linear encoding of numerical features, with edges from training quantiles."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ..checks import check_sizes
from ._base import FeatureLayer

_DOCUMENTS = 1 << 18
"""Quantiles are taken from at most this many training documents, evenly spaced."""


class PiecewiseLinear(FeatureLayer):
    r"""Encodes each feature by how far it is through each of its bins.

        e_{f,t} = (x_f − b_{f,t−1}) / (b_{f,t} − b_{f,t−1}) clipped to [0, 1],   t = 1, …, T

    where the first bin is open below and the last one above. The edges b are quantiles of the
    training documents: where a tree splits, a slope may change. Equal quantiles are one edge, so
    that a feature with few values has few bins, and a constant one none, and adds nothing.
    Gorishniy et al. (2022), "On Embeddings for Numerical Features in Tabular Deep Learning",
    section 3.2, equation 1. With `embedding`, a linear layer per feature and ReLU follow
    (their "Q-LR"); without, the encodings stand side by side.

    Before `fit` the edges are quantiles of the standard normal distribution.

    Args:
        num_features: Inputs per document.
        bins: Number of bins T.
        embedding: Outputs per feature; None gives the T encodings themselves.

    Raises:
        ValueError: For a size below 1.
        TypeError: When one is not an int.

    Examples:
        >>> layer = PiecewiseLinear(1, bins=2)
        >>> layer.fit(torch.tensor([[0.0], [1.0], [3.0]]))
        >>> layer(torch.tensor([[0.5], [2.0], [4.0]]))
        tensor([[0.5000, 0.0000],
                [1.0000, 0.5000],
                [1.0000, 1.5000]])
    """

    left: Tensor
    slope: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, num_features: int, *, bins: int = 16, embedding: int | None = None) -> None:
        check_sizes(bins=bins, embedding=1 if embedding is None else embedding)
        super().__init__(num_features, num_features * (embedding or bins))
        self.bins = bins
        for name in ("left", "slope", "low", "high"):
            self.register_buffer(name, torch.empty(num_features, bins))
        self.weight = self.bias = None
        if embedding is not None:
            self.weight = nn.Parameter(torch.empty(num_features, bins, embedding))
            self.bias = nn.Parameter(torch.empty(num_features, embedding))
        levels = torch.linspace(0, 1, bins + 1, dtype=torch.float64).clamp(0.01, 0.99)
        self._set_edges(torch.special.ndtri(levels)[:, None].expand(-1, num_features))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the embeddings' weights, Xavier-uniform for each feature."""
        if self.weight is None or self.bias is None:
            return
        for weight in self.weight.unbind():
            nn.init.xavier_uniform_(weight, generator=generator)
        nn.init.zeros_(self.bias)

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Take the edges from training documents (document, feature).

        Raises:
            ValueError: When there are none, or a value is not finite.
        """
        if features.dim() != 2 or features.shape[1] != self.num_features or not len(features):
            raise ValueError(
                f"`features` must be (document, {self.num_features}) with at least one document, "
                f"got {tuple(features.shape)}"
            )
        if not bool(features.isfinite().all()):
            raise ValueError("`features` must be finite, got NaN or infinity")
        ordered = features[:: -(-len(features) // _DOCUMENTS)].double().sort(dim=0).values
        places = torch.linspace(0, len(ordered) - 1, self.bins + 1, dtype=torch.float64)
        below = places.floor().long()
        between = (places - below)[:, None].to(ordered.device)
        edges = ordered[below].lerp(ordered[places.ceil().long()], between)
        self._set_edges(edges)

    def _set_edges(self, edges: Tensor) -> None:
        """Set the bins from ascending edges (bins + 1, feature), of which some may be equal."""
        widths = edges.diff(dim=0).float()
        # A bin so narrow that its ends are equal in float32 does not count.
        tiny = 4 * torch.finfo(torch.float32).eps * edges.abs().amax(dim=0).float()
        there = (widths > tiny).T
        places = torch.arange(self.bins, device=edges.device)
        first = torch.where(there, places, self.bins).amin(dim=1, keepdim=True)
        last = torch.where(there, places, -1).amax(dim=1, keepdim=True)
        self.left.copy_(edges[:-1].T)
        self.slope.copy_(torch.where(there, 1 / widths.T, 0.0))
        self.low.copy_(torch.where(there & (places == first), -math.inf, 0.0))
        self.high.copy_(torch.where(there & (places == last), math.inf, 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Map (..., feature) to (..., feature × bins) or (..., feature × embedding)."""
        # The slope of a narrow bin is infinite in half precision, and 0 times infinity NaN.
        largest = torch.finfo(self.slope.dtype).max
        through = (features[..., None] - self.left) * self.slope.clamp(max=largest)
        low, high = self.low.clamp(min=-largest), self.high.clamp(max=largest)
        encoded = torch.minimum(torch.maximum(through, low), high)
        if self.weight is not None and self.bias is not None:
            encoded = relu(torch.einsum("...ft,fte->...fe", encoded, self.weight) + self.bias)
        return encoded.flatten(-2)
