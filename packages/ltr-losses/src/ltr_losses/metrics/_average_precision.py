"""Average precision."""

from typing import Unpack

import torch
from torch import Tensor

from .._ranks import put_back, take, within
from .._reduce import weighted
from ._options import EmptyOptions, metric
from ._ranking import finish, in_order, prepare, ranks_of, relevance


@metric
def average_precision(
    scores: Tensor,
    labels: Tensor,
    *,
    k: int | None = None,
    threshold: float = 0.0,
    **options: Unpack[EmptyOptions],
) -> Tensor:
    r"""Average precision, in 0..1; higher is better.

        AP@k = 1 / Σ_i w_i [y_i relevant] · Σ over relevant i with r_i ≤ k of  w_i c(r_i) / r_i

    with c(r) the number of relevant documents among the first r. The denominator counts all
    relevant documents, those below k too. Tied scores stand in the order of their index.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); the leading axes broadcast with those of the scores.
        k: The last position that counts; None: all.
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
    ranking = prepare(scores, labels, options, k)
    relevant, place = relevance(ranking, threshold), ranks_of(ranking)
    order = in_order(place, ranking.lists.mask)
    found = put_back(take(relevant, order).cumsum(-1), order)
    worth = weighted(relevant, ranking.lists)
    total = worth.sum(-1)
    values = (worth * within(place, k) * found / place).sum(-1)
    return finish(values / torch.where(total > 0, total, 1.0), total > 0, ranking)
