"""Ranks as continuous functions of the scores."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ._analytic import batch_axis_first, unbroadcast
from ._pairs import FAR_BELOW, Block, Workspace, row_blocks, row_of, sink_padding, upper_blocks


def _above(scores: Tensor, block: Block, space: Workspace) -> Tensor:
    """σ(s_j − s_i) of the pairs of a block."""
    (p,) = space.of(block.stop - block.start, scores.shape[-1] - block.start)
    return torch.sub(block.cols(scores), block.rows(scores), out=p).sigmoid_()


class _SigmoidRanks(torch.autograd.Function):
    """Σ_j σ(s_j − s_i), in blocks that are computed again for the gradient."""

    @staticmethod
    def forward(scores: Tensor) -> Tensor:
        n = scores.shape[-1]
        # Itself is 1/2 of the sum; σ(−x) = 1 − σ(x), so that each pair is met once.
        above = torch.arange(n, dtype=scores.dtype, device=scores.device) + 0.5
        ranks = above.expand(scores.shape).clone()
        blocks = upper_blocks(scores.shape[:-1].numel(), n, None, scores.device)
        space = Workspace(scores, scores.shape[:-1], blocks, 1)
        for block in blocks:
            p = _above(scores, block, space)
            p[..., : block.stop - block.start].triu_(1)
            ranks[..., block.start : block.stop] += p.sum(-1)
            ranks[..., block.start :] -= p.sum(-2)
        return ranks

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        out: Tensor = _SigmoidRanksPull.apply(*ctx.saved_tensors, upstream)  # type: ignore[no-untyped-call]
        return out

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None], scores: Tensor) -> tuple[Tensor, int]:
        return _SigmoidRanks.apply(*batch_axis_first([scores], in_dims)), 0  # type: ignore[no-untyped-call]


class _SigmoidRanksPull(torch.autograd.Function):
    """Σ_j σ'(s_i − s_j) (u_j − u_i): the gradient of Σ_i u_i r̂_i."""

    @staticmethod
    def forward(scores: Tensor, u: Tensor) -> Tensor:
        # Nothing of u is written in place or indexed: `is_grads_batched` batches it alone, by an
        # older vmap that has no rule for that, and does not ask for ours.
        n = scores.shape[-1]
        rows, columns = [], torch.zeros_like(u)
        blocks = upper_blocks(scores.shape[:-1].numel(), n, None, scores.device)
        space = Workspace(scores, scores.shape[:-1], blocks, 1)
        for block in blocks:
            p = _above(scores, block, space)
            p.addcmul_(p, p, value=-1.0)
            p[..., : block.stop - block.start].triu_(1)
            pull = (block.cols(u) - block.rows(u)) * p
            rows.append(pull.sum(-1))
            before = torch.zeros_like(u.narrow(-1, 0, block.start))
            columns = columns + torch.cat([before, pull.sum(-2)], -1)
        # No pair has the last document above.
        rows.append(torch.zeros_like(u.narrow(-1, n - 1, 1)))
        return torch.cat(rows, -1) - columns

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Tensor, Tensor]:
        scores, u = ctx.saved_tensors
        # The pull is linear in u and its own adjoint.
        across: Tensor = _SigmoidRanksPull.apply(scores, v)  # type: ignore[no-untyped-call]
        parts = []
        for start, stop in row_blocks(u):
            p = (row_of(scores, start, stop) - scores.unsqueeze(-2)).sigmoid()
            bend = p * (1.0 - p) * (1.0 - 2.0 * p)
            du = row_of(u, start, stop) - u.unsqueeze(-2)
            dv = row_of(v, start, stop) - v.unsqueeze(-2)
            parts.append((bend * du * dv).sum(-1))
        return unbroadcast(-torch.cat(parts, -1), scores.shape), across

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None], scores: Tensor, u: Tensor
    ) -> tuple[Tensor, int]:
        scores, u = batch_axis_first([scores, u], in_dims)
        if in_dims[1] is None:
            u = u.expand(scores.shape)
        return _SigmoidRanksPull.apply(scores, u), 0  # type: ignore[no-untyped-call]


class _FusedRanks(torch.autograd.Function):
    """The same for a compiler, which makes one loop of each expression and keeps no pairs."""

    generate_vmap_rule = True

    @staticmethod
    def forward(scores: Tensor) -> Tensor:
        return (scores.unsqueeze(-2) - scores.unsqueeze(-1)).sigmoid().sum(-1)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        (scores,) = ctx.saved_tensors
        p = (scores.unsqueeze(-2) - scores.unsqueeze(-1)).sigmoid()
        difference = upstream.unsqueeze(-2) - upstream.unsqueeze(-1)
        pull: Tensor = (p * (1.0 - p) * difference).sum(-1)
        return pull


class _HingeRanks(torch.autograd.Function):
    """Σ_j max(0, 1 + s_j − s_i), in blocks; the backward pass is plain."""

    generate_vmap_rule = True

    @staticmethod
    def forward(scores: Tensor, real: Tensor) -> Tensor:
        parts = []
        for start, stop in row_blocks(scores * real):
            gap = scores.unsqueeze(-2) - row_of(scores, start, stop)
            parts.append(((1.0 + gap).clamp(min=0.0) * real.unsqueeze(-2)).sum(-1))
        return torch.cat(parts, -1)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        scores, real = ctx.saved_tensors
        u = upstream * real
        parts = []
        for start, stop in row_blocks(u + scores):
            gap = row_of(scores, start, stop) - scores.unsqueeze(-2)
            up, down = (gap > -1.0).to(gap.dtype), (gap < 1.0).to(gap.dtype)
            pull = u.unsqueeze(-2) * up - row_of(u, start, stop) * down
            parts.append((pull * real.unsqueeze(-2)).sum(-1))
        gradient = torch.cat(parts, -1) * real
        return unbroadcast(gradient, scores.shape), None


def approx_ranks(scores: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """1 + Σ_{j ≠ i} σ((s_j − s_i) / T) over the real documents: (..., list) -> (..., list).

    Memory is O(list): the blocks are computed again for the gradient, once for all tasks when the
    scores have no task axis. It may be differentiated twice.
    """
    # Padding far below adds nothing to any rank; what it gets itself nobody reads.
    s = sink_padding(scores / temperature, mask, FAR_BELOW)
    rule = _FusedRanks if torch.compiler.is_compiling() else _SigmoidRanks
    ranks: Tensor = rule.apply(s)  # type: ignore[no-untyped-call]
    return ranks + 0.5


def bound_ranks(scores: Tensor, mask: Tensor) -> Tensor:
    """1 + Σ_{j ≠ i} max(0, 1 − (s_i − s_j)) over the real documents: never less than the rank."""
    # The document itself is the leading 1.
    out: Tensor = _HingeRanks.apply(scores, mask.to(scores.dtype))  # type: ignore[no-untyped-call]
    return out
