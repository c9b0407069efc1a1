"""Discounted cumulative gain, plain and normalised."""

import torch
from torch import Tensor

from ltr_losses._check import Lists, Reduction, check_choice, check_k, prepare
from ltr_losses._gains import (
    GAINS,
    Discount,
    Gain,
    OwnFunction,
    cut,
    ideal_dcg,
    largest_label,
    log2_discount,
    own_values,
    shifted_gain,
)
from ltr_losses._ranks import average_over_ties, score_order, take, within
from ltr_losses._reduce import average_lists
from ltr_losses.metrics._positions import TIES, Empty, Ties, check_empty, finish, ranks_of


def _check_names(
    k: int | None, gain: Gain | OwnFunction, discount: Discount | OwnFunction, ties: str
) -> None:
    check_k(k)
    if not callable(gain):
        check_choice("gain", gain, GAINS)
    if not callable(discount):
        check_choice("discount", discount, ("log2",))
    check_choice("ties", ties, TIES)


def _weighted_gains(lists: Lists, gain: Gain | OwnFunction) -> Tensor:
    if callable(gain):
        gains = torch.where(lists.mask, own_values("gain", gain, lists.labels), 0.0)
    else:
        gains = shifted_gain(lists.labels, lists.mask, gain)
    return gains if lists.weights is None else gains * lists.weights


def _discounts(discount: Discount | OwnFunction, gains: Tensor, k: int | None) -> Tensor:
    """What the positions 1, 2, ... are worth: (list,)."""
    n = gains.shape[-1]
    if callable(discount):
        places = torch.arange(1, n + 1, dtype=gains.dtype, device=gains.device)
        return cut(own_values("discount", discount, places), k)
    return cut(log2_discount(n, gains), k)


def _dcg(
    lists: Lists,
    gains: Tensor,
    k: int | None,
    discount_of: Discount | OwnFunction,
    ties: str,
    ranks: Tensor | None,
) -> Tensor:
    if ranks is not None:
        place = ranks_of(lists, ranks)
        if callable(discount_of):
            return (gains * within(place, k) * own_values("discount", discount_of, place)).sum(-1)
        return (gains * within(place, k) / torch.log2(1.0 + place)).sum(-1)
    # Summed from the top down, as the ideal is: the best order is worth exactly 1.
    discount = _discounts(discount_of, gains, k)
    scores = lists.scores.detach()
    order = score_order(scores, lists.mask)
    found = take(gains, order)
    if ties == "average":
        real = take(lists.mask, order)
        # Padding is a group of its own, below every score.
        keys = torch.where(real, take(scores, order), float("nan"))
        found = average_over_ties(found, keys)
    return (found * discount).sum(-1)


def dcg(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    k: int | None = None,
    gain: Gain | OwnFunction = "exp2",
    discount: Discount | OwnFunction = "log2",
    ties: Ties = "stable",
    ranks: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Discounted cumulative gain at k; higher is better.

        DCG@k = Σ over positions r ≤ k of  w_r g(y_r) / log2(1 + r)

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); negative labels have gain 0.
        mask: (..., list), bool, True at a real document.
        k: The last position that counts; None, or more than the list has: all.
        gain: "exp2", 2^y − 1, "linear", y, or a function from labels to what they are worth, not
            negative, which sees the labels as they are.
        discount: "log2", 1 / log2(1 + r), or a function from positions r = 1, 2, ... (with `ranks`
            those) to what they are worth, which falls: `torch.reciprocal`, say.
        ties: "stable": tied documents in the order of their index; "average": the expectation over
            all their orders.
        ranks: (..., list), positions from 1 to take instead of those of the scores.
        weights: (..., list) or (..., 1), not negative; they multiply the gains.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists that have a document, "sum", both over the batch axis
            alone, or "none", one value per list, NaN where the list has no document.

    Returns:
        The leading axes less the batch, or with it for "none". NaN where a real document's score is
        NaN or its label or weight not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown name, a bad `k`, or a label too large for the
            gain (not checked under torch.compile, where the result is inf).

    Examples:
        >>> import torch
        >>> dcg(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([0.0, 1.0, 0.0]))
        tensor(0.6309)

    Source:
        K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20,
        2002; the exponential gain: C. Burges et al., ICML 2005.
    """
    _check_names(k, gain, discount, ties)
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets, infinite_scores=True)
    values = _dcg(lists, _weighted_gains(lists, gain), k, discount, ties, ranks)
    if gain == "exp2":
        values = values * torch.exp2(largest_label(lists.labels, lists.mask)).squeeze(-1)
        if not torch.compiler.is_compiling() and bool((values.isinf() & lists.sound).any()):
            raise ValueError(
                "`labels` must be small enough for 2^label, got a largest label of "
                f'{lists.labels.max().item():g}; use gain="linear", or transform the labels '
                "(log1p, or a few grades)"
            )
    return average_lists(values, lists.mask.any(-1), lists, reduction)


def ndcg(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    k: int | None = None,
    gain: Gain | OwnFunction = "exp2",
    discount: Discount | OwnFunction = "log2",
    ties: Ties = "stable",
    empty: Empty = "skip",
    ranks: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Normalised discounted cumulative gain at k, in 0..1; higher is better.

        NDCG@k = DCG@k / (DCG@k of the best order)

    Any label is allowed: under "exp2" a label of 30,000 is finite, and then only the labels within
    about 149 (float32) of the list's largest count.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); negative labels have gain 0.
        mask: (..., list), bool, True at a real document.
        k: The last position that counts; None, or more than the list has: all.
        gain: "exp2", 2^y − 1, "linear", y, or a function from labels to what they are worth, not
            negative, which sees the labels as they are.
        discount: "log2", 1 / log2(1 + r), or a function from positions r = 1, 2, ... (with `ranks`
            those) to what they are worth, which falls: `torch.reciprocal`, say.
        ties: "stable": tied documents in the order of their index; "average": the expectation over
            all their orders, so constant scores give the exact expected NDCG of a random order.
        empty: The worth of a list with no relevant document: "skip", 0.0 or 1.0.
        ranks: (..., list), positions from 1 to take instead of those of the scores.
        weights: (..., list) or (..., 1), not negative; they multiply the gains, in the ideal too.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists that count, "sum", both over the batch axis alone, or
            "none", one value per list.

    Returns:
        The leading axes less the batch, or with it for "none".

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown name, or a bad `k` or `empty`.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[0.0, 1.0, 0.0]])
        >>> ndcg(torch.tensor([[3.0, 2.0, 1.0]]), labels)
        tensor(0.6309)
        >>> ndcg(torch.zeros(1, 3), labels, ties="average")  # a random order
        tensor(0.7103)

    Source:
        K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20,
        2002; ties: F. McSherry, M. Najork, "Computing information retrieval performance measures
        efficiently in the presence of tied scores", ECIR 2008.
    """
    _check_names(k, gain, discount, ties)
    check_empty(empty)
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets, infinite_scores=True)
    gains = _weighted_gains(lists, gain)
    ideal = ideal_dcg(gains, _discounts(discount, gains, k)).squeeze(-1)
    values = _dcg(lists, gains, k, discount, ties, ranks) / torch.where(ideal > 0, ideal, 1.0)
    return finish(values, ideal > 0, empty, lists, reduction)
