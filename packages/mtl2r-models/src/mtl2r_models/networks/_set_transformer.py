"""Attention through a few learned points: linear in the length of the list."""

from typing import Unpack

import torch
from torch import Tensor, nn

from ..layers import Blocks, InducedBlock, Linear
from ._network import Network, NetworkOptions


class SetTransformer(Network):
    r"""Context-aware ranker for lists of thousands: induced set attention.

        s = head(LN(ISAB^N(W x + b)))

    Time and memory grow with the length of the list, where those of a `ListTransformer` grow with
    its square. Permuting the documents permutes the scores.

    Scores depend on: the document and what m points gather of its list.
    Time: n · m.

    Args:
        num_features: Inputs per document.
        hidden: Width of the stream.
        layers: Number of blocks N.
        heads: Attention heads per block.
        feedforward: Width of the feed-forward networks, of which a block has two.
        points: Induced points per block; more see more, and cost in proportion.
        dropout: Dropout probability in the blocks.
        options: Those of `Network`: `feature_layers`, `members`, `experts`, `num_tasks` and
            `generator`.

    Raises:
        ValueError: For a size below 1, a dropout outside [0, 1), or `heads` not dividing `hidden`.
        TypeError: For a size that is not an int, or an unknown argument.

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
        super().__init__(num_features, **options)
        self.width = hidden
        self.input = Linear(self.inputs.width, hidden)
        self.blocks = Blocks(
            InducedBlock(hidden, heads, feedforward, points=points, dropout=dropout)
            for _ in range(layers)
        )
        self.final_norm = nn.LayerNorm(hidden)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw all matrices and the points Xavier-uniform, and zero the biases."""
        super().reset_parameters(generator)
        for module in self.modules():
            if isinstance(module, InducedBlock):
                nn.init.xavier_uniform_(module.points, generator=generator)

    def _hidden(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        out: Tensor = self.final_norm(self.blocks(self.input(inputs), mask))
        return out
