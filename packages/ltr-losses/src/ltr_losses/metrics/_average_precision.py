"""Average precision."""

import torch
from torch import Tensor

from ltr_losses._check import Reduction, check_k, prepare
from ltr_losses._ranks import put_back, take, within
from ltr_losses.metrics._binary import relevance, weighted
from ltr_losses.metrics._positions import Empty, check_empty, finish, in_order, ranks_of


def average_precision(
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
    r"""Average precision, in 0..1; higher is better.

        AP@k = 1 / Σ_i w_i [y_i relevant] · Σ over relevant i with r_i ≤ k of  w_i c(r_i) / r_i

    with c(r) the number of relevant documents among the first r. All relevant documents stand in
    the denominator, those below k too.

    Args:
        scores: (..., list), higher is better; ±inf allowed. Tied scores stand in the order of their
            index.
        labels: (..., list); the leading axes broadcast with those of the scores.
        mask: (..., list), bool, True at a real document.
        k: The last position that counts; None: all.
        threshold: A document is relevant when its label is above it.
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
        >>> average_precision(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels)
        tensor(0.5000)

    Source:
        C. Buckley, E. Voorhees, "Evaluating evaluation measure stability", SIGIR 2000; `map_cut` of
        trec_eval.
    """
    check_k(k)
    check_empty(empty)
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets, infinite_scores=True)
    relevant = relevance(lists, threshold)
    place = ranks_of(lists, ranks)
    order = in_order(place, lists.mask)
    found = put_back(take(relevant, order).cumsum(-1), order)
    worth = weighted(relevant, lists)
    total = worth.sum(-1)
    values = (worth * within(place, k) * found / place).sum(-1)
    values = values / torch.where(total > 0, total, 1.0)
    return finish(values, total > 0, empty, lists, reduction)
