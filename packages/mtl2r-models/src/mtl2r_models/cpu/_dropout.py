"""Dropout that costs little on the CPU.

torch draws a Bernoulli number in about 18 ns on one core, which is more than the arithmetic of a
small transformer's step. Here a number is 16 bits of NumPy's SFC64, which is seeded from torch's
own generator: `torch.get_rng_state` is the whole state. The backward pass draws the noise again
instead of keeping it. On other devices, and in a compiled graph, dropout is torch's.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ._plain import apply, is_plain

_LEVELS = 1 << 16
_BLOCK = 1 << 18  # elements at a time: what the cache holds


class Noise:
    """A stream of independent numbers, 0 with a probability and 1 else.

    The probability is rounded to a multiple of 2⁻¹⁶; `scale` is 1 / (1 − the rounded one), so that
    the expectation of number times scale is exactly 1. Without a seed torch's generator draws one.
    """

    def __init__(self, probability: float, seed: int | None = None) -> None:
        self._probability = probability
        zeros = min(round(probability * _LEVELS), _LEVELS - 1)
        self.seed = int(torch.randint(2**62, ())) if seed is None else seed
        self.scale = _LEVELS / (_LEVELS - zeros)
        self._threshold = zeros - _LEVELS // 2
        self._bits = np.random.SFC64(self.seed)

    def again(self) -> "Noise":
        """Return the same stream from its beginning."""
        return Noise(self._probability, self.seed)

    def fill_(self, out: Tensor) -> Tensor:
        """Write the next numbers into a contiguous float32 tensor.

        The numbers do not depend on how many rows of the last axis are filled at a time.
        """
        count = out.shape[-1]
        rows = out.view(-1, count)
        words = self._bits.random_raw(len(rows) * -(-count // 4)).reshape(len(rows), -1)
        # NumPy compares small integers several times as fast as torch.
        lanes = words.view(np.int16)[:, :count]
        np.greater_equal(lanes, self._threshold, out=rows.numpy(), casting="unsafe")
        return out


def dropout(x: Tensor, probability: float) -> Tensor:
    """Zero elements with a probability and scale the others, as `torch.nn.functional.dropout`."""
    if probability == 0.0:
        return x
    if not is_plain(x):
        return nn.functional.dropout(x, probability)
    return apply(_Dropout, x, probability, Noise(probability).seed)


def add_dropout(residual: Tensor, x: Tensor, probability: float) -> Tensor:
    """Compute ``residual + dropout(x)``, in one pass."""
    if probability == 0.0 or not is_plain(x):
        return residual + dropout(x, probability)
    return apply(_AddedDropout, residual, x, probability, Noise(probability).seed)


def relu_dropout(x: Tensor, probability: float) -> Tensor:
    """Compute ``dropout(relu(x))``, in one pass; it keeps the result alone for the backward."""
    if probability == 0.0 or not is_plain(x):
        return dropout(relu(x), probability)
    return apply(_ReLUDropout, x, probability)


def _times_noise(
    x: Tensor, noise: Noise, *, least: float | None = None, plus: Tensor | None = None
) -> Tensor:
    """Multiply x, or max(x, least), by noise and its scale, in blocks that stay in the cache."""
    if not is_plain(x):  # a batch of gradients
        return x * noise.fill_(torch.empty(x.numel())).mul_(noise.scale).view(x.shape)
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    source, target = x.reshape(-1), out.view(-1)
    added = None if plus is None else plus.reshape(-1)
    numbers = torch.empty(min(len(source), _BLOCK))
    for start in range(0, len(source), _BLOCK):
        block = slice(start, start + _BLOCK)
        values, result = source[block], target[block]
        if least is not None:
            values = torch.clamp(values, min=least, out=result)
        drawn = noise.fill_(numbers[: len(values)])
        if added is None:
            torch.mul(values, drawn.mul_(noise.scale), out=result)
        else:
            torch.addcmul(added[block], values, drawn, value=noise.scale, out=result)
    return out


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, probability: float, seed: int) -> Tensor:
        ctx.probability, ctx.seed = probability, seed
        return _times_noise(x, Noise(probability, seed))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return apply(_Dropout, grad, ctx.probability, ctx.seed), None, None


class _AddedDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, residual: Tensor, x: Tensor, probability: float, seed: int) -> Tensor:
        ctx.probability, ctx.seed = probability, seed
        return _times_noise(x, Noise(probability, seed), plus=residual)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        return grad, apply(_Dropout, grad, ctx.probability, ctx.seed), None, None


class _ReLUDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, probability: float) -> Tensor:
        noise = Noise(probability)
        out = _times_noise(x, noise, least=0.0)
        ctx.scale = noise.scale
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (out,) = ctx.saved_tensors
        # What is above zero was neither cut off nor dropped.
        if torch.is_grad_enabled() or not is_plain(grad):
            return grad * ((out > 0).to(grad.dtype) * ctx.scale), None
        return torch.ops.aten.threshold_backward(grad, out, 0.0).mul_(ctx.scale), None
