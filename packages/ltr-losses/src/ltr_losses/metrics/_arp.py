"""Average relevance position."""

from typing import Unpack

import torch
from torch import Tensor

from .._reduce import weighted
from ._options import TieEmptyOptions, metric
from ._ranking import credits_of, finish, prepare


@metric
def arp(scores: Tensor, labels: Tensor, **options: Unpack[TieEmptyOptions]) -> Tensor:
    r"""Average position of the relevant documents, 1 or more; lower is better.

        ARP = Σ_i w_i y_i r_i / Σ_i w_i y_i,   y at least 0

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); the leading axes broadcast with those of the scores.
        **options: What all metrics take, see `ltr_losses.metrics`.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
        >>> arp(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels)
        tensor(3.)

    References:
        X. Wang et al., "The LambdaLoss framework for ranking metric optimization", CIKM 2018,
        section 4.
    """
    ranking = prepare(scores, labels, options)
    worth = weighted(ranking.lists.labels.clamp(min=0.0), ranking.lists)
    total = worth.sum(-1)
    # Divided first: large labels times positions stay finite.
    share = worth / torch.where(total > 0, total, 1.0).unsqueeze(-1)
    values = (share * credits_of(ranking, lambda r: r)(None)).sum(-1)
    return finish(ranking, lambda k: (values, total > 0))
