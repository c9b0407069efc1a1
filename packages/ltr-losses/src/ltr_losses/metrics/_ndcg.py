"""Discounted cumulative gain, plain and normalised."""

from collections.abc import Callable
from typing import Unpack

import torch
from torch import Tensor

from .._check import Lists, check_choice
from .._gains import (
    GAINS,
    Discount,
    Gain,
    OwnFunction,
    cut,
    largest_label,
    own_values,
    shifted_gain,
)
from .._ranks import average_over_ties, score_order, take, tie_keys
from .._reduce import weighted
from ._options import CutTieEmptyOptions, CutTieOptions, metric
from ._ranking import Last, PerList, Ranking, credits_of, finish, positions, prepare


def _gains(lists: Lists, gain: Gain | OwnFunction) -> Tensor:
    """Return the weighted gains of the documents: (..., list)."""
    if callable(gain):
        gains = torch.where(lists.mask, own_values("gain", gain, lists.labels), 0.0)
    else:
        check_choice("gain", gain, GAINS)
        gains = shifted_gain(lists.labels, lists.mask, gain)
    return weighted(gains, lists)


def _discount(discount: Discount | OwnFunction) -> OwnFunction:
    """Return the function from positions from 1 to what they are worth."""
    if callable(discount):
        return lambda places: own_values("discount", discount, places)
    check_choice("discount", discount, ("log2",))
    return lambda places: 1.0 / torch.log2(1.0 + places)


def _dcg(
    ranking: Ranking, gains: Tensor, discount: OwnFunction, discounts: Tensor
) -> Callable[[Last], Tensor]:
    """Return the function from k to the discounted sum of the gains: (...)."""
    if ranking.ranks is not None:
        seen = credits_of(ranking, discount)
        return lambda k: (gains * seen(k)).sum(-1)
    # Summed from the top down, as the ideal is: the best order is worth exactly 1.
    scores, mask = ranking.lists.scores.detach(), ranking.lists.mask
    order = score_order(scores, mask)
    found = take(gains, order)
    if ranking.ties == "average":
        found = average_over_ties(found, tie_keys(scores, mask, order))
    return lambda k: (found * cut(discounts, k)).sum(-1)


@metric
def dcg(
    scores: Tensor,
    labels: Tensor,
    *,
    gain: Gain | OwnFunction = "exp2",
    discount: Discount | OwnFunction = "log2",
    **options: Unpack[CutTieOptions],
) -> Tensor:
    r"""Discounted cumulative gain at k; higher is better.

        DCG@k = Σ over positions r ≤ k of  w_r g(y_r) / log2(1 + r)

    A label too large for the gain is a ValueError; under torch.compile the result is inf.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); negative labels have gain 0.
        gain: "exp2", 2^y − 1, "linear", y, or a function from labels to what they are worth, not
            negative, which sees the labels as they are.
        discount: "log2", 1 / log2(1 + r), or a function from positions r = 1, 2, ... (with `ranks`
            those) to what they are worth, which falls: `torch.reciprocal`, say.
        **options: What all metrics take, see `ltr_losses.metrics`.

    Examples:
        >>> import torch
        >>> dcg(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([0.0, 1.0, 0.0]))
        tensor(0.6309)

    References:
        K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20,
        2002; the exponential gain: C. Burges et al., ICML 2005.
    """
    ranking = prepare(scores, labels, options)
    lists = ranking.lists
    gains, discounted = _gains(lists, gain), _discount(discount)
    found = _dcg(ranking, gains, discounted, discounted(positions(lists)))
    factor = torch.ones(())
    if gain == "exp2":
        factor = torch.exp2(largest_label(lists.labels, lists.mask)).squeeze(-1)

    def at(k: Last) -> PerList:
        values = found(k) * factor
        if not torch.compiler.is_compiling() and bool((values.isinf() & lists.sound).any()):
            raise ValueError(
                "`labels` must be small enough for 2^label, got a largest label of "
                f'{lists.labels.max().item():g}; use gain="linear", or transform the labels '
                "(log1p, or a few grades)"
            )
        return values, lists.mask.any(-1)

    return finish(ranking, at)


@metric
def ndcg(
    scores: Tensor,
    labels: Tensor,
    *,
    gain: Gain | OwnFunction = "exp2",
    discount: Discount | OwnFunction = "log2",
    **options: Unpack[CutTieEmptyOptions],
) -> Tensor:
    r"""Normalised discounted cumulative gain at k, in 0..1; higher is better.

        NDCG@k = DCG@k / (DCG@k of the best order)

    Any label is allowed: under "exp2" a label of 30,000 is finite, and then only the labels within
    about 149 (float32) of the list's largest count. The weights multiply the gains, in the ideal
    too. With ties="average" constant scores give the expected NDCG of a random order.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); negative labels have gain 0.
        gain: "exp2", 2^y − 1, "linear", y, or a function from labels to what they are worth, not
            negative, which sees the labels as they are.
        discount: "log2", 1 / log2(1 + r), or a function from positions r = 1, 2, ... (with `ranks`
            those) to what they are worth, which falls: `torch.reciprocal`, say.
        **options: What all metrics take, see `ltr_losses.metrics`.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[0.0, 1.0, 0.0]])
        >>> ndcg(torch.tensor([[3.0, 2.0, 1.0]]), labels)
        tensor(0.6309)
        >>> ndcg(torch.zeros(1, 3), labels, ties="average")  # a random order
        tensor(0.7103)

    References:
        K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20,
        2002; ties: F. McSherry, M. Najork, "Computing information retrieval performance measures
        efficiently in the presence of tied scores", ECIR 2008.
    """
    ranking = prepare(scores, labels, options)
    gains, discounted = _gains(ranking.lists, gain), _discount(discount)
    discounts = discounted(positions(ranking.lists))
    found = _dcg(ranking, gains, discounted, discounts)
    best = gains.sort(-1, descending=True).values

    def at(k: Last) -> PerList:
        ideal = (best * cut(discounts, k)).sum(-1)
        return found(k) / torch.where(ideal > 0, ideal, 1.0), ideal > 0

    return finish(ranking, at)
