"""Hit rate."""

from typing import Unpack

import torch
from torch import Tensor

from .._ranks import of_first
from .._reduce import weighted
from ._options import CutEmptyOptions, metric
from ._ranking import Last, PerList, finish, prepare, ranks_of, relevance, within


@metric
def hit_rate(
    scores: Tensor, labels: Tensor, *, threshold: float = 0.0, **options: Unpack[CutEmptyOptions]
) -> Tensor:
    r"""Whether a relevant document is among the first k: 0 or 1; higher is better.

        Hit@k = w_i [r_i ≤ k],   i the first relevant document

    Tied scores stand in the order of their index.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); the leading axes broadcast with those of the scores.
        threshold: A document is relevant when its label is above it.
        **options: What all metrics take, see `ltr_losses.metrics`.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
        >>> hit_rate(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels, k=1)
        tensor(0.)

    References:
        Success@k of TREC: N. Craswell, D. Hawking, "Overview of the TREC-2004 web track", 2004.
    """
    ranking = prepare(scores, labels, options)
    relevant, place = relevance(ranking, threshold), ranks_of(ranking)
    worth, has_value = weighted(relevant, ranking.lists), (relevant > 0).any(-1)

    def at(k: Last) -> PerList:
        found = worth * within(ranking, place, torch.ones_like(place), torch.ones_like, k)
        return of_first(found, relevant > 0, place), has_value

    return finish(ranking, at)
