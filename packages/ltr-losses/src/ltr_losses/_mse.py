"""Mean squared error."""

from torch import Tensor

from ._check import Reduction, prepare
from ._reduce import mean_over_documents


def mse_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Mean squared error: scores as predictions of the labels.

        ℓ(s, y) = 1/n Σ_i w_i (s_i − y_i)²

    with n the number of documents of the list. It may be differentiated twice.

    Args:
        scores: (..., list), in the unit of the labels.
        labels: (..., list), any real numbers; the leading axes broadcast with those of the scores.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a document's weight multiplies its term.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists that have a document, "sum", both over the batch axis
            alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, or an unknown reduction.

    Examples:
        >>> import torch
        >>> mse_loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0]]))
        tensor(2.)

    References:
        D. Cossock, T. Zhang, "Subset ranking using regression", COLT 2006.
    """
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets)
    return mean_over_documents((lists.scores - lists.labels).square(), lists, reduction)
