"""Binary cross entropy."""

from torch import Tensor
from torch.nn.functional import softplus

from ._check import Reduction, prepare
from ._reduce import mean_over_documents


def bce_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Binary cross entropy: scores as log-odds of being relevant.

        ℓ(s, y) = 1/n Σ_i w_i (log(1 + exp s_i) − t_i s_i),   t = min(max(y, 0), 1)

    with n the number of documents of the list. A graded label of 1 or more is relevant, one between
    0 and 1 a probability. It may be differentiated twice.

    Args:
        scores: (..., list), log-odds.
        labels: (..., list), graded or binary; the leading axes broadcast with those of the scores.
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
        >>> bce_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
        tensor(0.6931)

    References:
        The negative log-likelihood of logistic regression; R. Nallapati, "Discriminative models for
        information retrieval", SIGIR 2004.
    """
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets)
    target = lists.labels.clamp(0.0, 1.0)
    # t softplus(−s) + (1 − t) softplus(s): no difference of two large numbers.
    terms = target * softplus(-lists.scores) + (1.0 - target) * softplus(lists.scores)
    return mean_over_documents(terms * lists.mask, lists, reduction)
