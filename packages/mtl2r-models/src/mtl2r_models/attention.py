"""Masked attention: of the documents of a list to one another, or of one set to another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from .dropout import Noise
from .products import Linear, apply, is_plain, linear

__all__ = ["Attention", "AttentionScale", "attention_mask"]

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
        if heads < 1 or hidden % heads:
            raise ValueError(f"`heads` must divide `hidden`={hidden}, got {heads}")
        if scale not in ("head", "model"):
            raise ValueError(f"`scale` must be 'head' or 'model', got {scale!r}")
        self.heads = heads
        self.dropout = dropout
        self.scale = 1.0 / math.sqrt(hidden if scale == "model" else hidden // heads)
        self.query = Linear(hidden, hidden)
        self.key = Linear(hidden, hidden)
        self.value = Linear(hidden, hidden)
        self.out = Linear(hidden, hidden)

    def forward(self, hidden: Tensor, mask: Tensor | None, others: Tensor | None = None) -> Tensor:
        """Attends.

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
        merged: Tensor = self.out(self._attend(first, second, mask).flatten(-2))
        return merged

    def _project(self, x: Tensor, *layers: nn.Linear) -> Tensor:
        """(batch, n, hidden) to (batch, n, layer, head, width), in one product."""
        weight = torch.cat([layer.weight for layer in layers])
        bias = torch.cat([layer.bias for layer in layers])
        shape = (*x.shape[:-1], len(layers), self.heads, x.shape[-1] // self.heads)
        return linear(x, weight, bias).view(shape)

    def _attend(self, first: Tensor, second: Tensor | None, mask: Tensor | None) -> Tensor:
        """`_unpack`ed to (batch, n, head, width)."""
        query, key, value = _unpack(first, second)
        dropout = self.dropout if self.training else 0.0
        if _is_attended_here(query, key, dropout):
            noise = Noise(dropout) if dropout else None
            return apply(_Attention, first, second, mask, self.scale, noise)
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        return scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout, scale=self.scale
        ).transpose(1, 2)


