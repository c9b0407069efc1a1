"""Masked attention: of the documents of a list to one another, or of one set to another."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from .. import cpu
from ..checks import check_choice, check_dropout, check_sizes
from ._basics import Linear

AttentionScale = Literal["head", "model"]


def attention_mask(mask: Tensor) -> Tensor:
    """Return the mask of documents as one that attention broadcasts over heads and queries.

    Shape (batch, 1, 1, list) from (batch, list); nothing of size list × list is made. A list
    without documents attends to its padding, so that its (meaningless) rows stay finite.

    Examples:
        >>> attention_mask(torch.tensor([[True, True, False]])).shape
        torch.Size([1, 1, 1, 3])
    """
    return (mask | ~mask.any(dim=-1, keepdim=True))[:, None, None, :]


class Attention(nn.Module):
    """Multi-head attention of the documents of a list to one another, or of some vectors to others.

    Without positions it is equivariant: permuting the documents permutes the output.

    Args:
        hidden: Width of the inputs and the output.
        heads: Number of heads; divides `hidden`.
        dropout: Probability of dropping an attention weight in training.
        scale: ``"head"`` divides the logits by √(hidden/heads), as Vaswani et al. (2017), eq. 1;
            ``"model"`` by √hidden, as DeepMTL2R (arXiv 2602.14519) prints in eq. 2, while its
            released code divides by √(hidden/heads).

    Examples:
        >>> attention = Attention(8, heads=2)
        >>> attention(torch.zeros(1, 3, 8), None).shape
        torch.Size([1, 3, 8])
        >>> attention(torch.zeros(1, 3, 8), None, torch.zeros(1, 5, 8)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(
        self, hidden: int, heads: int, *, dropout: float = 0.0, scale: AttentionScale = "head"
    ) -> None:
        super().__init__()
        check_sizes(hidden=hidden, heads=heads)
        check_dropout(dropout)
        if hidden % heads:
            raise ValueError(f"`heads` must divide `hidden`={hidden}, got {heads}")
        check_choice("scale", scale, get_args(AttentionScale))
        self.heads = heads
        self.dropout = dropout
        self.scale = 1.0 / math.sqrt(hidden if scale == "model" else hidden // heads)
        self.query = Linear(hidden, hidden)
        self.key = Linear(hidden, hidden)
        self.value = Linear(hidden, hidden)
        self.out = Linear(hidden, hidden)

    def forward(self, hidden: Tensor, mask: Tensor | None, others: Tensor | None = None) -> Tensor:
        """Attend to the documents of the list, or to others.

        Args:
            hidden: (batch, n, hidden), what attends.
            mask: From `attention_mask`: which of `others` count; None where all do.
            others: (batch, m, hidden), what is attended to; None for `hidden` itself.

        Returns:
            (batch, n, hidden).
        """
        if others is None:
            first, second = self._project(hidden, self.query, self.key, self.value), None
        else:
            first = self._project(hidden, self.query)
            second = self._project(others, self.key, self.value)
        dropout = self.dropout if self.training else 0.0
        attended = cpu.attend(first, second, mask, scale=self.scale, dropout=dropout)
        merged: Tensor = self.out(attended.flatten(-2))
        return merged

    def _project(self, x: Tensor, *layers: nn.Linear) -> Tensor:
        """(batch, n, hidden) to (batch, n, layer, head, width), in one product."""
        weight = torch.cat([layer.weight for layer in layers])
        bias = torch.cat([layer.bias for layer in layers])
        shape = (*x.shape[:-1], len(layers), self.heads, x.shape[-1] // self.heads)
        return cpu.linear(x, weight, bias).view(shape)
