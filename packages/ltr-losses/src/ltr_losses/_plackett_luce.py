"""The terms of the Plackett-Luce likelihood."""

import torch
from torch import Tensor

from ltr_losses._check import Lists
from ltr_losses._pairs import FAR_BELOW, sink_padding
from ltr_losses._ranks import score_order, take


def plackett_luce_terms(lists: Lists) -> tuple[Tensor, Tensor]:
    """Log Σ_{j ≥ i} exp s_{π(j)} − s_{π(i)}, with π by descending label, stable.

    Returns:
        The terms in the order π, (..., list), weighted, zeros at the padding; and π.
    """
    order = score_order(lists.labels, lists.mask)
    real = take(lists.mask, order)
    # Padding far below the lowest score adds nothing to any of the sums.
    s = sink_padding(take(lists.scores, order), real, FAR_BELOW)
    terms = s.flip(-1).logcumsumexp(-1).flip(-1) - s
    if lists.weights is not None:
        terms = terms * take(lists.weights, order)
    return torch.where(real, terms, 0.0), order
