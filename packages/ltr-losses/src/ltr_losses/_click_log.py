"""Logged impressions: their checks, their sums by document and position, what identifies what."""

from typing import NamedTuple

import torch
from torch import Tensor


class Impressions(NamedTuple):
    """A checked log, in float64; rows may stand for many impressions."""

    item: Tensor
    """(impression,), from 0 without gaps."""
    place: Tensor
    """(impression,), an index of `positions`."""
    clicks: Tensor
    shown: Tensor
    positions: Tensor
    """(place,), the positions that were met, in order."""


class Interventions(NamedTuple):
    """The documents that were shown at both of two positions, (place, place)."""

    clicks: Tensor
    """The sum of their click rates at the first of the two; 0 on the diagonal."""
    documents: Tensor
    """Their number; 0 on the diagonal."""


def check_log(
    item: Tensor | None, position: Tensor, click: Tensor, count: Tensor | None
) -> Impressions:
    """Check the columns of a log; without `item` each row is a document of its own."""
    columns = {"position": position, "click": click, "item": item, "count": count}
    given = {name: column for name, column in columns.items() if column is not None}
    for name, column in given.items():
        if not isinstance(column, Tensor):
            raise TypeError(f"`{name}` must be a tensor, got {type(column).__name__}")
        if column.dim() != 1 or column.shape != position.shape or column.numel() == 0:
            raise ValueError(
                f"`{name}` must be (impression,), one or more and as many as `position` has, "
                f"got {tuple(column.shape)} and {tuple(position.shape)}"
            )
        whole = not (
            column.is_floating_point() or column.is_complex() or column.dtype == torch.bool
        )
        if name in ("item", "position") and not whole:
            raise TypeError(f"`{name}` must be of an integer type, got {column.dtype}")
    rate = click.detach().to(torch.float64)
    weight = torch.ones_like(rate) if count is None else count.detach().to(torch.float64)
    for name, column, good, what in (
        ("position", position, position >= 1, "1 or more"),
        ("click", rate, (rate >= 0) & (rate <= 1), "in 0..1"),
        ("count", weight, (weight > 0) & weight.isfinite(), "finite and positive"),
    ):
        if not bool(good.all()):
            raise ValueError(f"`{name}` must be {what}, got {column[~good][0].item()}")
    positions, place = torch.unique(position.long(), return_inverse=True)
    rows = torch.arange(len(place), device=place.device)
    items = rows if item is None else torch.unique(item, return_inverse=True)[1]
    return Impressions(items, place, rate * weight, weight, positions)


def by_document(log: Impressions) -> Impressions:
    """Sum the impressions of one document at one position into one row, in order."""
    size = len(log.positions)
    cells, row = torch.unique(log.item * size + log.place, return_inverse=True)
    clicks, shown = (torch.bincount(row, weights=values) for values in (log.clicks, log.shown))
    return Impressions(cells // size, cells % size, clicks, shown, log.positions)


def find_interventions(log: Impressions) -> Interventions:
    """Compare the positions by the documents that they share; the log is one `by_document`."""
    size, rate = len(log.positions), log.clicks / log.shown
    clicks, documents = torch.zeros(2, size * size, dtype=rate.dtype, device=rate.device)
    for gap in range(1, int(log.item.bincount().max())):
        # Rows of one document are neighbours, so each pair of them is met at one gap.
        same = log.item[gap:] == log.item[:-gap]
        upper, lower = log.place[:-gap][same], log.place[gap:][same]
        for here, there, rates in (
            (upper, lower, rate[:-gap][same]),
            (lower, upper, rate[gap:][same]),
        ):
            pair = here * size + there
            clicks += torch.bincount(pair, weights=rates, minlength=size * size)
            documents += torch.bincount(pair, minlength=size * size)
    return Interventions(clicks.view(size, size), documents.view(size, size))


def reached(clicks: Tensor) -> Tensor:
    """Return whether a chain of interventions leads from one position (row) to another (column).

    A link is a document that was clicked at the one and shown at the other: it keeps the
    likelihood from growing for ever as the propensity of the other rises against that of the one.
    Chains both ways make the ratio of two propensities finite and positive. One from the first to
    the other alone makes it 0.
    """
    paths = (clicks > 0).to(torch.float64).fill_diagonal_(1.0)
    for _ in range(len(paths).bit_length()):
        paths = (paths @ paths > 0).to(torch.float64)
    return paths > 0


def spread(values: Tensor, log: Impressions, click: Tensor) -> Tensor:
    """Put values of the positions met where these stand, NaN elsewhere, in the type of clicks."""
    out = values.new_full((int(log.positions[-1]),), float("nan"))
    out[log.positions - 1] = values
    return out.to(click.dtype if click.is_floating_point() else torch.float32)
