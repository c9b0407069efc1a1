"""Rank-biased precision."""

from typing import Unpack

from torch import Tensor

from .._reduce import weighted
from ._options import CutTieEmptyOptions, metric
from ._ranking import credits_of, finish, prepare, relevance


@metric
def rbp(
    scores: Tensor,
    labels: Tensor,
    *,
    p: float = 0.8,
    threshold: float = 0.0,
    **options: Unpack[CutTieEmptyOptions],
) -> Tensor:
    r"""Rank-biased precision, in 0..1; higher is better.

        RBP@k = (1 − p) Σ over r_i ≤ k of  w_i [y_i relevant] p^(r_i − 1)

    A user goes on to the next document with probability p.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); the leading axes broadcast with those of the scores.
        p: The persistence, in 0..1, both excluded.
        threshold: A document is relevant when its label is above it.
        **options: What all metrics take, see `ltr_losses.metrics`.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
        >>> rbp(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels, p=0.5)
        tensor(0.3125)

    References:
        A. Moffat, J. Zobel, "Rank-biased precision for measurement of retrieval effectiveness", ACM
        TOIS 27, 2008.
    """
    if not 0.0 < p < 1.0:
        raise ValueError(f"`p` must be above 0 and below 1, got {p}")
    ranking = prepare(scores, labels, options)
    relevant = relevance(ranking, threshold)
    worth, has_value = weighted(relevant, ranking.lists), (relevant > 0).any(-1)
    seen = credits_of(ranking, lambda r: p ** (r - 1.0))
    return finish(ranking, lambda k: ((1.0 - p) * (worth * seen(k)).sum(-1), has_value))
