"""Precision."""

from typing import Unpack

from torch import Tensor

from .._ranks import within
from .._reduce import weighted
from ._options import TieEmptyOptions, metric
from ._ranking import credits_of, finish, prepare, relevance


@metric
def precision(
    scores: Tensor,
    labels: Tensor,
    *,
    k: int | None = None,
    threshold: float = 0.0,
    **options: Unpack[TieEmptyOptions],
) -> Tensor:
    r"""Share of relevant documents among the first k, in 0..1; higher is better.

        P@k = 1/k Σ over r_i ≤ k of  w_i [y_i relevant]

    A list of fewer than k documents counts as if filled up with irrelevant ones.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); the leading axes broadcast with those of the scores.
        k: The last position that counts; None: the length of the list.
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
    ranking = prepare(scores, labels, options, k)
    relevant = relevance(ranking, threshold)
    inside = credits_of(ranking, lambda r: within(r, k))
    size = ranking.lists.mask.sum(-1).clamp(min=1) if k is None else k
    values = (weighted(relevant, ranking.lists) * inside).sum(-1) / size
    return finish(values, (relevant > 0).any(-1), ranking)
