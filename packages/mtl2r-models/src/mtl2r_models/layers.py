"""The block that transformers are stacked from, and the stack."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from .attention import Attention, AttentionScale, attention_mask
from .dropout import Dropout
from .feedforward import FeedForward

__all__ = ["Blocks", "Norm", "TransformerBlock"]

Norm = Literal["pre", "post"]


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
        attention_scale: See `mtl2r_models.attention.Attention`.
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
        self.attention = Attention(hidden, heads, dropout=dropout, scale=attention_scale)
        self.attention_norm = nn.LayerNorm(hidden)
        self.feedforward = FeedForward(hidden, feedforward, dropout=dropout)
        self.feedforward_norm = nn.LayerNorm(hidden)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """One block; `hidden` is (batch, list, hidden), `mask` comes from `attention_mask`."""
        if self.norm == "pre":
            attended = self.attention(self.attention_norm(hidden), mask)
            hidden = self.dropout.added(hidden, attended)
            return self.dropout.added(hidden, self.feedforward(self.feedforward_norm(hidden)))
        hidden = self.attention_norm(self.dropout.added(hidden, self.attention(hidden, mask)))
        out = self.dropout.added(hidden, self.feedforward(hidden))
        normed: Tensor = self.feedforward_norm(out)
        return normed


class Blocks(nn.ModuleList):
    """Blocks one behind the other, of hidden states and what `attention_mask` makes of a mask."""

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """All blocks; `hidden` is (batch, list, hidden), `mask` (batch, list)."""
        attend = None if mask is None else attention_mask(mask)
        for block in self:
            hidden = block(hidden, attend)
        return hidden
