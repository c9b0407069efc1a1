"""Building blocks of the rankers: masked self-attention over a list, and the transformer block."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["AttentionScale", "Norm", "SelfAttention", "TransformerBlock", "attention_mask"]

Norm = Literal["pre", "post"]
AttentionScale = Literal["head", "model"]


def attention_mask(mask: Tensor) -> Tensor:
    """The mask of documents as one that attention broadcasts over heads and queries.

    Shape (batch, 1, 1, list) from (batch, list): nothing of size list × list is made. A list
    without any document attends to its padding, so that its (meaningless) rows stay finite.

    Examples:
        >>> import torch
        >>> attention_mask(torch.tensor([[True, True, False]])).shape
        torch.Size([1, 1, 1, 3])
    """
    return (mask | ~mask.any(dim=-1, keepdim=True))[:, None, None, :]


class SelfAttention(nn.Module):
    """Multi-head self-attention of the documents of a list to one another.

    Without positions it is equivariant: permuting the documents permutes the output.

    Args:
        hidden: Width of the input and the output.
        heads: Number of heads; divides `hidden`.
        dropout: Probability of dropping an attention weight in training.
        scale: ``"head"`` divides the logits by √(hidden/heads), as Vaswani et al. (2017), eq. 1;
            ``"model"`` by √hidden, as DeepMTL2R (arXiv 2602.14519) prints in eq. 2, while its
            released code divides by √(hidden/heads).
    """

    def __init__(
        self, hidden: int, heads: int, *, dropout: float = 0.0, scale: AttentionScale = "head"
    ) -> None:
        super().__init__()
        if heads < 1 or hidden % heads:
            raise ValueError(f"`heads` must divide `hidden`={hidden}, got {heads}")
        if scale not in ("head", "model"):
            raise ValueError(f"`scale` must be 'head' or 'model', got {scale!r}")
        self.heads = heads
        self.dropout = dropout
        self.scale = 1.0 / math.sqrt(hidden if scale == "model" else hidden // heads)
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, hidden)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Attends; `hidden` is (batch, list, hidden), `mask` comes from `attention_mask`."""
        batch, length, width = hidden.shape

        def split(projection: nn.Module) -> Tensor:
            projected: Tensor = projection(hidden)
            return projected.view(batch, length, self.heads, width // self.heads).transpose(1, 2)

        attended = scaled_dot_product_attention(
            split(self.query),
            split(self.key),
            split(self.value),
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            scale=self.scale,
        )
        merged: Tensor = self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return merged


class TransformerBlock(nn.Module):
    """Self-attention and a two-layer feed-forward network, each with a residual connection.

    ``norm="pre"``: h ← h + f(LN(h)) (Xiong et al., 2020, and the code of allRank and DeepMTL2R);
    ``norm="post"``: h ← LN(h + f(h)) (Vaswani et al., 2017, and the text of DeepMTL2R).

    Args:
        hidden: Width of the stream.
        heads: Attention heads.
        feedforward: Width between the two layers of the feed-forward network.
        dropout: On the attention weights, between the two layers and on both residual branches.
        norm: Where the layer norms stand.
        attention_scale: See `SelfAttention`.
    """

    def __init__(
        self,
        hidden: int,
        heads: int,
        feedforward: int,
        *,
        dropout: float = 0.0,
        norm: Norm = "pre",
        attention_scale: AttentionScale = "head",
    ) -> None:
        super().__init__()
        if norm not in ("pre", "post"):
            raise ValueError(f"`norm` must be 'pre' or 'post', got {norm!r}")
        self.norm = norm
        self.attention = SelfAttention(hidden, heads, dropout=dropout, scale=attention_scale)
        self.attention_norm = nn.LayerNorm(hidden)
        self.feedforward = nn.Sequential(
            nn.Linear(hidden, feedforward),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(feedforward, hidden),
        )
        self.feedforward_norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """One block; `hidden` is (batch, list, hidden), `mask` comes from `attention_mask`."""
        if self.norm == "pre":
            hidden = hidden + self.dropout(self.attention(self.attention_norm(hidden), mask))
            return hidden + self._feed(self.feedforward_norm(hidden))
        hidden = self.attention_norm(hidden + self.dropout(self.attention(hidden, mask)))
        out: Tensor = self.feedforward_norm(hidden + self._feed(hidden))
        return out

    def _feed(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.dropout(self.feedforward(hidden))
        return out
