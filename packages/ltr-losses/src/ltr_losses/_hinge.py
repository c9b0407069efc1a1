"""The pairwise hinge loss."""

from functools import partial

from torch import Tensor

from ._check import Reduction, check_positive, prepare
from ._pairs import mean_over_pairs


def _term(gap: Tensor, difference: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Return a pair's loss and its derivative with respect to the gap of the scores."""
    short = margin - gap
    return short.clamp(min=0.0), -(short > 0).to(gap.dtype)


def pairwise_hinge_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    margin: float = 1.0,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Pairwise hinge loss: each ordered pair should be a margin apart.

        ℓ(s, y) = 1/|P| Σ over P of  w_i max(0, margin − (s_i − s_j))

    with P the pairs y_i > y_j of the list. Pairs that are apart by the margin have no gradient, all
    others the same. Its second derivative is 0 wherever there is one; asking for it raises
    RuntimeError. Memory is O(batch · list).

    Args:
        scores: (..., list), higher is better.
        labels: (..., list), only their order counts; the leading axes broadcast with those of the
            scores.
        margin: The distance from which a pair costs nothing.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a pair has the weight of its document with
            the larger label.
        reduction: "mean" over the lists of unequal labels, "sum", both over the batch axis alone,
            or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, an unknown reduction, or a bad `margin`.

    Examples:
        >>> import torch
        >>> pairwise_hinge_loss(torch.tensor([[0.2, 0.0]]), torch.tensor([[1.0, 0.0]]))
        tensor(0.8000)

    References:
        R. Herbrich, T. Graepel, K. Obermayer, "Large margin rank boundaries for ordinal
        regression", Advances in Large Margin Classifiers, 2000; T. Joachims, KDD 2002 (SVM-rank).
    """
    check_positive("margin", margin, zero=True)
    lists = prepare(scores, labels, mask, weights, reduction)
    return mean_over_pairs(lists, partial(_term, margin=margin), reduction)
