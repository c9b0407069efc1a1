"""ListMLE."""

from torch import Tensor

from ._check import Reduction, prepare
from ._pairs import unequal
from ._plackett_luce import plackett_luce_terms
from ._reduce import reduce_lists


def listmle_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Negative log-likelihood, under Plackett and Luce, of the order of the labels.

        ℓ(s, y) = Σ_i w_{π(i)} (log Σ_{j ≥ i} exp s_{π(j)} − s_{π(i)})

    with π the documents by descending label; equal labels stay in the order of their index. It may
    be differentiated twice.

    Args:
        scores: (..., list), higher is better.
        labels: (..., list), only their order counts; the leading axes broadcast with those
            of the scores.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a document's weight multiplies its term.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists of unequal labels, "sum", both over the batch axis alone,
            or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, or an unknown reduction.

    Examples:
        >>> import torch
        >>> listmle_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
        tensor(0.6931)

    References:
        F. Xia, T.-Y. Liu, J. Wang, W. Zhang, H. Li, "Listwise approach to learning to rank: theory
        and algorithm", ICML 2008 (the likelihood loss).
    """
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets)
    return reduce_lists(plackett_luce_terms(lists).sum(-1), unequal(lists), lists, reduction)
