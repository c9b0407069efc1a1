"""Rank-biased precision."""

from torch import Tensor

from ltr_losses._check import Reduction, check_choice, check_k, prepare
from ltr_losses._ranks import within
from ltr_losses.metrics._binary import relevance, weighted
from ltr_losses.metrics._positions import TIES, Empty, Ties, check_empty, credits_of, finish


def rbp(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    p: float = 0.8,
    k: int | None = None,
    threshold: float = 0.0,
    ties: Ties = "stable",
    empty: Empty = "skip",
    ranks: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Rank-biased precision, in 0..1; higher is better.

        RBP@k = (1 − p) Σ over r_i ≤ k of  w_i [y_i relevant] p^(r_i − 1)

    A user goes on to the next document with probability p.

    Args:
        scores: (..., list), higher is better; ±inf allowed. Ties as the argument of that name says.
        labels: (..., list); the leading axes broadcast with those of the scores.
        mask: (..., list), bool, True at a real document.
        p: The persistence, in 0..1, both excluded.
        k: The last position that counts; None: all.
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
        >>> rbp(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels, p=0.5)
        tensor(0.3125)

    Source:
        A. Moffat, J. Zobel, "Rank-biased precision for measurement of retrieval effectiveness", ACM
        TOIS 27, 2008.
    """
    check_k(k)
    if not 0.0 < p < 1.0:
        raise ValueError(f"`p` must be above 0 and below 1, got {p}")
    check_choice("ties", ties, TIES)
    check_empty(empty)
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets, infinite_scores=True)
    relevant = relevance(lists, threshold)
    seen = credits_of(lists, lambda r: within(r, k) * p ** (r - 1.0), ties, ranks)
    values = (1.0 - p) * (weighted(relevant, lists) * seen).sum(-1)
    return finish(values, (relevant > 0).any(-1), empty, lists, reduction)
