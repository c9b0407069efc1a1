"""Masked self-attention over a list."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear, scaled_dot_product_attention

from .dropout import Noise, apply, is_drawn_here

__all__ = ["AttentionScale", "SelfAttention", "attention_mask"]

AttentionScale = Literal["head", "model"]

_BLOCK = 1 << 18  # attention weights at a time and thread: what the cache holds


def attention_mask(mask: Tensor) -> Tensor:
    """The mask of documents as one that attention broadcasts over heads and queries.

    Shape (batch, 1, 1, list) from (batch, list): nothing of size list × list is made. A list
    without any document attends to its padding, so that its (meaningless) rows stay finite.

    Examples:
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
        parts = (self.query, self.key, self.value)
        weight, bias = torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])
        # One product for the three projections, then (3, batch, head, list, width / heads).
        projected = linear(hidden, weight, bias)
        split = projected.view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        attended = self._attend(query, key, value, mask)
        merged: Tensor = self.out(attended.transpose(1, 2).reshape(batch, length, width))
        return merged

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        if dropout and query.dtype == torch.float32 and is_drawn_here(query) and query.numel():
            # torch has no fused kernel with dropout on the CPU.
            seed = Noise(dropout).seed
            return apply(_DropoutAttention, query, key, value, mask, self.scale, dropout, seed)
        return scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout, scale=self.scale
        )


class _DropoutAttention(torch.autograd.Function):
    """dropout(softmax(scale Q Kᵀ)) V, some lists at a time.

    The weights live in the cache and are computed again in the backward pass, so that memory does
    not grow with list²; as in FlashAttention (Dao et al., 2022, appendix B), the row sums of
    P ∘ dP are those of O ∘ dO.
    """

    @staticmethod
    def forward(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        scale: float,
        dropout: float,
        seed: int,
    ) -> Tensor:
        # In memory (batch, list, head, width), as the next projection reads it.
        out = torch.empty_like(query.transpose(1, 2), memory_format=torch.contiguous_format)
        out = out.transpose(1, 2)
        for block in _blocks(query, key, value, mask, scale, Noise(dropout, seed)):
            _put(block.weights.mul_(block.noise) @ block.value, out[block.rows])
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        query, key, value, mask, ctx.scale, ctx.dropout, ctx.seed = inputs
        ctx.save_for_backward(query, key, value, mask, output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, mask, out = ctx.saved_tensors
        noise = Noise(ctx.dropout, ctx.seed)
        batch, heads, length, width = query.shape
        # In memory as the projections gave them.
        grads = query.new_empty(batch, length, 3, heads, width).permute(2, 0, 3, 1, 4)
        buffer: Tensor | None = None
        for block in _blocks(query, key, value, mask, ctx.scale, noise):
            rows, weights = block.rows, block.weights
            incoming = _take(grad[rows])
            products = (incoming * _take(out[rows])).sum(-1, keepdim=True)
            buffer = torch.empty_like(weights) if buffer is None else buffer
            inner = torch.bmm(incoming, block.value.mT, out=buffer[: len(weights)])
            inner.mul_(block.noise).sub_(products).mul_(weights)
            _put(inner @ block.key, grads[0][rows])
            _put(inner.mT @ block.query, grads[1][rows])
            _put(weights.mul_(block.noise).mT @ incoming, grads[2][rows])
        grads[0].mul_(ctx.scale)
        grads[2].mul_(noise.scale)
        return grads[0], grads[1], grads[2], None, None, None, None


class _Block(NamedTuple):
    """Some lists, (lists × head, list, ·) each; valid until the next block is made."""

    rows: slice
    query: Tensor
    """Times the scale of the logits."""
    key: Tensor
    value: Tensor
    """Times the scale of the noise."""
    weights: Tensor
    noise: Tensor


def _blocks(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float, noise: Noise
) -> Iterator[_Block]:
    batch, heads, length, _ = query.shape
    lists = max(1, torch.get_num_threads() * _BLOCK // (heads * length * length))
    # The same memory for every block: pages that are new to the process cost more than arithmetic.
    buffers = torch.empty(2, min(lists, batch), heads, length, length)
    for start in range(0, batch, lists):
        rows = slice(start, start + lists)
        weights, numbers = buffers[:, : len(query[rows])]
        queries, keys, values = _take(query[rows]) * scale, _take(key[rows]), _take(value[rows])
        flat = weights.flatten(0, 1)
        torch.bmm(queries, keys.mT, out=flat)
        if mask is not None:
            # A sum runs several times as fast as a masked fill.
            weights += torch.where(mask[rows], 0.0, -math.inf)
        torch.softmax(flat, dim=-1, out=flat)
        drawn = noise.fill_(numbers).flatten(0, 1)
        yield _Block(rows, queries, keys, values * noise.scale, flat, drawn)


def _take(x: Tensor) -> Tensor:
    """(lists, head, list, width) to (lists × head, list, width); one list is not copied."""
    return x.flatten(0, 1)


def _put(values: Tensor, place: Tensor) -> None:
    """The reverse of `_take`, into memory of any strides."""
    place.copy_(values.view(place.shape))
