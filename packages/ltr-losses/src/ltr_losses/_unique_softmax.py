"""Unique softmax."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from ._check import Reduction, prepare
from ._gains import shifted_gain
from ._pairs import unequal
from ._plackett_luce import by_label, log_odds, weighted_terms
from ._ranks import take
from ._reduce import reduce_lists


def unique_softmax_loss(
    scores: Tensor,
    labels: Tensor,
    *,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    offsets: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Softmax cross entropy in which equally relevant documents do not compete.

        ℓ(s, y) = − Σ_i w_i g_i log( exp s_i / (exp s_i + Σ_{y_j < y_i} exp s_j) )

    with g the gain (2^y − 1) / 2^m, m the list's largest label. It may be differentiated twice.

    Args:
        scores: (..., list), higher is better.
        labels: (..., list), negative labels have gain 0; the leading axes broadcast with those
            of the scores.
        mask: (..., list), bool, True at a real document.
        weights: (..., list) or (..., 1), not negative; a document's weight multiplies its term.
        offsets: (batch + 1,), int64, of jagged rows; they are repacked. None: a padded batch.
        reduction: "mean" over the lists of unequal labels with one above 0, "sum", both over the
            batch axis alone, or "none", one value per list.

    Returns:
        The loss, to be minimised: the leading axes less the batch, or with it for "none". NaN where
        a real document's score, label or weight is not finite.

    Raises:
        TypeError: A wrong type or dtype.
        ValueError: Shapes that do not fit, or an unknown reduction.

    Examples:
        >>> import torch
        >>> unique_softmax_loss(torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]]))
        tensor(0.6931)

    References:
        X. Zhu, D. Klabjan, "Listwise learning to rank by exploring unique ratings", WSDM 2020,
        with the gain as in TF-Ranking and Rax.

    Note:
        The gain of Rax is 2^y − 1: a list's loss there is 2^m times this one.
    """
    lists = prepare(scores, labels, mask, weights, reduction, offsets=offsets)
    s, real, order = by_label(lists)
    y = torch.where(real, take(lists.labels, order), float("-inf"))
    # Where each level begins is how many documents are below it.
    place = torch.arange(y.shape[-1], device=y.device)
    starts = pad(y[..., 1:] != y[..., :-1], (1, 0))
    below = torch.where(starts, place, 0).cummax(-1).values
    gains = take(shifted_gain(lists.labels, lists.mask, "exp2"), order)
    terms = gains * weighted_terms(log_odds(s, below), lists, real, order)
    teaches = unequal(lists) & (lists.labels > 0).any(-1)
    return reduce_lists(terms.sum(-1), teaches, lists, reduction)
