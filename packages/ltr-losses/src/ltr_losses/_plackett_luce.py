"""The terms of the Plackett-Luce likelihood."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ltr_losses._check import Lists
from ltr_losses._pairs import FAR_BELOW, sink_padding
from ltr_losses._ranks import score_order, take


def plackett_luce_terms(lists: Lists) -> tuple[Tensor, Tensor]:
    """Log Σ_{j ≥ i} exp s_{π(j)} − s_{π(i)}, with π by descending label, stable.

    Returns:
        The terms in the order π, (..., list), weighted, zeros at the padding; and π.
    """
    order = score_order(lists.labels, lists.mask)
    real = take(lists.mask, order)
    # Padding far below the lowest score adds nothing to any of the sums.
    s = sink_padding(take(lists.scores, order), real, FAR_BELOW)
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
    """L_i = log Σ_{j ≥ i} exp s_j, which may be differentiated as often as one likes.

    PyTorch's own second derivative of a cumulative sum is NaN where a term of it has no part in the
    result: there a logarithm of 0 is differentiated. Here that is a number far below, and exp of
    it 0.
    """
    out: Tensor = _TailLogSumExp.apply(s)  # type: ignore[no-untyped-call]
    return out
