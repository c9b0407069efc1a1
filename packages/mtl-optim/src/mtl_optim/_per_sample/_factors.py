"""Gradients per objective of one parameter, as what they are products of.

S samples, K objectives of each; the R = S K objectives are in the samples' order.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial, reduce
from typing import Protocol

import torch
from torch import Tensor

# Numbers that are held at once, beyond what is held anyway.
_HELD = 2**20


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

    def __init__(self, inputs: Callable[[slice], Tensor], gradients: Tensor, width: int) -> None:
        self.inputs, self.gradients, self.width = inputs, gradients, width

    def rows(self, low: int, high: int) -> Tensor:
        """Return the gradients (objective, param) of rows `low` to `high` of the parameter."""
        samples, tasks, parts, out, places = self.gradients.shape
        whole = (0, parts * out) if parts > 1 else (low, high)
        g = self.gradients if parts > 1 else self.gradients[:, :, :, low:high]
        g = g.transpose(1, 2).flatten(2, 3)  # (sample, part, task · out, place)
        written = [
            g[some] @ self.inputs(some).to(g.dtype).mT
            for some in _slices(samples, parts * self.width * places)
        ]
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
        samples, tasks, _, width = self.gradients.shape
        _, codes = torch.unique(self.codes, return_inverse=True)
        if self.codes.shape[1] == 1:
            same = (codes == codes.T).double()
            g = self.gradients.flatten(0, 2).double()
            return (g @ g.T) * _for_each_task(same, tasks)
        size = samples * tasks * width
        return _over_rows(partial(self._written, codes), int(codes.max()) + 1, size)

    def _written(self, codes: Tensor, low: int, high: int) -> Tensor:
        samples, tasks, _, width = self.gradients.shape
        # What lies outside goes to a row of its own, which is cut off.
        outside = (codes < low) | (codes >= high)
        places = (codes - low).masked_fill(outside, high - low)[:, None, :, None]
        found = self.gradients.new_zeros(samples, tasks, high - low + 1, width)
        found.scatter_add_(2, places.expand_as(self.gradients), self.gradients)
        return found[:, :, :-1].flatten(0, 1).flatten(1)


def gramian_of(
    covered: Iterable[tuple[Tensor, list[list[Factors]]]], objectives: int, device: torch.device
) -> Tensor:
    """Compute the Gramian (objective, objective) of parameters of equal parts along their rows.

    The gradients of a part are the sums of those of its uses.
    """
    total = torch.zeros(objectives, objectives, dtype=torch.float64, device=device)
    written: list[Tensor] = []
    for parameter, parts in covered:
        length, width = len(parameter) // len(parts), parameter[0].numel()
        for uses in parts:
            if all(isinstance(use, Written) for use in uses):
                written.append(_sum_of_rows(uses, 0, length).to(device))
            else:
                total += _part_gramian(uses, length, objectives * width).to(device)
    return product(torch.cat(written, dim=1), total) if written else total


def _part_gramian(factors: list[Factors], length: int, size: int) -> Tensor:
    if len(factors) == 1 and (found := factors[0].gramian()) is not None:
        return found

    return _over_rows(partial(_sum_of_rows, factors), length, size)


def _sum_of_rows(factors: list[Factors], low: int, high: int) -> Tensor:
    return reduce(torch.add, (one.rows(low, high) for one in factors))


def product(rows: Tensor, total: Tensor | None = None) -> Tensor:
    """Compute J Jᵀ from float64 products, in pieces; added to a total, in place, if there is one.

    As a rule the gradients of many samples are dependent up to float32 rounding.
    """
    if total is None:
        total = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for piece in torch.split(rows, max(_HELD // 4 // len(rows), 64), dim=1):
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
    if places == 1:
        xx = every_x @ every_x.T
        return (every_g @ every_g.T) * _for_each_task(xx, tasks)
    found = []
    for some in _slices(samples, samples * (tasks * places) ** 2):
        xx = (x[some].flatten(0, 1) @ every_x.T).view(-1, 1, places, samples, 1, places)
        gg = (g[some].flatten(0, 2) @ every_g.T).view(-1, tasks, places, samples, tasks, places)
        found.append((gg * xx).sum(dim=(2, 5)))
    return torch.cat(found).view(samples * tasks, samples * tasks)


def _for_each_task(matrix: Tensor, tasks: int) -> Tensor:
    """Repeat the entries of a matrix between samples for the tasks of each."""
    return matrix if tasks == 1 else matrix.repeat_interleave(tasks, 0).repeat_interleave(tasks, 1)
