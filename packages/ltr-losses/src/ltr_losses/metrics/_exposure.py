"""The difference of exposure between groups."""

from typing import Unpack

from torch import Tensor

from .._exposure import group_difference
from .._reduce import weighted
from ._options import CutTieOptions, metric
from ._ranking import credits_of, finish, prepare


@metric
def exposure_gap(scores: Tensor, group: Tensor, **options: Unpack[CutTieOptions]) -> Tensor:
    r"""Mean exposure of the other documents less that of a protected group; 0 is parity.

        1/|others| Σ over the others of w_i D(r_i) − 1/|group| Σ over the group of w_i D(r_i),
        D(r) = 1 / log2(1 + r) for r ≤ k

    Positive where the group is exposed less. A list has a value if it has documents of both kinds.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        group: (..., list), above 0 at the protected documents.
        **options: What all metrics take, see `ltr_losses.metrics`.

    Examples:
        >>> import torch
        >>> exposure_gap(torch.tensor([[2.0, 1.0]]), torch.tensor([[0.0, 1.0]]))  # 1 − 1 / log2(3)
        tensor(0.3691)

    References:
        A. Singh, T. Joachims, "Fairness of exposure in rankings", KDD 2018.
    """
    ranking = prepare(scores, group, options)
    lists = ranking.lists
    exposure = credits_of(ranking, lambda r: 1.0 / (1.0 + r).log2())
    return finish(
        ranking,
        lambda k: group_difference(weighted(exposure(k), lists), lists.labels > 0, lists.mask),
    )
