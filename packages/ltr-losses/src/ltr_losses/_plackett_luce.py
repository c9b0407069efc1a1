"""The terms of the Plackett-Luce likelihood."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ._check import Lists
from ._pairs import FAR_BELOW, sink_padding
from ._ranks import score_order, take


def by_label(lists: Lists) -> tuple[Tensor, Tensor, Tensor]:
    """Sort the documents of each list by descending label, stable.

    Returns:
        Their scores less the list's largest, which no sum of these losses sees but for rounding,
        with padding far below the lowest; whether they are real; their order. All (..., list).
    """
    order = score_order(lists.labels, lists.mask)
    real, s = take(lists.mask, order), take(lists.scores, order)
    floor = torch.finfo(s.dtype).min
    s = s - torch.where(real, s.detach(), floor).amax(-1, keepdim=True)
    # Padding far below the lowest score adds nothing to any of the sums.
    return sink_padding(s, real, FAR_BELOW), real, order


def plackett_luce_terms(lists: Lists) -> tuple[Tensor, Tensor]:
    """Return log Σ_{j ≥ i} exp s_{π(j)} − s_{π(i)}, with π by descending label, stable.

    Returns:
        The terms in the order π, (..., list), weighted, zeros at the padding; and π.
    """
    s, real, order = by_label(lists)
    terms = tail_logsumexp(s) - s
    if lists.weights is not None:
        terms = terms * take(lists.weights, order)
    return torch.where(real, terms, 0.0), order


class _TailLogSumExp(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(s: Tensor) -> Tensor:
        return s.flip(-1).logcumsumexp(-1).flip(-1)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        s, tails = ctx.saved_tensors

        def pull(u: Tensor) -> Tensor:
            """Σ_{i ≤ j} u_i exp(s_j − L_i), of those u that are positive."""
            positive = u > 0
            log_u = torch.where(positive, torch.where(positive, u, 1.0).log(), -FAR_BELOW)
            pulled: Tensor = (s + tail_logsumexp((log_u - tails).flip(-1)).flip(-1)).exp()
            return pulled

        return pull(upstream) - pull(-upstream)


def tail_logsumexp(s: Tensor) -> Tensor:
    """Return L_i = log Σ_{j ≥ i} exp s_j, differentiable to any order.

    PyTorch's own second derivative of a cumulative sum is NaN where a term of it has no part in the
    result: there a logarithm of 0 is differentiated. Here that is a number far below, and exp of
    it 0.
    """
    out: Tensor = _TailLogSumExp.apply(s)  # type: ignore[no-untyped-call]
    return out
