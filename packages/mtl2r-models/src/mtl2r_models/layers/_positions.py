"""Positions over the initial rank: the order in which the documents of a list are given.

They help a ranker that is placed behind another one (Pobrotyn et al., 2020, arXiv 2005.10084).
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ..checks import check_choice

Positions = Literal["none", "sinusoidal", "learned"]


def initial_rank(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """Return the number of documents before each in its list, (list,) or (batch, list)."""
    if mask is None:
        return torch.arange(hidden.shape[1], device=hidden.device)
    return (mask.cumsum(dim=-1) - 1).clamp(min=0)


class SinusoidalPositions(nn.Module):
    r"""Adds sines and cosines of the document's initial rank i to its hidden state.

        p_{i,2j} = sin(i / 10000^{2j/hidden}),   p_{i,2j+1} = cos(i / 10000^{2j/hidden})

    Vaswani et al. (2017), section 3.5. They have no parameters and fit lists of any length.

    Examples:
        >>> SinusoidalPositions()(torch.zeros(1, 2, 4), None).round(decimals=2)
        tensor([[[0.0000, 1.0000, 0.0000, 1.0000],
                 [0.8400, 0.5400, 0.0100, 1.0000]]])
    """

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Add the positions to (batch, list, hidden)."""
        width = hidden.shape[-1]
        # Half precision cannot hold the angle of a late document.
        even = torch.arange(0, width, 2, device=hidden.device, dtype=torch.float32)
        frequencies = torch.exp(even * (-math.log(10_000.0) / width))
        angles = initial_rank(hidden, mask)[..., None] * frequencies
        waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[..., :width]
        return hidden + waves.to(hidden.dtype)


class LearnedPositions(nn.Module):
    """Adds a vector per initial rank that is learned with the ranker.

    Documents behind the last learned rank get its vector, so that lists may be longer.

    Args:
        hidden: Width of the hidden states.
        max_length: Number of ranks that have a vector of their own.
    """

    def __init__(self, hidden: int, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length
        self.embedding = nn.Embedding(max_length, hidden)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the vectors from a normal distribution of deviation 0.02, as BERT does."""
        nn.init.normal_(self.embedding.weight, std=0.02, generator=generator)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Add the positions to (batch, list, hidden)."""
        rank = initial_rank(hidden, mask).clamp(max=self.max_length - 1)
        positions: Tensor = self.embedding(rank)
        return hidden + positions


def make_positions(kind: Positions, hidden: int, max_length: int) -> nn.Module | None:
    """Return the module of a kind of positions; None for "none".

    Raises:
        ValueError: For another kind.
    """
    check_choice("positions", kind, get_args(Positions))
    if kind == "none":
        return None
    return SinusoidalPositions() if kind == "sinusoidal" else LearnedPositions(hidden, max_length)
