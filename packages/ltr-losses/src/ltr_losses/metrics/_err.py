"""Expected reciprocal rank."""

import math
from typing import Unpack

import torch
from torch import Tensor
from torch.nn.functional import pad

from .._check import check_positive
from .._ranks import put_back, take
from .._reduce import weighted
from ._options import CutEmptyOptions, metric
from ._ranking import Last, PerList, finish, in_order, prepare, ranks_of, within


@metric
def err(
    scores: Tensor, labels: Tensor, *, max_label: float = 4.0, **options: Unpack[CutEmptyOptions]
) -> Tensor:
    r"""ERR, the expected reciprocal rank in the cascade model, in 0..1; higher is better.

        ERR@k = Σ over r_i ≤ k of  w_i R_i / r_i Π over r_j < r_i of (1 − R_j)
        R = (2^y − 1) / 2^m

    A user reads from the top and stops at document i with probability R_i. Tied scores stand in the
    order of their index.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        labels: (..., list); the leading axes broadcast with those of the scores.
        max_label: m, the largest label of the scale; larger labels count as m.
        **options: What all metrics take, see `ltr_losses.metrics`.

    Examples:
        >>> import torch
        >>> labels = torch.tensor([[0.0, 1.0, 0.0, 1.0]])
        >>> err(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), labels, max_label=1.0)
        tensor(0.3125)

    References:
        O. Chapelle, D. Metzler, Y. Zhang, P. Grinspan, "Expected reciprocal rank for graded
        relevance", CIKM 2009.
    """
    check_positive("max_label", max_label)
    ranking = prepare(scores, labels, options)
    lists, place = ranking.lists, ranks_of(ranking)
    y = lists.labels.clamp(0.0, max_label)
    # (2^y − 1) / 2^m, without overflow.
    stops = -torch.exp2(y - max_label) * torch.expm1(-y * math.log(2.0)) * lists.mask
    order = in_order(place, lists.mask)
    reads = (1.0 - take(stops, order)).cumprod(-1)
    reads = put_back(pad(reads[..., :-1], (1, 0), value=1.0), order)
    worth = weighted(stops, lists)

    def at(k: Last) -> PerList:
        seen = within(ranking, place, reads / place, torch.reciprocal, k)
        return (worth * seen).sum(-1), (stops > 0).any(-1)

    return finish(ranking, at)
