"""Precision."""

from torch import Tensor

from ltr_losses._check import Reduction, check_choice, check_k, prepare
from ltr_losses._ranks import within
from ltr_losses.metrics._binary import relevance, weighted
from ltr_losses.metrics._positions import TIES, Empty, Ties, check_empty, credits_of, finish


def precision(
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
    r"""Share of relevant documents among the first k, in 0..1; higher is better.

        P@k = 1/k Σ over r_i ≤ k of  w_i [y_i relevant]

    A list of fewer than k documents is judged as if filled up with irrelevant ones; without k the
    length of the list takes its place.

    Args:
        scores: (..., list), higher is better; ±inf allowed. Ties as the argument of that name says.
        labels: (..., list); the leading axes broadcast with those of the scores.
        mask: (..., list), bool, True at a real document.
        k: The last position that counts; None: the length of the list.
        threshold: A document is relevant when its label is above it.
        ties: "stable": tied documents in the order of their index; "average": the expectation over
            all their orders.
        empty: The worth of a list with no relevant document: "skip", 0.0 or 1.0.
        ranks: (..., list), positions from 1 to take instead of those of the scores.
        weights: (..., list) or (..., 1), not negative; as in the formula.
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
        >>> precision(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels, k=2)
        tensor(0.5000)

    Source:
        C. van Rijsbergen, "Information retrieval", 2nd ed., 1979, chapter 7.
    """
    check_k(k)
    check_choice("ties", ties, TIES)
    check_empty(empty)
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets, infinite_scores=True)
    relevant = relevance(lists, threshold)
    inside = credits_of(lists, lambda r: within(r, k), ties, ranks)
    size = lists.mask.sum(-1).clamp(min=1) if k is None else k
    values = (weighted(relevant, lists) * inside).sum(-1) / size
    return finish(values, (relevant > 0).any(-1), empty, lists, reduction)
