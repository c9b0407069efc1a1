"""Gradients per objective of one parameter, as what they are products of.

S samples, K objectives of each; the R = S K objectives are in the samples' order.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor

# Numbers that are held at once, beyond what is held anyway.
_HELD = 2**22


class Factors(Protocol):
    """Gradients per objective that can be written out a few rows of the parameter at a time."""

    def rows(self, low: int, high: int) -> Tensor:
        """Return the gradients (objective, param) of rows `low` to `high` of the parameter."""

    def gramian(self) -> Tensor | None:
        """Return the Gramian without writing the gradients out, where that is cheaper."""


class Written:
    """Gradients (sample, task, *shape) that are written out already."""

    def __init__(self, gradients: Tensor) -> None:
        self.gradients = gradients.flatten(0, 1)

    def rows(self, low: int, high: int) -> Tensor:
        """Return the gradients (objective, param) of rows `low` to `high` of the parameter."""
        return self.gradients[:, low:high].flatten(1)

    def gramian(self) -> None:
        """Return None: there is no cheaper way than theirs."""


class Outer:
    """Gradients Σ_t g_t x_tᵀ of a matrix: inputs x and output gradients g at T places.

    Args:
        inputs: Gives x (sample, part, in, place) for a slice of the samples.
        gradients: g (sample, task, part, out, place). Part p of the output sees that of the input;
            the parameter's rows are (part, out).
        width: The length of the axis `in`.
    """

    def __init__(
        self, inputs: Callable[[slice], Tensor], gradients: Tensor, width: int
    ) -> None:
        self.inputs, self.gradients, self.width = inputs, gradients, width

    def rows(self, low: int, high: int) -> Tensor:
        """Return the gradients (objective, param) of rows `low` to `high` of the parameter."""
        samples, tasks, parts, out, places = self.gradients.shape
        whole = (0, parts * out) if parts > 1 else (low, high)
        g = self.gradients if parts > 1 else self.gradients[:, :, :, low:high]
        g = g.transpose(1, 2).flatten(2, 3)  # (sample, part, task · out, place)
        written = []
        for some in _slices(samples, parts * self.width * places):
            x = self.inputs(some)
            dtype = torch.promote_types(torch.promote_types(x.dtype, g.dtype), torch.float32)
            written.append(g[some].to(dtype) @ x.to(dtype).mT)
        found = torch.cat(written).view(samples, parts, tasks, -1, self.width)
        found = found.transpose(1, 2).reshape(samples * tasks, whole[1] - whole[0], self.width)
        return found[:, low - whole[0] : high - whole[0]].flatten(1)

    def gramian(self) -> Tensor | None:
        """Return Σ_t Σ_u (x_t · x_u)(g_t · g_u) between the samples, where that is cheaper."""
        samples, tasks, parts, out, places = self.gradients.shape
        objectives = samples * tasks
        directly = 2 * (objectives * places) ** 2 * out + 2 * (samples * places) ** 2 * self.width
        size = out * self.width
        if parts > 1 or directly > objectives * (places + 2 * objectives) * size:
            return None
        g = self.gradients[:, :, 0].mT.double()  # (sample, task, place, out)
        x = self.inputs(slice(None))[:, 0].mT.double()  # (sample, place, in)
        return _product_of_products(x, g)


class Lookup:
    """Gradients of a table whose rows were looked up.

    Args:
        codes: The rows (sample, place) that were looked up.
        gradients: g (sample, task, place, out); 0 where the row is one that does not learn.
    """

    def __init__(self, codes: Tensor, gradients: Tensor) -> None:
        self.codes, self.gradients = codes, gradients

    def rows(self, low: int, high: int) -> Tensor:
        """Return the gradients (objective, param) of rows `low` to `high` of the table."""
        return self._written(self.codes, low, high)

    def gramian(self) -> Tensor:
        """Return the Gramian over the rows that were looked up."""
        _, codes = self.codes.unique(return_inverse=True)
        if self.codes.shape[1] == 1:
            same = (codes == codes.T).double()
            g = self.gradients.flatten(0, 2).double()
            tasks = self.gradients.shape[1]
            return (g @ g.T) * same.repeat_interleave(tasks, 0).repeat_interleave(tasks, 1)
        samples, tasks, _, width = self.gradients.shape
        size = samples * tasks * width
        return _over_rows(
            lambda low, high: self._written(codes, low, high), int(codes.max()) + 1, size
        )

    def _written(self, codes: Tensor, low: int, high: int) -> Tensor:
        samples, tasks, _, width = self.gradients.shape
        # What lies outside goes to a row of its own, which is cut off.
        outside = (codes < low) | (codes >= high)
        places = (codes - low).masked_fill(outside, high - low)[:, None, :, None]
        found = self.gradients.new_zeros(samples, tasks, high - low + 1, width)
        found.scatter_add_(2, places.expand_as(self.gradients), self.gradients)
        return found[:, :, :-1].flatten(0, 1).flatten(1)


def gramian_of(parts: list[list[Factors]], parameter: Tensor, objectives: int) -> Tensor:
    """Compute the Gramian (objective, objective) of one parameter, of equal parts along its rows.

    The gradients of a part are the sums of those of its uses.
    """
    length, size = len(parameter) // len(parts), objectives * parameter[0].numel()
    found = [_part_gramian(uses, length, size) for uses in parts]
    return functools.reduce(torch.add, found)


def _part_gramian(factors: list[Factors], length: int, size: int) -> Tensor:
    if len(factors) == 1 and (found := factors[0].gramian()) is not None:
        return found

    def rows(low: int, high: int) -> Tensor:
        return functools.reduce(torch.add, (f.rows(low, high) for f in factors))

    return _over_rows(rows, length, size)


def product(rows: Tensor, total: Tensor | None = None) -> Tensor:
    """Compute J Jᵀ from float64 products, in pieces; added to a total, in place, if there is one.

    As a rule the gradients of many samples are dependent up to float32 rounding.
    """
    if total is None:
        total = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for piece in rows.split(max(_HELD // 16 // len(rows), 64), dim=1):
        exact = piece.double()
        total.addmm_(exact, exact.T)
    return total


def _over_rows(written: Callable[[int, int], Tensor], length: int, size: int) -> Tensor:
    """Compute the Gramian some rows of the parameter at a time; `size` numbers make one of them."""
    total: Tensor | None = None
    for some in _slices(length, size):
        total = product(written(some.start, some.stop), total)
    assert total is not None  # noqa: S101 - a parameter has rows
    return total


def _slices(length: int, size: int) -> Iterator[slice]:
    """Yield slices of an axis so that a part holds no more numbers than may be held."""
    step = max(_HELD // max(size, 1), 1)
    for low in range(0, length, step):
        yield slice(low, min(low + step, length))


def _product_of_products(x: Tensor, g: Tensor) -> Tensor:
    """Compute Σ_t Σ_u (x_it · x_ju)(g_ikt · g_jlu), (sample · task, sample · task)."""
    samples, tasks, places, _ = g.shape
    every_x, every_g = x.flatten(0, 1), g.flatten(0, 2)
    found = []
    for some in _slices(samples, samples * (tasks * places) ** 2):
        xx = (x[some].flatten(0, 1) @ every_x.T).view(-1, 1, places, samples, 1, places)
        gg = (g[some].flatten(0, 2) @ every_g.T).view(-1, tasks, places, samples, tasks, places)
        found.append((gg * xx).sum(dim=(2, 5)) if places > 1 else (gg * xx)[:, :, 0, ..., 0])
    return torch.cat(found).view(samples * tasks, samples * tasks)