def _unpack(first: Tensor, second: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Queries (batch, n, head, width), keys and values (batch, m, head, width).

    They are packed along axis 2, so that a product gives several: all three in the first tensor, or
    the queries in the first and the others in the second.
    """
    query, *others = first.unbind(2)
    key, value = others if second is None else second.unbind(2)
    return query, key, value


def _is_attended_here(query: Tensor, key: Tensor, dropout: float) -> bool:
    if not (is_plain(query) and is_plain(key)) or query.dtype == torch.float64:
        return False
    if not query.numel() or not key.numel():
        return False
    # torch has no fused kernel with dropout on the CPU, and its own has no second derivative and
    # a backward pass that is slower than the one here.
    learns = query.requires_grad or key.requires_grad
    return dropout > 0.0 or (query.dtype == torch.float32 and learns)


class _Attention(torch.autograd.Function):
    """dropout(softmax(scale Q Kᵀ)) V in float32, some lists at a time, of what `_unpack` takes.

    The weights live in the cache and are computed again in the backward pass, so that memory does
    not grow with n · m; as in FlashAttention (Dao et al., 2022, appendix B), the row sums of
    P ∘ dP are those of O ∘ dO.
    """

    @staticmethod
    def forward(
        ctx: Any,
        first: Tensor,
        second: Tensor | None,
        mask: Tensor | None,
        scale: float,
        noise: Noise | None,
    ) -> Tensor:
        parts = _unpack(first, second)
        out = torch.empty_like(parts[0], memory_format=torch.contiguous_format)
        for block in _blocks(*parts, mask, scale, noise):
            block.put(_bmm(block.kept, block.value, block.gain), out)
        ctx.save_for_backward(first, second, mask, out)
        ctx.scale, ctx.noise = scale, noise
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        first, second, mask, out = ctx.saved_tensors
        parts = _unpack(first, second)
        noise = None if ctx.noise is None else ctx.noise.again()
        if torch.is_grad_enabled() or not is_plain(grad):
            gradients = _differentiable(*parts, mask, ctx.scale, noise, grad)
            in_first = first.shape[2]
            one = torch.stack(gradients[:in_first], dim=2)
            two = None if second is None else torch.stack(gradients[in_first:], dim=2)
            return one, two, None, None, None
        for_first = torch.empty_like(first)
        for_second = None if second is None else torch.empty_like(second)
        for_query, for_key, for_value = _unpack(for_first, for_second)
        products = (grad * out).float().sum(-1, keepdim=True)
        buffer: Tensor | None = None
        for block in _blocks(*parts, mask, ctx.scale, noise):
            incoming, weights = block.take(grad), block.weights
            if buffer is None or buffer.shape[1:] != weights.shape[1:]:
                buffer = torch.empty_like(weights)
            inner = _bmm(incoming, block.value.mT, block.gain, out=buffer[: len(weights)])
            # dropout(P) ∘ dP − P ∘ (row sums)
            inner.mul_(block.kept).addcmul_(weights, block.take(products), value=-1.0)
            block.put(_bmm(inner, block.key, ctx.scale), for_query)
            block.add(_bmm(inner.mT, block.query, ctx.scale), for_key)
            block.add(_bmm(block.kept.mT, incoming, block.gain), for_value)
        return for_first, for_second, None, None, None


def _differentiable(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float,
    noise: Noise | None,
    grad: Tensor,
) -> list[Tensor]:
    """The gradients of the attention in operations that have a gradient of their own."""
    query, key, value, incoming = (x.transpose(1, 2) for x in (query, key, value, grad))
    logits = query @ key.mT * scale
    if mask is not None:
        logits = logits.masked_fill(~mask, -math.inf)
    weights = torch.softmax(logits, dim=-1)
    inner = incoming @ value.mT
    kept = weights
    if noise is not None:
        passed = noise.fill_(torch.empty(weights.shape)) * noise.scale
        kept, inner = weights * passed, inner * passed
    inner = weights * (inner - (weights * inner).sum(-1, keepdim=True)) * scale
    return [x.transpose(1, 2) for x in (inner @ key, inner.mT @ query, kept.mT @ incoming)]


class _Block(NamedTuple):
    """Some queries of some heads of some lists, (lists × head, ·, ·) each.

    Valid until the next block is made.
    """

    lists: slice
    heads: slice
    queries: slice
    query: Tensor
    key: Tensor
    value: Tensor
    weights: Tensor
    kept: Tensor
    """The weights times the noise."""
    gain: float
    """The scale of the noise."""

    def take(self, x: Tensor) -> Tensor:
        """The block's queries of (batch, list, head, width)."""
        return _by_head(x[self.lists, self.queries, self.heads])

    def put(self, values: Tensor, x: Tensor) -> None:
        """Writes what belongs to the queries to (batch, list, head, width)."""
        place = x[self.lists, self.queries, self.heads].transpose(1, 2)
        place.copy_(values.view(place.shape))

    def add(self, values: Tensor, x: Tensor) -> None:
        """Writes what belongs to the keys, or adds it to that of the queries before."""
        place = x[self.lists, :, self.heads].transpose(1, 2)
        if self.queries.start:
            place.add_(values.view(place.shape))
        else:
            place.copy_(values.view(place.shape))


def _blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float,
    noise: Noise | None,
) -> Iterator[_Block]:
    batch, queries, heads, _ = query.shape
    keys = key.shape[1]
    size = _BLOCK * torch.get_num_threads()
    lists = size // (heads * queries * keys)
    # Whole lists, or some queries of one head where a list is long.
    some_heads, rows = (heads, queries) if lists else (1, max(1, size // keys))
    lists = min(max(lists, 1), batch)
    # The same memory for every block: pages that are new to the process cost more than arithmetic.
    buffers = torch.empty(1 if noise is None else 2, lists * some_heads, min(rows, queries), keys)
    for i, head, row in itertools.product(
        range(0, batch, lists), range(0, heads, some_heads), range(0, queries, rows)
    ):
        where = slice(i, i + lists), slice(head, head + some_heads), slice(row, row + rows)
        q = _by_head(query[where[0], where[2], where[1]])
        k, v = (_by_head(x[where[0], :, where[1]]) for x in (key, value))
        weights, *numbers = buffers[:, : len(q), : q.shape[1]]
        if mask is None:
            _bmm(q, k.mT, scale, out=weights)
        else:
            # A sum runs several times as fast as a masked fill.
            added = torch.where(mask[where[0], 0], 0.0, -math.inf).repeat_interleave(some_heads, 0)
            torch.baddbmm(added, q, k.mT, alpha=scale, out=weights)
        torch.softmax(weights, dim=-1, out=weights)
        kept = weights if noise is None else noise.fill_(numbers[0]).mul_(weights)
        gain = 1.0 if noise is None else noise.scale
        yield _Block(*where, q, k, v, weights, kept, gain)


def _bmm(left: Tensor, right: Tensor, factor: float, out: Tensor | None = None) -> Tensor:
    """The products of matrices times a factor; in float32, whatever autocast says."""
    if out is None:
        out = torch.empty(len(left), left.shape[1], right.shape[2])
    return torch.baddbmm(out, left, right, beta=0.0, alpha=factor, out=out)


def _by_head(x: Tensor) -> Tensor:
    """(lists, ·, head, width) to (lists × head, ·, width) in float32; one list is not copied."""
    swapped = x.transpose(1, 2)
    if len(x) == 1:
        return swapped[0].float()
    return torch.empty(swapped.shape).copy_(swapped).flatten(0, 1)
