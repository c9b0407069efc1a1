"""Expected reciprocal rank."""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from ltr_losses._check import Reduction, check_k, check_positive, prepare
from ltr_losses._ranks import put_back, take, within
from ltr_losses.metrics._binary import weighted
from ltr_losses.metrics._positions import Empty, check_empty, finish, in_order, ranks_of


def err(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    max_label: float = 4.0,
    k: int | None = None,
    empty: Empty = "skip",
    ranks: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Expected reciprocal rank under the cascade model, in 0..1; higher is better.

        ERR@k = Σ over r_i ≤ k of  w_i R_i / r_i Π over r_j < r_i of (1 − R_j)
        R = (2^y − 1) / 2^m

    A user reads from the top and stops at document i with probability R_i.

    Args:
        scores: (..., list), higher is better; ±inf allowed. Tied scores stand in the order of their
            index.
        labels: (..., list); the leading axes broadcast with those of the scores.
        mask: (..., list), bool, True at a real document.
        max_label: m, the largest label of the scale; larger labels count as m.
        k: The last position that counts; None: all.
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
        >>> err(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels, max_label=1.0)
        tensor(0.3125)

    Source:
        O. Chapelle, D. Metzler, Y. Zhang, P. Grinspan, "Expected reciprocal rank for graded
        relevance", CIKM 2009.
    """
    check_k(k)
    check_positive("max_label", max_label)
    check_empty(empty)
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets, infinite_scores=True)
    y = lists.labels.clamp(0.0, max_label)
    # (2^y − 1) / 2^m, without overflow.
    stops = -torch.exp2(y - max_label) * torch.expm1(-y * math.log(2.0)) * lists.mask
    place = ranks_of(lists, ranks)
    order = in_order(place, lists.mask)
    reads = (1.0 - take(stops, order)).cumprod(-1)
    reads = put_back(pad(reads[..., :-1], (1, 0), value=1.0), order)
    values = (weighted(stops * within(place, k) / place, lists) * reads).sum(-1)
    return finish(values, (stops > 0).any(-1), empty, lists, reduction)
