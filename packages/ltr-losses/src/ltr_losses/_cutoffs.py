"""Which documents stand within the first k."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn.functional import logsigmoid

from ._log_softmax import softmax

Cutoff = Callable[[int], Tensor]
"""From k to (..., list): how far a document stands within the first k, 1 or less. 1 counts it in
full and 0 not at all; below 0, it counts against the list."""

_BISECTIONS = 6
_NEWTON_STEPS = 4
"""From a bracket of less than 24: to less than .4, then to rounding, float64's too."""


class _SoftThreshold(torch.autograd.Function):
    """Solve Σ_j σ(x_j − θ) = k for θ, (..., 1), in lists of more than k documents.

    Their scores x (..., list) are centred: 0 is the middle between the k-th and the next. The
    derivative is ∂θ/∂x_j = σ'(x_j − θ) / Σ_l σ'(x_l − θ), a softmax, which no gap makes 0/0.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, mask: Tensor, k: int) -> Tensor:
        real = mask.to(x.dtype)
        rest = (real.sum(-1, keepdim=True) - k).clamp(min=1.0)
        low, high = torch.full_like(rest, -1.0 - math.log(k)), 1.0 + rest.log()
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2.0
            enough = ((x - middle).sigmoid() * real).sum(-1, keepdim=True) >= k
            low, high = torch.where(enough, middle, low), torch.where(enough, high, middle)
        theta = (low + high) / 2.0
        tiny = torch.finfo(x.dtype).tiny
        for _ in range(_NEWTON_STEPS):
            share = (x - theta).sigmoid() * real
            slope = (share * (1.0 - share)).sum(-1, keepdim=True).clamp(min=tiny)
            step = (share.sum(-1, keepdim=True) - k) / slope
            theta = torch.minimum(torch.maximum(theta + step, low), high)
        return theta

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, mask, _ = inputs
        ctx.save_for_backward(x, mask, output)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        x, mask, theta = ctx.saved_tensors
        gap = x - theta
        return upstream * softmax(logsigmoid(gap) + logsigmoid(-gap), mask), None, None


def _is_cut(mask: Tensor, k: int) -> Tensor:
    """Return whether a list has more than k documents, (..., 1)."""
    return mask.sum(-1, keepdim=True) > k


def _all(scores: Tensor, mask: Tensor) -> Tensor:
    """Return 1 at the documents, attached to the scores, as a loss has to be."""
    return torch.where(mask, 1.0, scores)


def _boundary(scores: Tensor, mask: Tensor, k: int) -> Tensor:
    """Return the middle between the k-th and the next score, (..., 1); 0 in shorter lists."""
    lowest = torch.finfo(scores.dtype).min
    top = torch.where(mask, scores, lowest).topk(k + 1, -1).values
    return torch.where(_is_cut(mask, k), top[..., k - 1 : k] / 2.0 + top[..., k:] / 2.0, 0.0)


def soft_cutoff(scores: Tensor, mask: Tensor, temperature: float) -> Cutoff:
    r"""Return the cut-off that is smooth in the scores, in 0..1, and adds up to k.

        c_i = σ((s_i − θ) / T),   θ such that Σ_j c_j = k,
        ∂c_i/∂s_j = σ'_i (δ_ij − σ'_j / Σ_l σ'_l) / T

    A list of k documents or fewer is within it whole. Because the c add up to k, the best soft
    ranking is worth no more than the best order: a cut-off by σ alone would reward scores so close
    together that every document is half inside.

    References:
        B. Amos, V. Koltun, J. Z. Kolter, "The limited multi-label projection layer", 2019, arXiv
        1906.08707.
    """

    def cutoff(k: int) -> Tensor:
        if k >= scores.shape[-1]:
            return _all(scores, mask)
        # Centred before the division, so that no digit is lost far from 0.
        x = (scores - _boundary(scores.detach(), mask, k)) / temperature
        theta: Tensor = _SoftThreshold.apply(x, mask, k)  # type: ignore[no-untyped-call]
        return torch.where(_is_cut(mask, k), (x - theta).sigmoid(), 1.0)

    return cutoff


def bound_cutoff(scores: Tensor, mask: Tensor) -> Cutoff:
    r"""Return a cut-off that is never above whether the document is among the first k.

        c_i = min(1, s_i − θ),   θ the middle between the scores of the k-th and the next document,
        ∂c_i/∂s_j = [s_i − θ < 1] (δ_ij − ½ [j = k-th] − ½ [j = the next])

    It has a slope at every document below the first k, however far.
    """

    def cutoff(k: int) -> Tensor:
        if k >= scores.shape[-1]:
            return _all(scores, mask)
        margin = scores - _boundary(scores, mask, k)
        return torch.where(_is_cut(mask, k) & (margin < 1.0), margin, 1.0)

    return cutoff


def rank_cutoff(ranks: Tensor) -> Cutoff:
    """Return the cut-off that is 1 at ranks up to k, 0 from k + 1 on, and linear in between.

    Its derivative is −1 from k to k + 1, both included, and 0 elsewhere.
    """

    def cutoff(k: int) -> Tensor:
        between = (ranks >= k) & (ranks <= k + 1)
        return torch.where(between, k + 1.0 - ranks, (ranks < k).to(ranks.dtype))

    return cutoff


def within_first(cutoff: Cutoff, k: int | None, worth: Tensor, at_k: float | Tensor) -> Tensor:
    """Multiply what the documents are worth by how far they stand within the first k; None: all.

    A cut-off below 0 multiplies `at_k` instead, what the k-th place is worth: a document far below
    then counts by its distance alone, and to pull it up is always a gain.
    """
    if k is None:
        return worth
    share = cutoff(k)
    return share * torch.where(share > 0, worth, at_k)
