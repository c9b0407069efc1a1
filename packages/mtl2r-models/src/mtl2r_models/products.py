"""Linear maps in float32 on the CPU, at the speed of the machine.

torch multiplies by MKL, which on AMD's processors leaves half of a 512-bit register unused. oneDNN,
which comes with torch, does not: it is two to three times as fast there. It has to generate code
for every new shape, which takes as long as a small product; those stay with MKL, and so does all
that is not plain: other types and devices, autocast, compiled and exported graphs, transforms of
`torch.func`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

__all__ = [
    "Linear",
    "apply",
    "is_plain",
    "linear",
    "multiply",
    "multiply_transposed",
    "rows_at_a_time",
]

_LEAST = 1 << 25  # multiplications that are worth a new code
_ROWS = 1024  # rows at a time and thread: what the cache holds
_ONEDNN = (
    bool(torch._C._has_mkldnn)
    and torch.backends.cpu.get_cpu_capability() == "AVX512"
    and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # torch's own, which it may rename
)


def is_plain(x: Tensor) -> bool:
    """Whether x is an ordinary tensor on the CPU, which needs nothing but values and gradients."""
    return (
        x.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
        and not torch._C._functorch.is_legacy_batchedtensor(x)
        and forward_ad._current_level < 0
    )


def is_multiplied_here(x: Tensor, width: int) -> bool:
    """Whether a product of x (..., in) with a matrix (width, in) is left to oneDNN."""
    return (
        _ONEDNN
        and x.dtype == torch.float32
        and is_plain(x)  # before sizes are compared, which would be fixed in an exported graph
        and x.numel() * width >= _LEAST
        and torch._C._get_mkldnn_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The linear map x Wᵀ + b, as `torch.nn.functional.linear`.

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


class Linear(nn.Linear):
    """`torch.nn.Linear` with the product of this module."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # its name in torch
        """The linear map of the last axis."""
        return linear(input, self.weight, self.bias)


def apply(function: Any, *arguments: Any) -> Tensor:
    """`torch.autograd.Function.apply`, with a type."""
    result: Tensor = function.apply(*arguments)
    return result


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None, then: str = "none") -> Tensor:
    """The linear map x Wᵀ + b by oneDNN, and "none" or "relu"; without a gradient."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, then, [], "")
    return result


def rows_at_a_time() -> int:
    """How many rows of a long product are in the cache together."""
    return _ROWS * torch.get_num_threads()


def multiply_transposed(left: Tensor, right: Tensor) -> Tensor:
    """leftᵀ right by oneDNN, from (row, ·) and (row, ·); without a gradient."""
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
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return multiply(x, weight, bias)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor
    ) -> None:
        x, weight, _ = inputs
        ctx.save_for_backward(x, weight)

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
