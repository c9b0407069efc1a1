"""A value whose gradient is already known, in the autograd graph."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx


def unbroadcast(x: Tensor, shape: torch.Size) -> Tensor:
    """Sum what broadcasting repeated: the gradient of expanding `shape` to the shape of `x`."""
    # Under vmap `sum_to_size` has no rule for nothing to sum.
    return x if x.shape == shape else x.sum_to_size(shape)


def batch_axis_first(args: Sequence[Any], in_dims: Sequence[int | None]) -> list[Any]:
    """Move the mapped axis of vmap to the front, for a function whose leading axes broadcast.

    The axes of arguments without it line up behind it.
    """
    axes = max(
        x.dim() - (d is not None) for x, d in zip(args, in_dims, strict=True) if x is not None
    )
    out: list[Any] = []
    for x, d in zip(args, in_dims, strict=True):
        if x is None or d is None:
            out.append(x)
            continue
        x = x.movedim(d, 0)
        out.append(x.reshape(x.shape[0], *(1,) * (axes + 1 - x.dim()), *x.shape[1:]))
    return out


class _Scale(torch.autograd.Function):
    """The vector-Jacobian product; its own derivative is where the known gradient ends."""

    generate_vmap_rule = True

    @staticmethod
    def forward(upstream: Tensor, gradient: Tensor, scores: Tensor) -> Tensor:
        return upstream.unsqueeze(-1) * gradient

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, None, None]:
        raise RuntimeError(
            "this loss has an analytic first derivative and no second one, so it cannot be "
            "differentiated twice; listnet_loss can"
        )


class _WithGradient(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, gradient: Tensor, scores: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, gradient, scores = inputs
        ctx.save_for_backward(gradient, scores)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[None, None, Tensor]:
        gradient, scores = ctx.saved_tensors
        out: Tensor = _Scale.apply(upstream, gradient, scores)  # type: ignore[no-untyped-call]
        return None, None, unbroadcast(out, scores.shape)


def with_gradient(value: Tensor, gradient: Tensor, scores: Tensor) -> Tensor:
    """Attach `value` (...) to `scores` by the gradient (..., list) that was computed beforehand.

    Nothing but the gradient is kept for the backward pass, and each vector-Jacobian product is one
    multiplication, so K of them (one per task) cost next to nothing. The scores may have fewer
    leading axes than the gradient.
    """
    out: Tensor = _WithGradient.apply(value, gradient, scores)  # type: ignore[no-untyped-call]
    return out
