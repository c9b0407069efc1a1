"""Scores of lists of different lengths from a network that takes batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..checks import check_mask
from ._columns import Columns

Features = NDArray[np.floating] | Tensor


def as_lists(
    features: Features | Sequence[Features], mask: NDArray[np.bool_] | Tensor | None
) -> tuple[list[Tensor], bool]:
    """Return the lists (document, feature) in float32, and whether a single one was given."""
    if isinstance(features, Sequence):
        values = [_tensor(item) for item in features]
        for index, value in enumerate(values):
            if value.dim() != 2:
                raise ValueError(
                    f"`features` must be lists (document, feature), got "
                    f"{tuple(value.shape)} for list {index}"
                )
        dims, shape = 0, f"{len(values)} lists"
    else:
        batch = _tensor(features)
        if batch.dim() not in (2, 3):
            raise ValueError(
                "`features` must be (document, feature), (batch, list, feature) or a sequence "
                f"of lists, got {tuple(batch.shape)}"
            )
        dims, shape = batch.dim(), str(tuple(batch.shape))
        values = [batch] if dims == 2 else list(batch)
    if mask is None:
        return values, dims == 2
    if dims != 3:
        raise ValueError(f"`mask` must go with features (batch, list, feature), got {shape}")
    keep = torch.tensor(mask) if isinstance(mask, np.ndarray) else mask
    if not isinstance(keep, Tensor):
        raise TypeError(f"`mask` must be a NumPy array or tensor, got {type(mask).__name__}")
    check_mask(keep, batch)
    return [value[kept] for value, kept in zip(values, keep, strict=True)], False


def as_columns(table: Any) -> dict[str, Any]:
    """Return the columns of a table by name, as arrays."""
    if isinstance(table, Mapping):
        return {str(name): values for name, values in table.items()}
    names = getattr(table, "column_names", None) or list(table.columns)
    return {str(name): np.asarray(table[name]) for name in names}


def check_lists(lists: Sequence[Tensor], columns: Columns, *, gaps: bool = False) -> None:
    """Raise ValueError for another number of columns, or a value that is not finite.

    With `gaps` NaN is allowed.
    """
    for index, values in enumerate(lists):
        where = f" in list {index}" if len(lists) > 1 else ""
        if values.shape[1] != len(columns):
            raise ValueError(
                f"`features` must have the {columns} the ranker was trained on, "
                f"got {values.shape[1]}{where}"
            )
        finite = ~torch.isinf(values) if gaps else torch.isfinite(values)
        if not finite.all():
            row, column = (int(i) for i in (~finite).nonzero()[0])
            raise ValueError(
                f"`features` must be finite in float32, got {float(values[row, column])} for "
                f"feature {columns.feature_ids[column]} of document {row}{where}"
            )


def score_lists(
    lists: Sequence[Tensor],
    forward: Callable[[Tensor, Tensor | None], Tensor],
    *,
    device: torch.device,
    max_documents: int,
) -> list[Tensor]:
    """Return the float32 scores (..., document) of each list, in batches of like length."""
    result: list[Tensor] = [torch.empty(0)] * len(lists)
    for rows in _batches([len(values) for values in lists], max_documents):
        longest = max(len(lists[row]) for row in rows)
        shortest = min(len(lists[row]) for row in rows)
        # One document of padding gives the scores of an empty list their shape.
        padded = torch.zeros(
            (len(rows), max(longest, 1), lists[rows[0]].shape[1]), device=lists[rows[0]].device
        )
        mask = None
        if shortest < padded.shape[1]:
            lengths = torch.tensor([len(lists[row]) for row in rows])
            mask = (torch.arange(padded.shape[1]) < lengths[:, None]).to(device)
        for place, row in enumerate(rows):
            padded[place, : len(lists[row])] = lists[row]
        scores = forward(padded.to(device), mask).float()
        for place, row in enumerate(rows):
            result[row] = scores[..., place, : len(lists[row])]
    return result


def _batches(lengths: Sequence[int], max_documents: int) -> Iterator[list[int]]:
    """Yield indices of lists of like length, the longest first, so that padding is small."""
    rows: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if rows and (len(rows) + 1) * lengths[rows[0]] > max_documents:
            yield rows
            rows = []
        rows.append(index)
    if rows:
        yield rows


def _tensor(values: Features) -> Tensor:
    """Return a float32 tensor; what is not a tensor is copied, as it may be read-only."""
    if isinstance(values, Tensor):
        if values.is_complex():
            raise TypeError(f"`features` must be real numbers, got {values.dtype}")
        return values.detach().float()
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        array = np.array(None)
    if array.dtype.kind not in "biuf":
        found = array.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise TypeError(f"`features` must be NumPy arrays or tensors of real numbers, got {found}")
    with np.errstate(over="ignore"):  # infinities are named later
        return torch.tensor(np.ascontiguousarray(array, dtype=np.float32))
