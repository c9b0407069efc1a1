"""Reciprocal rank."""

from typing import Unpack

import torch
from torch import Tensor

from .._ranks import of_first
from .._reduce import weighted
from ._options import CutEmptyOptions, metric
from ._ranking import Last, PerList, finish, prepare, ranks_of, relevance, within


@metric
def mrr(
    scores: Tensor, labels: Tensor, *, threshold: float = 0.0, **options: Unpack[CutEmptyOptions]
) -> Tensor:
    r"""Reciprocal rank of the first relevant document, in 0..1; higher is better.

        RR@k = w_i / r_i where r_i ≤ k, else 0,   i the first relevant document

    Tied scores stand in the order of their index.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); the leading axes broadcast with those of the scores.
        threshold: A document is relevant when its label is above it.
        **options: What all metrics take, see `ltr_losses.metrics`.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
        >>> mrr(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels)
        tensor(0.5000)

    References:
        E. Voorhees, "The TREC-8 question answering track report", TREC 1999.
    """
    ranking = prepare(scores, labels, options)
    relevant, place = relevance(ranking, threshold), ranks_of(ranking)
    worth, has_value = weighted(relevant, ranking.lists), (relevant > 0).any(-1)

    def at(k: Last) -> PerList:
        found = worth * within(ranking, place, 1.0 / place, torch.reciprocal, k)
        return of_first(found, relevant > 0, place), has_value

    return finish(ranking, at)
