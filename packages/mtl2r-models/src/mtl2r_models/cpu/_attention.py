"""softmax(scale Q Kᵀ) V of documents, with dropout on the weights, and with second derivatives."""

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ..torch_internals import HAS_ATTENTION, fused_attention, fused_attention_backward
from ._dropout import Noise
from ._plain import apply, is_plain

_BLOCK = 1 << 18  # attention weights at a time and thread: what the cache holds
_Parts = tuple[Tensor, Tensor, Tensor]


def attend(
    first: Tensor, second: Tensor | None, mask: Tensor | None, *, scale: float, dropout: float
) -> Tensor:
    """Compute dropout(softmax(scale Q Kᵀ)) V.

    Queries, keys and values are packed along axis 2, so that one product gives several: all three
    in the first tensor, or the queries in the first and the others in the second.

    Args:
        first: (batch, n, 3 or 1, head, width).
        second: (batch, m, 2, head, width), or None.
        mask: (batch, 1, 1, m) bool, True at keys that count; None where all do.
        scale: Of the products.
        dropout: Probability of dropping a weight.

    Returns:
        (batch, n, head, width).
    """
    query, key, value = _unpack(first, second)
    fast = is_plain(query) and is_plain(key) and query.dtype != torch.float64
    if fast and query.numel() and key.numel():
        # torch has no fused kernel with dropout on the CPU, and its own has no second derivative.
        if dropout:
            return apply(_Dropped, first, second, mask, scale, Noise(dropout))
        learns = query.requires_grad or key.requires_grad
        if HAS_ATTENTION and query.dtype == torch.float32 and learns:
            return apply(_Fused, first, second, mask, scale)
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    return scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=dropout, scale=scale
    ).transpose(1, 2)


def _unpack(first: Tensor, second: Tensor | None) -> _Parts:
    """Return queries (batch, n, head, width), keys and values (batch, m, head, width)."""
    query, *others = first.unbind(2)
    key, value = others if second is None else second.unbind(2)
    return query, key, value


def _pack(
    gradients: list[Tensor], first: Tensor, second: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of what `_unpack` gives as those of what it takes."""
    count = first.shape[2]
    rest = None if second is None else torch.stack(gradients[count:], dim=2)
    return torch.stack(gradients[:count], dim=2), rest


class _Fused(torch.autograd.Function):
    """softmax(scale Q Kᵀ) V in float32 by torch's kernel, of what `_unpack` takes."""

    @staticmethod
    def forward(
        ctx: Any, first: Tensor, second: Tensor | None, mask: Tensor | None, scale: float
    ) -> Tensor:
        added = None if mask is None else torch.where(mask, 0.0, -math.inf)
        parts = (part.transpose(1, 2) for part in _unpack(first, second))
        out, sums = fused_attention(*parts, mask=added, scale=scale)
        attended: Tensor = out.transpose(1, 2)
        ctx.save_for_backward(first, second, mask, added, attended, sums)
        ctx.scale = scale
        return attended

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        first, second, mask, added, out, sums = ctx.saved_tensors
        parts = _unpack(first, second)
        if torch.is_grad_enabled() or not is_plain(grad):
            gradients = _differentiable(parts, mask, ctx.scale, None, grad)
        else:
            given = (x.transpose(1, 2) for x in (grad.contiguous(), *parts, out))
            found = fused_attention_backward(*given, sums, mask=added, scale=ctx.scale)
            gradients = [x.transpose(1, 2) for x in found]
        return *_pack(gradients, first, second), None, None


class _Dropped(torch.autograd.Function):
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
        noise: Noise,
    ) -> Tensor:
        parts = _unpack(first, second)
        out = torch.empty_like(parts[0], memory_format=torch.contiguous_format)
        for block in _blocks(parts, mask, scale, noise):
            block.put(_bmm(block.kept, block.value, block.gain), out)
        ctx.save_for_backward(first, second, mask, out)
        ctx.scale, ctx.noise = scale, noise
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        first, second, mask, out = ctx.saved_tensors
        parts = _unpack(first, second)
        noise = ctx.noise.again()
        if torch.is_grad_enabled() or not is_plain(grad):
            gradients = _differentiable(parts, mask, ctx.scale, noise, grad)
            return *_pack(gradients, first, second), None, None, None
        for_first = torch.empty_like(first)
        for_second = None if second is None else torch.empty_like(second)
        for_query, for_key, for_value = _unpack(for_first, for_second)
        products = (grad * out).float().sum(-1, keepdim=True)
        buffer: Tensor | None = None
        for block in _blocks(parts, mask, ctx.scale, noise):
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
    parts: _Parts, mask: Tensor | None, scale: float, noise: Noise | None, grad: Tensor
) -> list[Tensor]:
    """Compute the gradients of the attention in operations that are differentiable again."""
    query, key, value, incoming = (x.transpose(1, 2) for x in (*parts, grad))
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
    """Some queries of some heads of some lists, (lists × head, ·, ·); valid until the next one."""

    lists: slice
    heads: slice
    queries: slice
    query: Tensor
    key: Tensor
    value: Tensor
    weights: Tensor
    kept: Tensor  # the weights times the noise
    gain: float  # the scale of the noise

    def take(self, x: Tensor) -> Tensor:
        """Return the block's queries of (batch, list, head, width)."""
        return _by_head(x[self.lists, self.queries, self.heads])

    def put(self, values: Tensor, x: Tensor) -> None:
        """Write what belongs to the queries to (batch, list, head, width)."""
        place = x[self.lists, self.queries, self.heads].transpose(1, 2)
        place.copy_(values.view(place.shape))

    def add(self, values: Tensor, x: Tensor) -> None:
        """Write what belongs to the keys, or add it to that of the queries before."""
        place = x[self.lists, :, self.heads].transpose(1, 2)
        write = place.add_ if self.queries.start else place.copy_
        write(values.view(place.shape))


