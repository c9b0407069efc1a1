"""The ranking that a metric judges: arguments checked and prepared, positions, the last step."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from .._check import Lists, Reduction, check_choice, check_function, check_k, check_tensor
from .._check import prepare as prepare_lists
from .._cutoffs import Cutoff, rank_cutoff, within_first
from .._jagged import pad_rows
from .._ranks import average_over_ties, put_back, score_order, tie_keys
from .._reduce import average_lists
from ._options import DEFAULTS, Empty, Ties

_TIES = get_args(Ties)

Last = int | None
"""The last position that counts; None: all do."""

PerList = tuple[Tensor, Tensor]
"""The value of each list, and whether it has one; both broadcast to the leading axes."""

Credit = Callable[[Tensor], Tensor]
"""From real positions from 1 to what they are worth, elementwise."""


class Ranking(NamedTuple):
    """The lists, and the options that are needed later on."""

    lists: Lists
    ranks: Tensor | None
    """(..., list), padded and in the dtype of the scores."""
    ties: Ties
    empty: Empty
    reduction: Reduction
    k: int | tuple[int, ...] | None
    cutoff: Cutoff | None


def _checked(k: Any) -> int | tuple[int, ...] | None:
    """Return the last positions that count as one int, or several in a tuple, or None."""
    if not isinstance(k, (tuple, list, range)):
        return check_k(k)
    several = tuple(each for each in map(check_k, k) if each is not None)
    if len(several) < max(1, len(k)):
        raise ValueError(f"`k` must be one or more positive ints, got {k!r}")
    return several


def prepare(scores: Tensor, labels: Tensor, options: Mapping[str, Any]) -> Ranking:
    """Check what all metrics take, and bring it into one form.

    `options` are those that were given, see `MetricOptions`. Raise TypeError for a wrong type or
    dtype, ValueError for shapes that do not match, an unknown name or a number out of range.
    """
    given = {**DEFAULTS, **options}
    ranks, ties, empty, reduction = (given[x] for x in ("ranks", "ties", "empty", "reduction"))
    k, cutoff = _checked(given["k"]), given["cutoff"]
    if cutoff is not None:
        check_function("cutoff", cutoff, "function from k to a tensor")
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
    return Ranking(lists, ranks, ties, empty, reduction, k, cutoff)


def ranks_of(ranking: Ranking) -> Tensor:
    """Return the positions of the documents, from 1, the padding after all others: (..., list)."""
    if ranking.ranks is not None:
        return ranking.ranks
    lists = ranking.lists
    return put_back(positions(lists), score_order(lists.scores.detach(), lists.mask))


def within(ranking: Ranking, place: Tensor, worth: Tensor, at_k: Credit, k: Last) -> Tensor:
    """Return what the documents at their places are worth within the first k, 0 below: (..., list).

    `at_k` is what a place is worth at most: `within_first` says where that is needed.
    """
    if k is None:
        return worth
    cutoff = rank_cutoff(place) if ranking.cutoff is None else ranking.cutoff
    return within_first(cutoff, k, worth, at_k(worth.new_full((1,), k)))


def credits_of(ranking: Ranking, credit: Credit) -> Callable[[Last], Tensor]:
    """Return the function from k to what the documents are worth by their positions: (..., list).

    That is credit(rank) within the first k and 0 below, or its mean over the positions of tied
    documents.
    """
    if ranking.ties == "stable" or ranking.ranks is not None:
        place = ranks_of(ranking)
        worth = credit(place)
        return lambda k: within(ranking, place, worth, credit, k)
    lists = ranking.lists
    scores = lists.scores.detach()
    order = score_order(scores, lists.mask)
    keys = tie_keys(scores, lists.mask, order)
    place = positions(lists)
    worth = credit(place)

    def averaged(k: Last) -> Tensor:
        return put_back(average_over_ties(within(ranking, place, worth, credit, k), keys), order)

    return averaged


def in_order(ranks: Tensor, mask: Tensor) -> Tensor:
    """Return the indices that sort each list by rank, the padding last."""
    return score_order(-ranks.detach(), mask)


def relevance(ranking: Ranking, threshold: float) -> Tensor:
    """Return 1 at documents with a label above the threshold, 0 at all others and the padding."""
    lists = ranking.lists
    return ((lists.labels > threshold) & lists.mask).to(lists.scores.dtype)


def finish(ranking: Ranking, at: Callable[[Last], PerList]) -> Tensor:
    """Apply the policy for lists without a value, and reduce; several k on a leading axis."""
    if isinstance(ranking.k, tuple):
        return torch.stack([_reduced(ranking, *at(k)) for k in ranking.k])
    return _reduced(ranking, *at(ranking.k))


def _reduced(ranking: Ranking, values: Tensor, has_value: Tensor) -> Tensor:
    counts = ranking.lists.mask.any(-1)
    if isinstance(ranking.empty, str):
        counts = counts & has_value
    else:
        values = torch.where(has_value, values, float(ranking.empty))
    return average_lists(values, counts, ranking.lists, ranking.reduction)


def positions(lists: Lists) -> Tensor:
    """Return the positions 1, 2, ... of a list: (list,)."""
    n = lists.scores.shape[-1]
    return torch.arange(1, n + 1, dtype=lists.scores.dtype, device=lists.scores.device)
