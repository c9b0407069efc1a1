"""Average precision."""

from typing import Unpack

import torch
from torch import Tensor

from .._ranks import put_back, take
from .._reduce import weighted
from ._options import CutEmptyOptions, metric
from ._ranking import Last, PerList, finish, in_order, prepare, ranks_of, relevance, within


@metric
def average_precision(
    scores: Tensor, labels: Tensor, *, threshold: float = 0.0, **options: Unpack[CutEmptyOptions]
) -> Tensor:
    r"""Average precision, in 0..1; higher is better.

        AP@k = 1 / Σ_i w_i [y_i relevant] · Σ over relevant i with r_i ≤ k of  w_i c(r_i) / r_i

    with c(r) the number of relevant documents among the first r. The denominator counts all
    relevant documents, those below k too. Tied scores stand in the order of their index.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); the leading axes broadcast with those of the scores.
        threshold: A document is relevant when its label is above it.
        **options: What all metrics take, see `ltr_losses.metrics`.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
        >>> average_precision(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels)
        tensor(0.5000)

    References:
        C. Buckley, E. Voorhees, "Evaluating evaluation measure stability", SIGIR 2000; `map_cut` of
        trec_eval.
    """
    ranking = prepare(scores, labels, options)
    relevant, place = relevance(ranking, threshold), ranks_of(ranking)
    order = in_order(place, ranking.lists.mask)
    found = put_back(take(relevant, order).cumsum(-1), order)
    worth = weighted(relevant, ranking.lists)
    total = worth.sum(-1)
    size = torch.where(total > 0, total, 1.0)

    def at(k: Last) -> PerList:
        precision = within(ranking, place, found / place, torch.reciprocal, k)
        return (worth * precision).sum(-1) / size, total > 0

    return finish(ranking, at)
