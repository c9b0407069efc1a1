"""Attention through a few learned points: linear in the length of the list."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from .attention import Attention
from .checks import check_sizes
from .dropout import Dropout
from .feedforward import FeedForward
from .layers import Blocks
from .network import Network, NetworkOptions
from .products import Linear

__all__ = ["InducedBlock", "SetTransformer"]


class _Mixing(nn.Module):
    """h ← h + attention(LN(h), LN(others)), then h ← h + feedforward(LN(h))."""

    def __init__(self, hidden: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.others_norm = nn.LayerNorm(hidden)
        self.attention = Attention(hidden, heads, dropout=dropout)
        self.feedforward = FeedForward(hidden, feedforward, dropout=dropout, norm=True)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, others: Tensor, mask: Tensor | None) -> Tensor:
        attended = self.attention(self.norm(hidden), mask, self.others_norm(others))
        hidden = self.dropout.added(hidden, attended)
        return self.dropout.added(hidden, self.feedforward(hidden))


class InducedBlock(nn.Module):
    r"""Self-attention of a list by way of m induced points.

        H = MAB(I, X) (point, hidden),   ISAB(X) = MAB(X, H)

    The learned points I gather what the list holds, and the documents read it: 2 · m · list
    attention weights instead of list². Lee et al. (2019), "Set Transformer", equations 9 and 10.

    Args:
        hidden: Width of the stream.
        heads: Attention heads.
        feedforward: Width of the feed-forward networks.
        points: m.
        dropout: On the attention weights, in the feed-forward networks and on all branches.

    Note:
        Layer norm stands before the branches, as in `TransformerBlock`; the paper has it behind.
    """

    def __init__(
        self, hidden: int, heads: int, feedforward: int, *, points: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.points = nn.Parameter(torch.empty(points, hidden))
        self.gather = _Mixing(hidden, heads, feedforward, dropout)
        self.read = _Mixing(hidden, heads, feedforward, dropout)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """One block; `hidden` is (batch, list, hidden), `mask` comes from `attention_mask`."""
        points = self.gather(self.points.expand(hidden.shape[0], -1, -1), hidden, mask)
        out: Tensor = self.read(hidden, points, None)
        return out


class SetTransformer(Network):
    r"""Context-aware ranker for lists of thousands: induced set attention.

        s = head(LN(ISAB^N(W x + b)))

    Time and memory grow with the length of the list, where those of a `ListTransformer` grow with
    its square. Permuting the documents permutes the scores.

    Args:
        num_features: Inputs per document.
        hidden: Width of the stream.
        layers: Number of blocks N.
        heads: Attention heads per block.
        feedforward: Width of the feed-forward networks, of which a block has two.
        points: Induced points per block; more see more, and cost in proportion.
        dropout: Dropout probability in the blocks.
        options: What every architecture takes, see `NetworkOptions`: `feature_layers`, `members`,
            `experts`, `num_tasks` and `generator`.

    Raises:
        ValueError: For a size below 1, a dropout outside [0, 1), or `heads` not dividing `hidden`.
        TypeError: For a size that is no int, or an unknown argument.

    Examples:
        >>> ranker = SetTransformer(132, hidden=32, layers=1, heads=2, points=8)
        >>> ranker(torch.zeros(1, 5000, 132)).shape
        torch.Size([1, 5000])
    """

    def __init__(
        self,
        num_features: int,
        *,
        hidden: int = 128,
        layers: int = 2,
        heads: int = 4,
        feedforward: int = 512,
        points: int = 32,
        dropout: float = 0.3,
        **options: Unpack[NetworkOptions],
    ) -> None:
        super().__init__(
            num_features,
            options,
            **check_sizes(
                hidden=hidden, layers=layers, heads=heads, feedforward=feedforward, points=points
            ),
            dropout=dropout,
        )
        self.input = Linear(self.inputs.width, hidden)
        self.blocks = Blocks(
            InducedBlock(hidden, heads, feedforward, points=points, dropout=dropout)
            for _ in range(layers)
        )
        self.final_norm = nn.LayerNorm(hidden)
        self._finish(hidden, options)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws all matrices Xavier-uniform, as are the points, and zeroes the biases."""
        super().reset_parameters(generator)
        for module in self.modules():
            if isinstance(module, InducedBlock):
                nn.init.xavier_uniform_(module.points, generator=generator)

    def _hidden(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        out: Tensor = self.final_norm(self.blocks(self.input(inputs), mask))
        return out