def _blocks(parts: _Parts, mask: Tensor | None, scale: float, noise: Noise) -> Iterator[_Block]:
    query, key, value = parts
    batch, queries, heads, _ = query.shape
    keys = key.shape[1]
    size = _BLOCK * torch.get_num_threads()
    lists = size // (heads * queries * keys)
    # Whole lists, or some queries of one head where a list is long.
    some_heads, rows = (heads, queries) if lists else (1, max(1, size // keys))
    lists = min(max(lists, 1), batch)
    # The same memory for every block: pages that are new to the process cost more than arithmetic.
    buffers = torch.empty(2, lists * some_heads, min(rows, queries), keys)
    for i, head, row in itertools.product(
        range(0, batch, lists), range(0, heads, some_heads), range(0, queries, rows)
    ):
        where = slice(i, i + lists), slice(head, head + some_heads), slice(row, row + rows)
        q = _by_head(query[where[0], where[2], where[1]])
        k, v = (_by_head(x[where[0], :, where[1]]) for x in (key, value))
        weights, numbers = buffers[:, : len(q), : q.shape[1]]
        if mask is None:
            _bmm(q, k.mT, scale, out=weights)
        else:
            # A sum runs several times as fast as a masked fill.
            added = torch.where(mask[where[0], 0], 0.0, -math.inf).repeat_interleave(some_heads, 0)
            torch.baddbmm(added, q, k.mT, alpha=scale, out=weights)
        torch.softmax(weights, dim=-1, out=weights)
        kept = noise.fill_(numbers).mul_(weights)
        yield _Block(*where, q, k, v, weights, kept, noise.scale)


def _bmm(left: Tensor, right: Tensor, factor: float, out: Tensor | None = None) -> Tensor:
    """Multiply matrices, times a factor; in float32, also under autocast."""
    if out is None:
        out = torch.empty(len(left), left.shape[1], right.shape[2])
    return torch.baddbmm(out, left, right, beta=0.0, alpha=factor, out=out)


def _by_head(x: Tensor) -> Tensor:
    """Map (lists, ·, head, width) to (lists × head, ·, width), float32; one list is no copy."""
    swapped = x.transpose(1, 2)
    if len(x) == 1:
        return swapped[0].float()
    return torch.empty(swapped.shape).copy_(swapped).flatten(0, 1)
