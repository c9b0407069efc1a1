"""Hit rate."""

from typing import Unpack

from torch import Tensor

from .._ranks import of_first, within
from .._reduce import weighted
from ._options import EmptyOptions, metric
from ._ranking import finish, prepare, ranks_of, relevance


@metric
def hit_rate(
    scores: Tensor,
    labels: Tensor,
    *,
    k: int | None = None,
    threshold: float = 0.0,
    **options: Unpack[EmptyOptions],
) -> Tensor:
    r"""Whether a relevant document is among the first k: 0 or 1; higher is better.

        Hit@k = w_i [r_i ≤ k],   i the first relevant document

    Tied scores stand in the order of their index.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); the leading axes broadcast with those of the scores.
        k: The last position that counts; None: all.
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
    ranking = prepare(scores, labels, options, k)
    relevant, place = relevance(ranking, threshold), ranks_of(ranking)
    found = weighted(relevant * within(place, k), ranking.lists)
    values = of_first(found, relevant > 0, place)
    return finish(values, (relevant > 0).any(-1), ranking)
