"""Reciprocal rank."""

from torch import Tensor

from ltr_losses._check import Reduction, check_k, prepare
from ltr_losses._ranks import within
from ltr_losses.metrics._binary import of_first, relevance
from ltr_losses.metrics._positions import Empty, check_empty, finish, ranks_of


def mrr(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    k: int | None = None,
    threshold: float = 0.0,
    empty: Empty = "skip",
    ranks: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Reciprocal rank of the first relevant document, in 0..1; higher is better.

        RR@k = 1 / r of the first relevant document, 0 where it stands below k

    Args:
        scores: (..., list), higher is better; ±inf allowed. Tied scores stand in the order of their
            index.
        labels: (..., list); the leading axes broadcast with those of the scores.
        mask: (..., list), bool, True at a real document.
        k: The last position that counts; None: all.
        threshold: A document is relevant when its label is above it.
        empty: The worth of a list with no relevant document: "skip", 0.0 or 1.0.
        ranks: (..., list), positions from 1 to take instead of those of the scores.
        weights: (..., list) or (..., 1), not negative; that of the first relevant
            document multiplies.
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
        >>> mrr(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels)
        tensor(0.5000)

    Source:
        E. Voorhees, "The TREC-8 question answering track report", TREC 1999.
    """
    check_k(k)
    check_empty(empty)
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets, infinite_scores=True)
    relevant = relevance(lists, threshold)
    place = ranks_of(lists, ranks)
    values = of_first(relevant * within(place, k) / place, relevant, place, lists)
    return finish(values, (relevant > 0).any(-1), empty, lists, reduction)
