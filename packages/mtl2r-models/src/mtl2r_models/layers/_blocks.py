"""The blocks that networks over a list are stacked from, and the stack."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from .. import cpu
from ..checks import check_choice
from ._attention import Attention, AttentionScale, attention_mask
from ._basics import Dropout, Linear, ReLUDropout

Norm = Literal["pre", "post"]


class FeedForward(nn.Sequential):
    """Two linear layers: W_2 dropout(relu(W_1 x + b_1)) + b_2.

    Args:
        hidden: Width of the input and the output.
        width: Width between the two layers.
        dropout: Dropout probability between them.
        norm: Whether a layer norm of x stands before them.
    """

    def __init__(
        self, hidden: int, width: int, *, dropout: float = 0.0, norm: bool = False
    ) -> None:
        layers = (Linear(hidden, width), ReLUDropout(dropout), Linear(width, hidden))
        super().__init__(*([nn.LayerNorm(hidden)] if norm else []), *layers)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # its name in torch
        """Map (..., hidden) to (..., hidden)."""
        layers: Any = self
        *norms, first, between, last = layers
        x = input
        for norm in norms:
            x = norm(x)
        parameters = (first.weight, first.bias, last.weight, last.bias)
        return cpu.feedforward(x, *parameters, dropout=between.active)


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
        attention_scale: See `mtl2r_models.layers.Attention`.
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
        check_choice("norm", norm, get_args(Norm))
        self.norm = norm
        self.attention = Attention(hidden, heads, dropout=dropout, scale=attention_scale)
        self.attention_norm = nn.LayerNorm(hidden)
        self.feedforward = FeedForward(hidden, feedforward, dropout=dropout)
        self.feedforward_norm = nn.LayerNorm(hidden)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Apply the block to (batch, list, hidden); `mask` comes from `attention_mask`."""
        if self.norm == "pre":
            attended = self.attention(self.attention_norm(hidden), mask)
            hidden = self.dropout.added(hidden, attended)
            return self.dropout.added(hidden, self.feedforward(self.feedforward_norm(hidden)))
        hidden = self.attention_norm(self.dropout.added(hidden, self.attention(hidden, mask)))
        out = self.dropout.added(hidden, self.feedforward(hidden))
        normed: Tensor = self.feedforward_norm(out)
        return normed


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
        Layer norm stands before the branches, as in `TransformerBlock`; in the paper it is behind.
    """

    def __init__(
        self, hidden: int, heads: int, feedforward: int, *, points: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.points = nn.Parameter(torch.empty(points, hidden))
        self.gather = _Mixing(hidden, heads, feedforward, dropout)
        self.read = _Mixing(hidden, heads, feedforward, dropout)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Apply the block to (batch, list, hidden); `mask` comes from `attention_mask`."""
        points = self.gather(self.points.expand(hidden.shape[0], -1, -1), hidden, mask)
        out: Tensor = self.read(hidden, points, None)
        return out


class Blocks(nn.ModuleList):
    """Blocks one behind the other, of hidden states and what `attention_mask` makes of a mask."""

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Apply all blocks; `hidden` is (batch, list, hidden), `mask` (batch, list)."""
        attend = None if mask is None else attention_mask(mask)
        for block in self:
            hidden = block(hidden, attend)
        return hidden
