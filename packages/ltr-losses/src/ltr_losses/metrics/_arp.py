"""Average relevance position."""

import torch
from torch import Tensor

from ltr_losses._check import Reduction, check_choice, prepare
from ltr_losses.metrics._binary import weighted
from ltr_losses.metrics._positions import TIES, Empty, Ties, check_empty, credits_of, finish


def arp(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    ties: Ties = "stable",
    empty: Empty = "skip",
    ranks: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Average position of the relevant documents, 1 or more; lower is better.

        ARP = Σ_i w_i y_i r_i / Σ_i w_i y_i,   y at least 0

    Args:
        scores: (..., list), higher is better; ±inf allowed. Ties as the argument of that name says.
        labels: (..., list); the leading axes broadcast with those of the scores.
        mask: (..., list), bool, True at a real document.
        ties: "stable": tied documents in the order of their index; "average": the expectation over
            all their orders.
        empty: The worth of a list with no relevant document: "skip", 0.0 or 1.0.
        ranks: (..., list), positions from 1 to take instead of those of the scores.
        weights: (..., list) or (..., 1), not negative; as in the formula; one weight per
            list cancels.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists that count, "sum", both over the batch axis alone, or
            "none", one value per list.

    Returns:
        The leading axes less the batch, or with it for "none".

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown name or a bad number.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
        >>> arp(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels)
        tensor(3.)

    Source:
        X. Wang et al., "The LambdaLoss framework for ranking metric optimization", CIKM 2018,
        section 4.
    """
    check_choice("ties", ties, TIES)
    check_empty(empty)
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets, infinite_scores=True)
    worth = weighted(lists.labels.clamp(min=0.0), lists)
    total = worth.sum(-1)
    # Divided first: large labels times positions stay finite.
    share = worth / torch.where(total > 0, total, 1.0).unsqueeze(-1)
    values = (share * credits_of(lists, lambda r: r, ties, ranks)).sum(-1)
    return finish(values, total > 0, empty, lists, reduction)
