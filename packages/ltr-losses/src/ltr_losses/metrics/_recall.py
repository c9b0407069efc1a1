"""Recall."""

from typing import Unpack

import torch
from torch import Tensor

from .._reduce import weighted
from ._options import CutTieEmptyOptions, metric
from ._ranking import credits_of, finish, prepare, relevance


@metric
def recall(
    scores: Tensor, labels: Tensor, *, threshold: float = 0.0, **options: Unpack[CutTieEmptyOptions]
) -> Tensor:
    r"""Share of the relevant documents that are among the first k, in 0..1; higher is better.

        R@k = Σ over r_i ≤ k of  w_i [y_i relevant] / Σ_i w_i [y_i relevant]

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); the leading axes broadcast with those of the scores.
        threshold: A document is relevant when its label is above it.
        **options: What all metrics take, see `ltr_losses.metrics`.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
        >>> recall(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels, k=2)
        tensor(0.5000)

    References:
        C. van Rijsbergen, "Information retrieval", 2nd ed., 1979, chapter 7.
    """
    ranking = prepare(scores, labels, options)
    worth = weighted(relevance(ranking, threshold), ranking.lists)
    total = worth.sum(-1)
    inside, size = credits_of(ranking, torch.ones_like), torch.where(total > 0, total, 1.0)
    return finish(ranking, lambda k: ((worth * inside(k)).sum(-1) / size, total > 0))
