"""A perceptron of each document, times its context in the list."""

from typing import Unpack

import torch
from torch import Tensor, nn

from ..layers import Blocks, Linear, ReLUDropout, TransformerBlock
from ._network import Network, NetworkOptions


class LatentCross(Network):
    r"""A multilayer perceptron of each document, crossed with its context in the list.

        h = (1 + a(x)) ⊙ m(x),   s = head(h)

    where m is a perceptron of a document's own features and a are transformer blocks over all
    documents of the list, as in the DASALC of Qin et al. (2021), "Are Neural Rankers still
    Outperformed by Gradient Boosted Decision Trees?", section "Leveraging listwise context". At
    a = 0 it is an `MLPScorer`: the context corrects a document's score rather than making it.

    The last linear layer of a begins at 0, so that training starts there. Layer norm stands where
    DASALC has batch norm, which would make a document's score depend on other lists.

    Scores depend on: the document, times one plus its context.
    Time: n².

    Args:
        num_features: Inputs per document.
        hidden: Width of both parts.
        layers: Layers of the perceptron m.
        blocks: Transformer blocks of the context a.
        heads: Attention heads per block.
        feedforward: Width of the blocks' feed-forward networks.
        dropout: Dropout probability in both parts.
        options: Those of `Network`: `feature_layers`, `members`, `experts`, `num_tasks` and
            `generator`.

    Raises:
        ValueError: For a size below 1, a dropout outside [0, 1), or `heads` not dividing `hidden`.
        TypeError: For a size that is not an int, or an unknown argument.

    Examples:
        >>> ranker = LatentCross(132, hidden=64, heads=2)
        >>> ranker(torch.zeros(2, 3, 132)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        num_features: int,
        *,
        hidden: int = 128,
        layers: int = 2,
        blocks: int = 2,
        heads: int = 4,
        feedforward: int = 256,
        dropout: float = 0.3,
        **options: Unpack[NetworkOptions],
    ) -> None:
        super().__init__(num_features, **options)
        self.width = hidden
        widths = [self.inputs.width, *[hidden] * layers]
        self.item = nn.Sequential(
            *(
                part
                for before in widths[:-1]
                for part in (Linear(before, hidden), nn.LayerNorm(hidden), ReLUDropout(dropout))
            )
        )
        self.input = Linear(self.inputs.width, hidden)
        self.blocks = Blocks(
            TransformerBlock(hidden, heads, feedforward, dropout=dropout) for _ in range(blocks)
        )
        self.context_norm = nn.LayerNorm(hidden)
        self.context = Linear(hidden, hidden)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights; the context's last layer is 0."""
        super().reset_parameters(generator)
        nn.init.zeros_(self.context.weight)

    def _hidden(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        context = self.context_norm(self.blocks(self.input(inputs), mask))
        crossed: Tensor = (1 + self.context(context)) * self.item(inputs)
        return crossed
