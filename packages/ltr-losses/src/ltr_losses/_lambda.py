"""LambdaLoss and its relatives: pairwise logistic losses weighted by a change of metric."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, SupportsIndex

import torch
from torch import Tensor

from ._analytic import with_gradient
from ._check import Reduction, check_choice, check_k, check_positive, prepare
from ._gains import log2_discount, normalised_gain
from ._logistic import Contrast, logistic_pair_sum
from ._pairs import unequal_levels
from ._ranks import put_back, score_order, take
from ._reduce import reduce_lists


class _Options(NamedTuple):
    mu: float
    k: int | None


class _Scheme(NamedTuple):
    """A pair's weight: a function of the two positions times the contrast of the two documents."""

    level: Literal["gain", "label", "positive", "binary"]
    """What a document is worth: its gain over the ideal DCG, its label, the same but at least 0, or
    whether that is above 0."""
    contrast: Contrast
    positions: Callable[[Tensor, Tensor, _Options], Tensor]
    """(positions, positions, options) -> weight; positions from 1."""
    winner: Literal["level", "discounted"] | None = None
    """Whether a pair also weighs as much as the level of its better document, discounted or not."""


def _discount(position: Tensor) -> Tensor:
    return 1.0 / torch.log2(1.0 + position)


def _one(i: Tensor, j: Tensor, options: _Options) -> Tensor:
    return torch.ones_like(i * j)


def _swap(i: Tensor, j: Tensor, options: _Options) -> Tensor:
    return (_discount(i) - _discount(j)).abs()


def _distance(i: Tensor, j: Tensor, options: _Options) -> Tensor:
    # A function of j − i alone: made for each difference once, and laid out by diagonals.
    rows, cols = i.shape[-2], j.shape[-1]
    delta = torch.arange(1 - rows, cols, dtype=i.dtype, device=i.device) + (j[0, 0] - i[0, 0])
    delta = delta.abs().clamp(min=1.0)
    weight = _discount(delta) - _discount(delta + 1.0)
    # Not `unfold`, for which torch.compile would fix the length of the lists.
    return weight.as_strided((rows, cols), (1, 1)).flip(0)


def _swap_and_distance(i: Tensor, j: Tensor, options: _Options) -> Tensor:
    return _swap(i, j, options) + options.mu * _distance(i, j, options)


def _across(i: Tensor, j: Tensor, options: _Options) -> Tensor:
    k = options.k or 1  # never None: `lambda_loss` asks for it
    # A difference: inductor (torch 2.13) fails on `!=` of conditions that it knows beforehand.
    return ((i <= k).to(i.dtype) - (j <= k).to(i.dtype)).abs() / k


def _difference(
    a: Sequence[Tensor], b: Sequence[Tensor], upper: Tensor | None, out: Tensor | None
) -> Tensor:
    return torch.sub(a[0], b[0], out=out)


def _order(
    a: Sequence[Tensor], b: Sequence[Tensor], upper: Tensor | None, out: Tensor | None
) -> Tensor:
    return torch.sub(a[0], b[0], out=out).sign_()


def _precision_change(
    a: Sequence[Tensor], b: Sequence[Tensor], upper: Tensor | None, out: Tensor | None
) -> Tensor:
    """Return h(i) − h(j), or h'(i) − h'(j) in the wrong order, of `_precision_levels`."""
    c = torch.sub(a[0], b[0], out=out).sign_()
    right = c if upper is None else c * upper
    right, wrong = right.clamp(min=0.0).sign_(), right.clamp(max=0.0).sign_()
    change = right.mul_(a[1] - b[1]).addcmul_(wrong, b[2] - a[2])
    return c.mul_(change.abs_())


def _precision_levels(relevant: Tensor, positions: Tensor) -> list[Tensor]:
    """Return two numbers per document that give the change of average precision in a swap.

    With c(r) the relevant documents among the first r, S(r) the sum of 1/q over the positions q ≤ r
    of relevant ones and R their number, a relevant document at i and another at j > i change places
    at a loss of h(i) − h(j), where R h(r) = c(r)/r − S(r). From the wrong order they gain
    h'(i) − h'(j), where R h'(r) = (c(r) + 1)/r − S(r).
    """
    total = relevant.sum(-1, keepdim=True).clamp(min=1.0)
    share = relevant / total
    right = share.cumsum(-1) / positions - (share / positions).cumsum(-1)
    return [relevant, right, right + 1.0 / (total * positions)]


_SCHEMES = {
    "ndcg1": _Scheme("gain", _order, _one, winner="discounted"),
    "ndcg2": _Scheme("gain", _difference, _distance),
    "ndcg2pp": _Scheme("gain", _difference, _swap_and_distance),
    "lambdarank": _Scheme("gain", _difference, _swap),
    "ranknet": _Scheme("label", _order, _one),
    "labeldiff": _Scheme("label", _difference, _one),
    "arp1": _Scheme("positive", _order, _one, winner="level"),
    "arp2": _Scheme("positive", _difference, _one),
    "map": _Scheme("binary", _precision_change, _one),
    "precision": _Scheme("binary", _difference, _across),
}


