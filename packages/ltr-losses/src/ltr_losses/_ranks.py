"""Sorting by score: real documents first, padding last."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def score_order(scores: Tensor, mask: Tensor) -> Tensor:
    """Return the indices that sort each list by descending score, stable, the padding last."""
    # A real document with score -inf must stay ahead of the padding.
    lowest = torch.finfo(scores.dtype).min
    keys = torch.where(mask, scores.clamp(min=lowest), float("-inf"))
    return torch.argsort(keys, dim=-1, descending=True, stable=True)


def _together(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    out: tuple[Tensor, Tensor] = torch.broadcast_tensors(a, b)  # type: ignore[no-untyped-call]
    return out


def take(values: Tensor, order: Tensor) -> Tensor:
    """Return `values` in the given order; leading axes broadcast."""
    values, order = _together(values, order)
    return values.gather(-1, order)


def put_back(values: Tensor, order: Tensor) -> Tensor:
    """Invert `take`."""
    values, order = _together(values, order)
    return torch.zeros_like(values).scatter(-1, order, values)


def of_first(values: Tensor, relevant: Tensor, ranks: Tensor) -> Tensor:
    """Return the value of each list's relevant document of least rank; any where none is."""
    first = torch.where(relevant, ranks.detach(), float("inf")).argmin(-1, keepdim=True)
    # The index broadcasts, the list axis of `take` included.
    return take(values, first.expand(*first.shape[:-1], values.shape[-1]))[..., 0]


def tie_keys(values: Tensor, mask: Tensor, order: Tensor) -> Tensor:
    """Sort values as keys for `average_over_ties`, with padding as a group of its own."""
    return torch.where(take(mask, order), take(values, order), float("nan"))


def average_over_ties(values: Tensor, keys: Tensor) -> Tensor:
    """Replace each value by the mean over the documents with the same score.

    That mean is the expected value at the position when tied documents stand in random order.

    Args:
        values: (..., list), in the order of the scores.
        keys: (..., list), the sorted scores: equal ones adjacent, see `tie_keys`.
    """
    starts = keys[..., 1:] != keys[..., :-1]
    values, group = _together(values, pad(starts.cumsum(-1), (1, 0)))
    zeros = torch.zeros_like(values)
    totals = zeros.scatter_add(-1, group, values)
    sizes = zeros.scatter_add(-1, group, torch.ones_like(values))
    return (totals / sizes.clamp(min=1.0)).gather(-1, group)
