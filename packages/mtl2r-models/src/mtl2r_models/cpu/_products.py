"""Linear maps in float32 on the CPU, at the speed of the machine.

torch multiplies by MKL, which on AMD's processors leaves half of a 512-bit register unused. oneDNN,
which comes with torch, uses all of it and is two to three times as fast there. It has to generate
code for every new shape, which takes as long as a small product. Small products stay with MKL, and
so do other types and devices, autocast, compiled and exported graphs and transforms of
`torch.func`.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ..torch_internals import HAS_LINEAR, is_onednn_enabled, onednn_linear
from ._plain import apply, is_plain

_LEAST = 1 << 25  # multiplications that are worth generating code for
_ROWS = 1024  # rows at a time and thread: what the cache holds
_ONEDNN = HAS_LINEAR and torch.backends.cpu.get_cpu_capability() == "AVX512"


def is_multiplied_here(x: Tensor, width: int) -> bool:
    """Whether a product of x (..., in) with a matrix (width, in) is left to oneDNN."""
    return (
        _ONEDNN
        and x.dtype == torch.float32
        and is_plain(x)  # before sizes are compared, which would be fixed in an exported graph
        and x.numel() * width >= _LEAST
        and is_onednn_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute x Wᵀ + b, as `torch.nn.functional.linear`.

    Args:
        x: (..., in).
        weight: (out, in).
        bias: (out,).

    Returns:
        (..., out).
    """
    if is_multiplied_here(x, len(weight)):
        rows = apply(_Linear, x.reshape(-1, x.shape[-1]), weight, bias)
        return rows.view(*x.shape[:-1], len(weight))
    return nn.functional.linear(x, weight, bias)


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None, then: str = "none") -> Tensor:
    """Compute x Wᵀ + b by oneDNN, then "none" or "relu"; without a gradient."""
    return onednn_linear(x, weight, bias, then)


def rows_at_a_time() -> int:
    """Return the number of rows of a long product that the cache holds."""
    return _ROWS * torch.get_num_threads()


def multiply_transposed(left: Tensor, right: Tensor) -> Tensor:
    """Compute leftᵀ right by oneDNN, from (row, ·) and (row, ·); without a gradient."""
    # oneDNN wants one of the two transposed in memory: the narrower, while it is in the cache.
    narrow, wide = (left, right) if left.shape[1] <= right.shape[1] else (right, left)
    rows = rows_at_a_time()
    total = multiply(narrow[:rows].t(), wide[:rows].t())
    for start in range(rows, len(left), rows):
        block = slice(start, start + rows)
        total += multiply(narrow[block].t(), wide[block].t())
    return total if narrow is left else total.t()


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return multiply(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        # With a graph of its own the gradient is written in operations that have a gradient.
        plain = is_plain(grad) and not torch.is_grad_enabled()
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            for_x = multiply(grad, weight.t()) if plain else grad @ weight
        if ctx.needs_input_grad[1]:
            for_weight = multiply_transposed(grad, x) if plain else grad.t() @ x
        if ctx.needs_input_grad[2]:
            for_bias = grad.sum(0)
        return for_x, for_weight, for_bias
