"""From one value per list to what the caller asked for."""

import torch
from torch import Tensor

from ._check import Lists, Reduction


def weighted(values: Tensor, lists: Lists) -> Tensor:
    """Multiply values of documents by the weights."""
    return values if lists.weights is None else values * lists.weights


def reduce_lists(values: Tensor, teaches: Tensor, lists: Lists, reduction: Reduction) -> Tensor:
    """Reduce a loss, one value per list, over the batch axis alone.

    Lists that teach nothing (`teaches` is False) are worth 0 and are left out of the mean; where a
    batch has none that does, the mean is 0 with a zero gradient. Weights change values, never this
    count. A list that holds NaN is NaN, whether it teaches or not. Return the leading axes for
    "none", else those less the batch; a single list without a batch axis is a scalar.
    """
    leading = lists.leading
    values = torch.where(teaches, values, 0.0)
    values = torch.where(lists.sound, values, float("nan")).expand(leading)
    if callable(reduction):
        return reduction(values, teaches.expand(leading))
    if reduction == "none" or len(leading) == 0:
        return values
    total = values.sum(-1)
    if reduction == "sum":
        return total
    return total / teaches.expand(leading).sum(-1).clamp(min=1)


def mean_over_documents(terms: Tensor, lists: Lists, reduction: Reduction) -> Tensor:
    """Reduce a pointwise loss: the weighted terms (..., list), averaged over each list's documents.

    The terms are zero at the padding.
    """
    documents = lists.mask.sum(-1)
    values = weighted(terms, lists).sum(-1) / documents.clamp(min=1)
    return reduce_lists(values, documents >= 1, lists, reduction)


def average_lists(values: Tensor, counts: Tensor, lists: Lists, reduction: Reduction) -> Tensor:
    """Reduce a metric, one value per list, over the batch axis alone.

    Unlike a loss, a metric of no list at all is not 0: lists that do not count are NaN under
    "none", left out of "mean" and "sum", and the mean of none is NaN.
    """
    leading = lists.leading
    values = torch.where(lists.sound, values, float("nan")).expand(leading)
    # A NaN score must not hide in a list that would have been left out.
    counts = (counts | ~lists.sound).expand(leading)
    if callable(reduction):
        return reduction(torch.where(counts, values, 0.0), counts)
    if reduction == "none" or len(leading) == 0:
        return torch.where(counts, values, float("nan"))
    total = torch.where(counts, values, 0.0).sum(-1)
    return total if reduction == "sum" else total / counts.sum(-1)
