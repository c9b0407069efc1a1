"""The transformer over the list: every document sees the others before it is scored."""

from typing import Unpack

import torch
from torch import Tensor, nn

from ..layers import (
    AttentionScale,
    Blocks,
    LearnedPositions,
    Linear,
    Norm,
    Positions,
    TransformerBlock,
    make_positions,
)
from ._network import Network, NetworkOptions


class ListTransformer(Network):
    r"""Context-aware ranker: linear, N transformer blocks over the documents, a head.

        s = head(encoder(W x + b))

    Scores depend neither on padding nor on the other lists of the batch, and, without positions,
    permuting the documents permutes the scores. The defaults are the setting of DeepMTL2R's WEB30K
    study (arXiv 2602.14519, section 4; released code): 810,497 parameters on 132 inputs. The
    paper's equation 2 takes ``norm="post", attention_scale="model"``.

    Dropout draws from torch's own generator of the device. With its state set back
    (`torch.get_rng_state`, `torch.cuda.get_rng_state`) and the same parameters and batch, a
    training step is repeated bit for bit on the same machine.

    Scores depend on: the document and its list.
    Time: n².

    Args:
        num_features: Inputs per document.
        hidden: Width of the stream.
        layers: Number of transformer blocks.
        heads: Attention heads per block.
        feedforward: Width of the blocks' feed-forward networks.
        dropout: Dropout probability in the blocks.
        norm: ``"pre"`` (with a final layer norm) or ``"post"``.
        attention_scale: ``"head"`` or ``"model"``, see `mtl2r_models.layers.Attention`.
        positions: ``"none"``, or ``"sinusoidal"`` or ``"learned"`` positions over the initial rank,
            the order in which the documents of a list are given.
        max_length: Number of learned positions; documents behind the last share it.
        options: Those of `Network`: `feature_layers`, `members`, `experts`, `num_tasks` and
            `generator`.

    Raises:
        ValueError: For a size below 1, a dropout outside [0, 1), `heads` not dividing `hidden`, or
            an unknown choice.
        TypeError: For a size that is not an int, or an unknown argument.

    Examples:
        >>> ranker = ListTransformer(132)
        >>> sum(p.numel() for p in ranker.parameters())
        810497
        >>> mask = torch.tensor([[True, True, True], [True, False, False]])
        >>> ranker(torch.zeros(2, 3, 132), mask).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        num_features: int,
        *,
        hidden: int = 128,
        layers: int = 4,
        heads: int = 4,
        feedforward: int = 512,
        dropout: float = 0.3,
        norm: Norm = "pre",
        attention_scale: AttentionScale = "head",
        positions: Positions = "none",
        max_length: int = 240,
        **options: Unpack[NetworkOptions],
    ) -> None:
        super().__init__(num_features, **options)
        self.width = hidden
        self.input = Linear(self.inputs.width, hidden)
        self.blocks = Blocks(
            TransformerBlock(
                hidden,
                heads,
                feedforward,
                dropout=dropout,
                norm=norm,
                attention_scale=attention_scale,
            )
            for _ in range(layers)
        )
        # A post-norm block already ends in a norm.
        self.final_norm = nn.LayerNorm(hidden) if norm == "pre" else nn.Identity()
        self.positions = make_positions(positions, hidden, max_length)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw all matrices Xavier-uniform (as allRank and DeepMTL2R) and zero the biases."""
        super().reset_parameters(generator)
        if isinstance(self.positions, LearnedPositions):
            self.positions.reset_parameters(generator)

    def _hidden(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        hidden: Tensor = self.input(inputs)
        if self.positions is not None:
            hidden = self.positions(hidden, mask)
        out: Tensor = self.final_norm(self.blocks(hidden, mask))
        return out
