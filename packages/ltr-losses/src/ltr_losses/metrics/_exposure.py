"""The difference of exposure between groups."""

from torch import Tensor

from ltr_losses._check import Reduction, check_choice, check_k, prepare
from ltr_losses._exposure import group_difference
from ltr_losses._ranks import within
from ltr_losses._reduce import average_lists
from ltr_losses.metrics._positions import TIES, Ties, credits_of


def exposure_gap(
    scores: Tensor,
    group: Tensor,
    *,
    mask: Tensor | None = None,
    k: int | None = None,
    ties: Ties = "stable",
    ranks: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Mean exposure of the other documents less that of a protected group; 0 is parity.

        1/|others| Σ over the others of w_i D(r_i) − 1/|group| Σ over the group of w_i D(r_i),
        D(r) = 1 / log2(1 + r) for r ≤ k

    Positive where the group is exposed less.

    Args:
        scores: (..., list), higher is better; ±inf allowed.
        group: (..., list), above 0 at the protected documents.
        mask: (..., list), bool, True at a real document.
        k: The last position that is looked at; None: all.
        ties: "stable": tied documents in the order of their index; "average": the expectation over
            all their orders.
        ranks: (..., list), positions from 1 to take instead of those of the scores.
        weights: (..., list) or (..., 1), not negative; as in the formula.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists with documents of both kinds, "sum", both over the batch
            axis alone, or "none", one value per list, NaN where there is but one kind.

    Returns:
        The leading axes less the batch, or with it for "none".

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown name or a bad `k`.

    Examples:
        >>> import torch
        >>> exposure_gap(torch.tensor([[2.0, 1.0]]), torch.tensor([[0.0, 1.0]]))  # 1 − 1 / log2(3)
        tensor(0.3691)

    Source:
        A. Singh, T. Joachims, "Fairness of exposure in rankings", KDD 2018.
    """
    check_k(k)
    check_choice("ties", ties, TIES)
    lists = prepare(scores, group, mask, weights, reduction, offsets=offsets, infinite_scores=True)

    def discount(r: Tensor) -> Tensor:
        return within(r, k) / (1.0 + r).log2()

    exposure = credits_of(lists, discount, ties, ranks)
    if lists.weights is not None:
        exposure = exposure * lists.weights
    gap, both = group_difference(exposure, lists.labels > 0, lists.mask)
    return average_lists(gap, both, lists, reduction)
