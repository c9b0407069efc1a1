"""Relevance, yes or no."""

from torch import Tensor

from ltr_losses._check import Lists


def relevance(lists: Lists, threshold: float) -> Tensor:
    """1 at the documents whose label is above the threshold, 0 at others and at the padding."""
    return ((lists.labels > threshold) & lists.mask).to(lists.scores.dtype)


def weighted(values: Tensor, lists: Lists) -> Tensor:
    """`values` times the weights."""
    return values if lists.weights is None else values * lists.weights
