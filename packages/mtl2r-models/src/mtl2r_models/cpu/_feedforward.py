"""The feed-forward network of a transformer block."""

from typing import Any

import torch
from torch import Tensor

from ._dropout import Noise, relu_dropout
from ._plain import apply, is_plain
from ._products import is_multiplied_here, linear, multiply, multiply_transposed, rows_at_a_time


def feedforward(
    x: Tensor, first: Tensor, bias: Tensor, second: Tensor, last: Tensor, *, dropout: float
) -> Tensor:
    """Compute W_2 dropout(relu(W_1 x + b_1)) + b_2.

    Args:
        x: (..., hidden).
        first: W_1, (width, hidden).
        bias: b_1.
        second: W_2, (hidden, width).
        last: b_2.
        dropout: Probability of a zero.

    Returns:
        (..., hidden).
    """
    if not is_multiplied_here(x, len(first)):
        return linear(relu_dropout(linear(x, first, bias), dropout), second, last)
    noise = Noise(dropout) if dropout else None
    rows = x.reshape(-1, x.shape[-1])
    return apply(_FeedForward, rows, first, bias, second, last, noise).view(x.shape)


class _FeedForward(torch.autograd.Function):
    """Some rows at a time, so that what is between the layers is in the cache when it is used."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        first: Tensor,
        bias: Tensor,
        second: Tensor,
        last: Tensor,
        noise: Noise | None,
    ) -> Tensor:
        out = torch.empty_like(x)
        kept = x.new_empty(len(x), len(first)) if any(ctx.needs_input_grad) else None
        rows = rows_at_a_time()
        numbers = x.new_empty(min(rows, len(x)), len(first))
        # relu(s z) = s relu(z): the scale of the noise in the matrix costs nothing.
        scale = 1.0 if noise is None else noise.scale
        scaled, shift = first * scale, bias * scale
        for start in range(0, len(x), rows):
            block = slice(start, start + rows)
            between = multiply(x[block], scaled, shift, "relu")
            if noise is not None:
                drawn = noise.fill_(numbers[: len(between)])
                between = torch.mul(between, drawn, out=between if kept is None else kept[block])
            elif kept is not None:
                kept[block] = between
            out[block] = multiply(between, second, last)
        if kept is not None:
            ctx.save_for_backward(x, first, bias, second, kept)
            ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, first, bias, second, kept = ctx.saved_tensors
        if torch.is_grad_enabled() or not is_plain(grad):
            # With a graph of its own: written in operations that have a gradient. What is above
            # zero was neither cut off nor dropped.
            passed = (kept > 0).to(x.dtype) * ctx.scale
            between = (x @ first.t() + bias) * passed
            inner = (grad @ second) * passed
            return inner @ first, inner.t() @ x, inner.sum(0), grad.t() @ between, grad.sum(0), None
        for_x = torch.empty_like(x)
        for_first, for_bias = torch.zeros_like(first), torch.zeros_like(bias)
        for_second = torch.zeros_like(second)
        scaled = first * ctx.scale
        rows = rows_at_a_time()
        for start in range(0, len(x), rows):
            block = slice(start, start + rows)
            incoming, between = grad[block].contiguous(), kept[block]
            inner = multiply(incoming, second.t())
            inner = torch.ops.aten.threshold_backward(inner, between, 0.0)
            for_x[block] = multiply(inner, scaled.t())
            for_first += multiply_transposed(inner, x[block])
            for_bias += inner.sum(0)
            for_second += multiply_transposed(incoming, between)
        for_first *= ctx.scale
        for_bias *= ctx.scale
        return for_x, for_first, for_bias, for_second, grad.sum(0), None
