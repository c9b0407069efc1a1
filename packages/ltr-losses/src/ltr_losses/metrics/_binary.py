"""Relevance, yes or no."""

import torch
from torch import Tensor

from ltr_losses._check import Lists
from ltr_losses._ranks import take


def relevance(lists: Lists, threshold: float) -> Tensor:
    """1 at the documents whose label is above the threshold, 0 at others and at the padding."""
    return ((lists.labels > threshold) & lists.mask).to(lists.scores.dtype)


def weighted(values: Tensor, lists: Lists) -> Tensor:
    """`values` times the weights."""
    return values if lists.weights is None else values * lists.weights


def of_first(values: Tensor, relevant: Tensor, ranks: Tensor, lists: Lists) -> Tensor:
    """The weighted value of each list's first relevant document; any where there is none."""
    first = torch.where(relevant > 0, ranks.detach(), float("inf")).argmin(-1, keepdim=True)
    terms = weighted(values, lists)
    return take(terms, first.expand(*first.shape[:-1], terms.shape[-1]))[..., 0]
