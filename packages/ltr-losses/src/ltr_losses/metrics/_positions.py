"""What a metric makes of positions."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from ltr_losses._check import Lists, Reduction, check_tensor
from ltr_losses._jagged import pad_rows
from ltr_losses._ranks import average_over_ties, put_back, score_order, take
from ltr_losses._reduce import average_lists

Ties = Literal["stable", "average"]
TIES = ("stable", "average")
Empty = Literal["skip"] | float


def check_empty(empty: object) -> None:
    """Raises ValueError unless `empty` is one of the policies."""
    if empty not in ("skip", 0.0, 1.0):
        raise ValueError(f'`empty` must be "skip", 0.0 or 1.0, got {empty!r}')


def ranks_of(lists: Lists, ranks: Tensor | None) -> Tensor:
    """Positions from 1 of the documents, the padding's after all others: (..., list)."""
    n = lists.scores.shape[-1]
    if ranks is not None:
        if lists.places is not None and isinstance(ranks, Tensor):
            ranks = pad_rows(ranks, lists.places)
        check_tensor("ranks", ranks, n)
        return torch.where(lists.mask, ranks.to(lists.scores.dtype), float(n))
    order = score_order(lists.scores.detach(), lists.mask)
    return put_back(_positions(lists), order)


def credits_of(
    lists: Lists, credit: Callable[[Tensor], Tensor], ties: str, ranks: Tensor | None
) -> Tensor:
    """What each document's position is worth: credit(rank), or its mean over the tied positions.

    Args:
        lists: What `prepare` returned.
        credit: Real positions from 1 -> worth, elementwise.
        ties: "stable" or "average".
        ranks: As the metrics take them.
    """
    if ties == "stable" or ranks is not None:
        return credit(ranks_of(lists, ranks))
    scores = lists.scores.detach()
    order = score_order(scores, lists.mask)
    # Padding is a group of its own, below every score.
    keys = torch.where(take(lists.mask, order), take(scores, order), float("nan"))
    return put_back(average_over_ties(credit(_positions(lists)), keys), order)


def in_order(ranks: Tensor, mask: Tensor) -> Tensor:
    """Indices that sort each list by rank, the padding last."""
    return score_order(-ranks.detach(), mask)


def finish(
    values: Tensor, has_value: Tensor, empty: Empty, lists: Lists, reduction: Reduction
) -> Tensor:
    """Applies the policy for lists without a value, and reduces.

    Args:
        values: One per list; broadcasts to the leading axes.
        has_value: bool, likewise: whether the list has something relevant.
        empty: "skip", 0.0 or 1.0.
        lists: What `prepare` returned.
        reduction: "mean", "sum" or "none".
    """
    counts = lists.mask.any(-1)
    if isinstance(empty, str):
        counts = counts & has_value
    else:
        values = torch.where(has_value, values, float(empty))
    return average_lists(values, counts, lists, reduction)


def _positions(lists: Lists) -> Tensor:
    n = lists.scores.shape[-1]
    return torch.arange(1, n + 1, dtype=lists.scores.dtype, device=lists.scores.device)
