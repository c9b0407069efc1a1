"""Recall."""

import torch
from torch import Tensor

from ltr_losses._check import Reduction, check_choice, check_k, prepare
from ltr_losses._ranks import within
from ltr_losses.metrics._binary import relevance, weighted
from ltr_losses.metrics._positions import TIES, Empty, Ties, check_empty, credits_of, finish


def recall(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    k: int | None = None,
    threshold: float = 0.0,
    ties: Ties = "stable",
    empty: Empty = "skip",
    ranks: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Share of the relevant documents that are among the first k, in 0..1; higher is better.

        R@k = Σ over r_i ≤ k of  w_i [y_i relevant] / Σ_i w_i [y_i relevant]

    Args:
        scores: (..., list), higher is better; ±inf allowed. Ties as the argument of that name says.
        labels: (..., list); the leading axes broadcast with those of the scores.
        mask: (..., list), bool, True at a real document.
        k: The last position that counts; None: all.
        threshold: A document is relevant when its label is above it.
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
        >>> recall(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels, k=2)
        tensor(0.5000)

    Source:
        C. van Rijsbergen, "Information retrieval", 2nd ed., 1979, chapter 7.
    """
    check_k(k)
    check_choice("ties", ties, TIES)
    check_empty(empty)
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets, infinite_scores=True)
    worth = weighted(relevance(lists, threshold), lists)
    inside = credits_of(lists, lambda r: within(r, k), ties, ranks)
    total = worth.sum(-1)
    values = (worth * inside).sum(-1) / torch.where(total > 0, total, 1.0)
    return finish(values, total > 0, empty, lists, reduction)
