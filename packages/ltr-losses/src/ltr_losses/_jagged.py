"""Jagged rows, lists one after the other without padding: into a padded batch, in one place."""

import itertools

import torch
from torch import Tensor


def padded_rows(offsets: object, documents: int) -> tuple[Tensor, Tensor]:
    """Return the index (batch, list) of each list's documents, and whether there is one.

    The lengths are looked at, which is one device-to-host copy and, under torch.compile, a break in
    the graph: how wide the batch is depends on them. Raise TypeError for `offsets` that are not a
    tensor of integers, ValueError for those that do not cut the documents into lists.
    """
    if not isinstance(offsets, Tensor):
        raise TypeError(f"`offsets` must be a tensor, got {type(offsets).__name__}")
    if offsets.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"`offsets` must be int64, got {offsets.dtype}")
    if offsets.dim() != 1 or len(offsets) < 2:
        raise ValueError(f"`offsets` must be (batch + 1,), got shape {tuple(offsets.shape)}")
    bounds = offsets.tolist()
    lengths = [stop - start for start, stop in itertools.pairwise(bounds)]
    if bounds[0] != 0:
        raise ValueError(f"`offsets` must start at 0, got {bounds[0]}")
    if min(lengths) < 0:
        i = next(i for i, length in enumerate(lengths) if length < 0)
        raise ValueError(
            f"`offsets` must not decrease, got {bounds[i]} and then {bounds[i + 1]} at {i + 1}"
        )
    if bounds[-1] != documents:
        raise ValueError(
            f"`offsets` must end at the number of documents, {documents}, got {bounds[-1]}"
        )
    starts = offsets[:-1].long().unsqueeze(-1)
    place = torch.arange(max(lengths), device=offsets.device)
    mask = place < offsets[1:].unsqueeze(-1) - starts
    return torch.where(mask, starts + place, 0), mask


def pad_rows(x: Tensor, index: Tensor) -> Tensor:
    """(..., documents) -> (..., batch, list); the padding repeats the first document."""
    return x.index_select(-1, index.flatten()).reshape(*x.shape[:-1], *index.shape)
