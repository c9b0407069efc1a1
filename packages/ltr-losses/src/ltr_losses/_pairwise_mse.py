"""Pairwise mean squared error."""

from torch import Tensor

from ._check import Reduction, prepare
from ._reduce import reduce_lists, weighted


def pairwise_mse_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Mean squared error of the differences: like `mse_loss`, but a shift of a list is free.

        ℓ(s, y) = 1/(n (n − 1)) Σ over i ≠ j of  w_i ((s_i − s_j) − (y_i − y_j))²

    over all pairs, those of equal labels included. It costs O(list): with a = s − y, ā its mean and
    v its variance in the list, the sum over j is n ((a_i − ā)² + v). It may be differentiated
    twice.

    Args:
        scores: (..., list), in the unit of the labels.
        labels: (..., list); the leading axes broadcast with those of the scores.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; w_i as above.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists of two documents or more, "sum", both over the batch axis
            alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, or an unknown reduction.

    Examples:
        >>> import torch
        >>> pairwise_mse_loss(torch.tensor([[3.0, 2.0]]), torch.tensor([[3.0, 0.0]]))
        tensor(4.)

    References:
        The loss of that name in R. Jagerman et al., "Rax: composable learning-to-rank using JAX",
        KDD 2022.
    """
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets)
    n = lists.mask.sum(-1, keepdim=True)
    size = n.clamp(min=1)
    error = lists.scores - lists.labels
    centred = (error - error.sum(-1, keepdim=True) / size) * lists.mask
    squares = centred.square()
    terms = (squares + squares.sum(-1, keepdim=True) / size) * lists.mask
    terms = weighted(terms, lists)
    value = terms.sum(-1) / (n.squeeze(-1) - 1).clamp(min=1)
    return reduce_lists(value, n.squeeze(-1) >= 2, lists, reduction)