def lambda_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    scheme: str = "ndcg2pp",
    k: SupportsIndex | None = None,
    sigma: float = 1.0,
    mu: float = 10.0,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Pairwise logistic loss, each pair weighted by what it is worth to a metric.

        ℓ(s, y) = Σ over pairs y_i > y_j of  w_i ω_ij log(1 + exp(−σ (s_i − s_j)))

    With r the current positions from 1, D(r) = log2(1 + r), δ = |r_i − r_j|, and G the gain 2^y − 1
    over the list's ideal DCG, ω_ij is

    * "ndcg2pp": (|1/D(r_i) − 1/D(r_j)| + μ |1/D(δ) − 1/D(δ+1)|) · |G_i − G_j|
    * "ndcg2": |1/D(δ) − 1/D(δ+1)| · |G_i − G_j|
    * "ndcg1": G_i / D(r_i)
    * "lambdarank": |1/D(r_i) − 1/D(r_j)| · |G_i − G_j|
    * "map": what changing places would change of the average precision
    * "precision": the same of the precision at k: 1/k across the border of the first k, else 0
    * "labeldiff": y_i − y_j
    * "arp1": max(y_i, 0), and "arp2": max(y_i, 0) − max(y_j, 0), for the average relevance position
    * "ranknet": 1

    "map" and "precision" take a label above 0 for relevant and look at relevance alone.

    The weights ω are constants to the gradient. The gradient is computed with the value and is all
    that is kept for the backward pass: memory is O(batch · list), in blocks on the way. Sorting and
    score differences are shared by all tasks when the scores have no task axis. A gap of any size
    keeps its gradient. It cannot be differentiated twice: that raises RuntimeError.

    Args:
        scores: (..., list), higher is better. Tied scores stand in the order of their index.
        labels: (..., list); the leading axes broadcast with those of the scores. In the schemes
            with a gain, negative labels have gain 0.
        scheme: The pair weights, by name as above.
        k: Only pairs with either document among the first k positions count, and the ideal DCG is
            that at k; the discounts go on beyond k (as in LightGBM). None: all pairs. "precision"
            needs one.
        sigma: Steepness of the logistic function.
        mu: Share of the distance weights in "ndcg2pp".
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a pair has the weight of its document with
            the larger label. The ideal DCG is not weighted.
        reduction: "mean" over the lists with a pair of unequal levels, "sum", both over the batch
            axis alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown scheme or reduction, a bad `k`,
            `sigma` or `mu`, or no `k` for "precision".

    Examples:
        >>> import torch
        >>> scores = torch.tensor([[0.5, 1.0, 0.0]], requires_grad=True)
        >>> labels = torch.tensor([[[2.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]]])  # two tasks
        >>> losses = lambda_loss(scores, labels, scheme="lambdarank")
        >>> losses.shape
        torch.Size([2])

    Note:
        The sum runs over all pairs with y_i > y_j, in natural logarithms; the paper has base 2.

    References:
        X. Wang, C. Li, N. Golbandi, M. Bendersky, M. Najork, "The LambdaLoss framework for ranking
        metric optimization", CIKM 2018, section 4 (NDCG-Loss1, NDCG-Loss2, NDCG-Loss2++, ARP-Loss1
        and ARP-Loss2, here over the pairs y_i > y_j alone); C. Burges, "From RankNet to LambdaRank
        to LambdaMART: an overview", 2010, section 4.
    """
    check_choice("scheme", scheme, tuple(_SCHEMES))
    k = check_k(k)
    check_positive("sigma", sigma)
    check_positive("mu", mu, zero=True)
    if scheme == "precision" and k is None:
        raise ValueError("`k` must be given for the scheme 'precision', got None")
    lists = prepare(scores, labels, mask, weights, reduction)
    rule = _SCHEMES[scheme]

    fixed = lists.scores.detach()
    order = score_order(fixed, lists.mask)
    levels = lists.labels
    if rule.level == "gain":
        levels = normalised_gain(levels, lists.mask, "exp2", k)
    elif rule.level == "positive":
        levels = levels.clamp(min=0.0)
    elif rule.level == "binary":
        levels = (levels > 0).to(levels.dtype)
    positions = torch.arange(1, fixed.shape[-1] + 1, dtype=fixed.dtype, device=fixed.device)
    sorted_levels = take(levels, order)
    features = [sorted_levels]
    if rule.contrast is _precision_change:
        features = _precision_levels(sorted_levels, positions)
    document_weights = None if lists.weights is None else take(lists.weights, order)
    if rule.winner is not None:
        worth = sorted_levels
        if rule.winner == "discounted":
            worth = worth * log2_discount(fixed.shape[-1], fixed)
        document_weights = worth if document_weights is None else document_weights * worth

    def position_weight(i: Tensor, j: Tensor) -> Tensor:
        return rule.positions(i, j, _Options(mu, k))

    values, slopes = logistic_pair_sum(
        take(fixed * sigma, order),
        take(lists.mask, order),
        features,
        rule.contrast,
        position_weight,
        document_weights,
        k,
    )
    values = with_gradient(values, put_back(slopes * sigma, order), lists.scores)
    return reduce_lists(values, unequal_levels(levels, lists.mask), lists, reduction)
