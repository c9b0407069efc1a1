"""Precision."""

from typing import Unpack

import torch
from torch import Tensor

from .._reduce import weighted
from ._options import CutTieEmptyOptions, metric
from ._ranking import Last, PerList, credits_of, finish, prepare, relevance


@metric
def precision(
    scores: Tensor, labels: Tensor, *, threshold: float = 0.0, **options: Unpack[CutTieEmptyOptions]
) -> Tensor:
    r"""Share of relevant documents among the first k, in 0..1; higher is better.

        P@k = 1/k Σ over r_i ≤ k of  w_i [y_i relevant]

    A list of fewer than k documents counts as if filled up with irrelevant ones.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); the leading axes broadcast with those of the scores.
        threshold: A document is relevant when its label is above it.
        **options: What all metrics take, see `ltr_losses.metrics`.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
        >>> precision(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels, k=2)
        tensor(0.5000)

    References:
        C. van Rijsbergen, "Information retrieval", 2nd ed., 1979, chapter 7.
    """
    ranking = prepare(scores, labels, options)
    relevant = relevance(ranking, threshold)
    worth, inside = weighted(relevant, ranking.lists), credits_of(ranking, torch.ones_like)
    has_value = (relevant > 0).any(-1)

    def at(k: Last) -> PerList:
        size = ranking.lists.mask.sum(-1).clamp(min=1) if k is None else k
        return (worth * inside(k)).sum(-1) / size, has_value

    return finish(ranking, at)
