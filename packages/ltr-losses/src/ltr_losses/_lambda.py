"""LambdaLoss and its relatives: pairwise logistic losses weighted by a change of metric."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ltr_losses._analytic import with_gradient
from ltr_losses._check import check_choice, check_k, check_positive, prepare
from ltr_losses._gains import log2_discount, normalised_gain
from ltr_losses._pairs import Block, logistic_pair_sum
from ltr_losses._ranks import put_back, score_order, take
from ltr_losses._reduce import reduce_lists

_Contrast = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


class _Options(NamedTuple):
    mu: float
    k: int | None


class _Scheme(NamedTuple):
    """A pair's weight: a function of the two positions times the contrast of the two levels."""

    level: Literal["gain", "label", "positive", "binary"]
    """What a document is worth: its gain over the ideal DCG, its label, the same but at least 0, or
    whether that is above 0."""
    contrast: _Contrast | None
    """(upper level, lower level, upper discount, lower discount) -> signed weight; None: the change
    of the average precision."""
    positions: Callable[[Tensor, Tensor, _Options], Tensor]
    """(upper position, lower position, options) -> weight; positions from 1."""


def _discount(position: Tensor) -> Tensor:
    return 1.0 / torch.log2(1.0 + position)


def _one(i: Tensor, j: Tensor, options: _Options) -> Tensor:
    return torch.ones_like(i * j)


def _swap(i: Tensor, j: Tensor, options: _Options) -> Tensor:
    return (_discount(i) - _discount(j)).abs()


def _distance(i: Tensor, j: Tensor, options: _Options) -> Tensor:
    delta = (i - j).abs().clamp(min=1.0)
    return _discount(delta) - _discount(delta + 1.0)


def _swap_and_distance(i: Tensor, j: Tensor, options: _Options) -> Tensor:
    return _swap(i, j, options) + options.mu * _distance(i, j, options)


def _across(i: Tensor, j: Tensor, options: _Options) -> Tensor:
    k = options.k or 1  # never None: `lambda_loss` asks for it
    return ((i <= k) & (j > k)).to(i.dtype) / k


def _difference(a: Tensor, b: Tensor, da: Tensor, db: Tensor) -> Tensor:
    return a - b


def _order(a: Tensor, b: Tensor, da: Tensor, db: Tensor) -> Tensor:
    return torch.sign(a - b)


def _winner(a: Tensor, b: Tensor, da: Tensor, db: Tensor) -> Tensor:
    return torch.where(a > b, a * da, torch.where(b > a, -b * db, 0.0))


def _winner_label(a: Tensor, b: Tensor, da: Tensor, db: Tensor) -> Tensor:
    return torch.where(a > b, a, torch.where(b > a, -b, 0.0)) * torch.ones_like(da * db)


class _PrecisionChange:
    """What a swap changes of the average precision, from one number per document.

    With c(r) the relevant documents among the first r, S(r) the sum of 1/q over the positions q ≤ r
    of relevant ones and R their number, a relevant document at i and another at j > i change places
    at a loss of h(i) − h(j), where R h(r) = c(r)/r − S(r). From the wrong order they gain
    h'(i) − h'(j), where R h'(r) = (c(r) + 1)/r − S(r).
    """

    def __init__(self, relevant: Tensor, positions: Tensor) -> None:
        share = relevant / relevant.sum(-1, keepdim=True).clamp(min=1.0)
        total = relevant.sum(-1, keepdim=True).clamp(min=1.0)
        self.right = share.cumsum(-1) / positions - (share / positions).cumsum(-1)
        self.wrong = self.right + 1.0 / (total * positions)

    def __call__(self, block: Block, levels: Tensor) -> Tensor:
        a, b = block.rows(levels), block.cols(levels)
        loss = block.rows(self.right) - block.cols(self.right)
        gain = block.rows(self.wrong) - block.cols(self.wrong)
        return torch.where(a > b, loss, torch.where(b > a, -gain, 0.0))


_SCHEMES = {
    "ndcg1": _Scheme("gain", _winner, _one),
    "ndcg2": _Scheme("gain", _difference, _distance),
    "ndcg2pp": _Scheme("gain", _difference, _swap_and_distance),
    "lambdarank": _Scheme("gain", _difference, _swap),
    "ranknet": _Scheme("label", _order, _one),
    "labeldiff": _Scheme("label", _difference, _one),
    "arp1": _Scheme("positive", _winner_label, _one),
    "arp2": _Scheme("positive", _difference, _one),
    "map": _Scheme("binary", None, _one),
    "precision": _Scheme("binary", _difference, _across),
}


def lambda_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    scheme: str = "ndcg2pp",
    k: int | None = None,
    sigma: float = 1.0,
    mu: float = 10.0,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: str = "mean",
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

    Source:
        X. Wang, C. Li, N. Golbandi, M. Bendersky, M. Najork, "The LambdaLoss framework for ranking
        metric optimization", CIKM 2018, section 4 (NDCG-Loss1, NDCG-Loss2, NDCG-Loss2++, ARP-Loss1
        and ARP-Loss2, here over the pairs y_i > y_j alone); C. Burges, "From RankNet to LambdaRank
        to LambdaMART: an overview", 2010, section 4.
    """
    check_choice("scheme", scheme, tuple(_SCHEMES))
    check_k(k)
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
    discount = log2_discount(fixed.shape[-1], fixed)
    document_weights = lists.weights
    if document_weights is not None:
        document_weights = take(document_weights, order)

    pair_weight = rule.contrast
    if pair_weight is None:
        contrast: Callable[[Block, Tensor], Tensor] = _PrecisionChange(
            take(levels, order), positions
        )
    else:
        # Bound here, for the type checker and for torch.compile.
        def contrast(block: Block, levels: Tensor, weight: _Contrast = pair_weight) -> Tensor:
            return weight(
                block.rows(levels), block.cols(levels), block.rows(discount), block.cols(discount)
            )

    def position_weight(block: Block) -> Tensor:
        return rule.positions(block.rows(positions), block.cols(positions), _Options(mu, k))

    values, slopes = logistic_pair_sum(
        take(fixed * sigma, order),
        take(lists.mask, order),
        take(levels, order),
        contrast,
        position_weight,
        document_weights,
        k,
    )
    values = with_gradient(values, put_back(slopes * sigma, order), lists.scores)
    highest = torch.where(lists.mask, levels, float("-inf")).amax(-1)
    lowest = torch.where(lists.mask, levels, float("inf")).amin(-1)
    return reduce_lists(values, highest > lowest, lists, reduction)
