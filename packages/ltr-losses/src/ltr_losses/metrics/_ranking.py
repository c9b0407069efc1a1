"""The ranking that a metric judges: arguments checked and prepared, positions, the last step."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from .._check import Lists, Reduction, check_choice, check_k, check_tensor
from .._check import prepare as prepare_lists
from .._jagged import pad_rows
from .._ranks import average_over_ties, put_back, score_order, tie_keys
from .._reduce import average_lists
from ._options import DEFAULTS, Empty, Ties

_TIES = get_args(Ties)


class Ranking(NamedTuple):
    """The lists, and the options that are needed later on."""

    lists: Lists
    ranks: Tensor | None
    """(..., list), padded and in the dtype of the scores."""
    ties: Ties
    empty: Empty
    reduction: Reduction


def prepare(
    scores: Tensor, labels: Tensor, options: Mapping[str, Any], k: int | None = None
) -> Ranking:
    """Check what all metrics take, and bring it into one form.

    `options` are those that were given, see `MetricOptions`; `k` is the last position that counts.
    Raise TypeError for a wrong type or dtype, ValueError for shapes that do not match, an unknown
    name or a number out of range.
    """
    given = {**DEFAULTS, **options}
    ranks, ties, empty, reduction = (given[x] for x in ("ranks", "ties", "empty", "reduction"))
    check_k(k)
    check_choice("ties", ties, _TIES)
    if empty not in ("skip", 0.0, 1.0):
        raise ValueError(f'`empty` must be "skip", 0.0 or 1.0, got {empty!r}')
    lists = prepare_lists(
        scores,
        labels,
        given["mask"],
        given["weights"],
        reduction,
        offsets=given["offsets"],
        infinite_scores=True,
    )
    if ranks is not None:
        if lists.places is not None and isinstance(ranks, Tensor):
            ranks = pad_rows(ranks, lists.places)
        n = lists.scores.shape[-1]
        check_tensor("ranks", ranks, n)
        ranks = torch.where(lists.mask, ranks.to(lists.scores.dtype), float(n))
    return Ranking(lists, ranks, ties, empty, reduction)


def ranks_of(ranking: Ranking) -> Tensor:
    """Return the positions of the documents, from 1, the padding after all others: (..., list)."""
    if ranking.ranks is not None:
        return ranking.ranks
    lists = ranking.lists
    return put_back(_positions(lists), score_order(lists.scores.detach(), lists.mask))


def credits_of(ranking: Ranking, credit: Callable[[Tensor], Tensor]) -> Tensor:
    """Return credit(rank) of each document, or its mean over the positions of tied documents.

    `credit` maps real positions from 1 to what they are worth, elementwise.
    """
    if ranking.ties == "stable" or ranking.ranks is not None:
        return credit(ranks_of(ranking))
    lists = ranking.lists
    scores = lists.scores.detach()
    order = score_order(scores, lists.mask)
    keys = tie_keys(scores, lists.mask, order)
    return put_back(average_over_ties(credit(_positions(lists)), keys), order)


def in_order(ranks: Tensor, mask: Tensor) -> Tensor:
    """Return the indices that sort each list by rank, the padding last."""
    return score_order(-ranks.detach(), mask)


def relevance(ranking: Ranking, threshold: float) -> Tensor:
    """Return 1 at documents with a label above the threshold, 0 at all others and the padding."""
    lists = ranking.lists
    return ((lists.labels > threshold) & lists.mask).to(lists.scores.dtype)


def finish(values: Tensor, has_value: Tensor, ranking: Ranking) -> Tensor:
    """Apply the policy for lists without a value, and reduce.

    `values` and `has_value` have one entry per list and broadcast to the leading axes.
    """
    counts = ranking.lists.mask.any(-1)
    if isinstance(ranking.empty, str):
        counts = counts & has_value
    else:
        values = torch.where(has_value, values, float(ranking.empty))
    return average_lists(values, counts, ranking.lists, ranking.reduction)


def _positions(lists: Lists) -> Tensor:
    n = lists.scores.shape[-1]
    return torch.arange(1, n + 1, dtype=lists.scores.dtype, device=lists.scores.device)
