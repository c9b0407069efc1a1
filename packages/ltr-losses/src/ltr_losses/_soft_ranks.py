"""Ranks as continuous functions of the scores."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ltr_losses._analytic import unbroadcast
from ltr_losses._pairs import row_blocks, row_of


def _above(gap: Tensor, hinge: bool) -> Tensor:
    return (1.0 + gap).clamp(min=0.0) if hinge else gap.sigmoid()


def _slope(gap: Tensor, hinge: bool) -> Tensor:
    if hinge:
        return (gap > -1.0).to(gap.dtype)
    p = gap.sigmoid()
    return p * (1.0 - p)


class _SoftRanks(torch.autograd.Function):
    """Σ_j φ(s_j − s_i), in blocks; the backward pass is plain, to be differentiated again."""

    generate_vmap_rule = True

    @staticmethod
    def forward(scores: Tensor, real: Tensor, hinge: bool) -> Tensor:
        parts = []
        for start, stop in row_blocks(scores * real):
            gap = scores.unsqueeze(-2) - row_of(scores, start, stop)
            parts.append((_above(gap, hinge) * real.unsqueeze(-2)).sum(-1))
        return torch.cat(parts, -1)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.hinge = inputs[2]  # type: ignore[attr-defined]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        scores, real = ctx.saved_tensors
        u = upstream * real
        parts = []
        for start, stop in row_blocks(u + scores):
            gap = row_of(scores, start, stop) - scores.unsqueeze(-2)
            own = row_of(u, start, stop)
            if ctx.hinge:
                pull = u.unsqueeze(-2) * _slope(gap, True) - own * _slope(-gap, True)
            else:
                pull = _slope(gap, False) * (u.unsqueeze(-2) - own)
            parts.append((pull * real.unsqueeze(-2)).sum(-1))
        gradient = torch.cat(parts, -1) * real
        return unbroadcast(gradient, scores.shape), None, None


def _soft_ranks(scores: Tensor, mask: Tensor, hinge: bool) -> Tensor:
    out: Tensor = _SoftRanks.apply(scores, mask.to(scores.dtype), hinge)  # type: ignore[no-untyped-call]
    return out


def approx_ranks(scores: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """1 + Σ_{j ≠ i} σ((s_j − s_i) / T) over the real documents: (..., list) -> (..., list).

    Memory is O(list): the blocks are computed again for the gradient, once for all tasks when the
    scores have no task axis. It may be differentiated twice.
    """
    # The document itself is σ(0) = 1/2 of the sum.
    return _soft_ranks(scores / temperature, mask, hinge=False) + 0.5


def bound_ranks(scores: Tensor, mask: Tensor) -> Tensor:
    """1 + Σ_{j ≠ i} max(0, 1 − (s_i − s_j)) over the real documents: never less than the rank."""
    # The document itself is the leading 1.
    return _soft_ranks(scores, mask, hinge=True)
