"""RankNet: the pairwise logistic loss."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ._analytic import unbroadcast
from ._check import Reduction, check_positive, prepare
from ._logistic import logistic_pair_sum
from ._pairs import count_pairs, row_blocks, row_of, unequal
from ._ranks import put_back, score_order, take
from ._reduce import reduce_lists


def _signed_power(difference: Tensor, power: float) -> Tensor:
    """Compute sign(d) |d|^power, written over d."""
    if power == 0.0:
        return difference.sign_()
    if power == 1.0:
        return difference
    size = difference.abs().pow_(power)
    return difference.sign_().mul_(size)


def _contrast(
    a: Sequence[Tensor],
    b: Sequence[Tensor],
    upper: Tensor | None,
    out: Tensor | None,
    *,
    power: float,
) -> Tensor:
    return _signed_power(torch.sub(a[0], b[0], out=out), power)


def _one(i: Tensor, j: Tensor) -> Tensor:
    return torch.ones_like(i * j)


def _curvature(scores: Tensor, levels: Tensor, weights: Tensor, v: Tensor, power: float) -> Tensor:
    """Multiply the Hessian of the pair sum by v: Σ_j c_ij σ'(s_i − s_j) (v_i − v_j)."""
    like = v + scores
    parts = []
    for start, stop in row_blocks(like):
        gap = row_of(scores, start, stop) - scores.unsqueeze(-2)
        a, b = row_of(levels, start, stop), levels.unsqueeze(-2)
        contrast = _signed_power(a - b, power)
        # The level of padding is NaN: it is neither above nor below any other.
        up = torch.where(a > b, contrast, 0.0) * row_of(weights, start, stop)
        down = torch.where(a < b, contrast, 0.0) * weights.unsqueeze(-2)
        bend = (up - down) * torch.sigmoid(gap) * torch.sigmoid(-gap)
        parts.append((bend * (row_of(v, start, stop) - v.unsqueeze(-2))).sum(-1))
    return torch.cat(parts, -1)


class _Slope(torch.autograd.Function):
    """upstream · gradient, itself differentiable."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        upstream: Tensor,
        gradient: Tensor,
        scores: Tensor,
        levels: Tensor,
        weights: Tensor,
        power: float,
    ) -> Tensor:
        return upstream.unsqueeze(-1) * gradient

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:5])
        ctx.power = inputs[5]

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
        upstream, gradient, scores, levels, weights = ctx.saved_tensors
        bent = upstream.unsqueeze(-1) * _curvature(scores, levels, weights, v, ctx.power)
        return (v * gradient).sum(-1), None, unbroadcast(bent, scores.shape), None, None, None


class _PairSum(torch.autograd.Function):
    """A pair sum with its known gradient, and with the curvature when that is asked for."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        value: Tensor,
        gradient: Tensor,
        scores: Tensor,
        levels: Tensor,
        weights: Tensor,
        power: float,
    ) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:5])
        ctx.power = inputs[5]  # type: ignore[attr-defined]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        out: Tensor = _Slope.apply(upstream, *ctx.saved_tensors, ctx.power)  # type: ignore[no-untyped-call]
        return None, None, unbroadcast(out, ctx.saved_tensors[1].shape), None, None, None


def ranknet_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    power: float = 0.0,
    sigma: float = 1.0,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Pairwise logistic loss: for each ordered pair, the odds that it is in the right order.

        ℓ(s, y) = 1/|P| Σ over P of  w_i (y_i − y_j)^power log(1 + exp(−σ (s_i − s_j)))

    with P the pairs y_i > y_j of the list. Its gradient pulls a pair apart by the probability, as
    the model has it, of the wrong order. It may be differentiated twice. Memory is O(batch · list)
    until the second derivative is asked for.

    Args:
        scores: (..., list), higher is better.
        labels: (..., list); the leading axes broadcast with those of the scores.
        power: 0: all pairs weigh the same; 1: by the difference of their labels; 2: its square.
        sigma: Steepness of the logistic function.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a pair has the weight of its document with
            the larger label.
        reduction: "mean" over the lists of unequal labels, "sum", both over the batch axis alone,
            or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown reduction, or a bad `power` or `sigma`.

    Examples:
        >>> import torch
        >>> ranknet_loss(torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[2.0, 0.0, 1.0]]))
        tensor(0.6931)

    References:
        C. Burges et al., "Learning to rank using gradient descent", ICML 2005.
    """
    check_positive("power", power, zero=True)
    check_positive("sigma", sigma)
    lists = prepare(scores, labels, mask, weights, reduction)
    fixed = lists.scores.detach()
    order = score_order(fixed, lists.mask)
    sorted_weights = None if lists.weights is None else take(lists.weights, order)

    value, slopes = logistic_pair_sum(
        take(fixed * sigma, order),
        take(lists.mask, order),
        [take(lists.labels, order)],
        partial(_contrast, power=power),
        _one,
        sorted_weights,
        None,
    )
    levels = torch.where(lists.mask, lists.labels, float("nan"))
    each = torch.ones_like(levels) if lists.weights is None else lists.weights.expand(levels.shape)
    value = _PairSum.apply(  # type: ignore[no-untyped-call]
        value, put_back(slopes, order), sigma * lists.scores, levels, each, power
    )
    pairs = count_pairs(lists.labels, lists.mask)
    return reduce_lists(value / pairs.clamp(min=1.0), unequal(lists), lists, reduction)
