"""What a method keeps for each task, and what it sees of that while some tasks are absent.

A method names its vectors (task,) and matrices (task, task) in `per_task`, each with a rule. While
tasks are absent it sees the entries of those present, by `seen`; then `put_back` returns the whole
with what became of them. Entries of absent tasks stand still.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor


class Kept:
    """State of each task apart.

    Args:
        start: The entry of a task that was never present; NaN where the method finds it at the
            task's first step. A vector of NaN is seen as an empty one.
    """

    def __init__(self, start: float = math.nan) -> None:
        self.start = start

    def seen(self, whole: Tensor, at: Tensor) -> Tensor:
        """Return the entries of the tasks `at`."""
        part = whole if whole.numel() == 0 else _entries(whole, at)
        return part[:0] if part.is_floating_point() and bool(part.isnan().all()) else part

    def put_back(self, whole: Tensor, part: Tensor, at: Tensor, tasks: int) -> Tensor:
        """Return the whole, (task,) or (task, task), with the part at its entries."""
        if part.numel() == 0:
            return whole
        whole = self.begun(whole, part, tasks)
        if part.ndim == 1:
            whole[at] = part
        else:
            whole[at[:, None], at] = part
        return whole

    def begun(self, whole: Tensor, part: Tensor, tasks: int) -> Tensor:
        """Return a whole to write into: a copy, or one at its start in the first step."""
        if whole.numel() == 0:
            return part.new_full([tasks] * part.ndim, self.start)
        return whole.to(part, copy=True)


class Shares(Kept):
    """State on the simplex, even at the start: those present share what they have together."""

    def seen(self, whole: Tensor, at: Tensor) -> Tensor:
        """Return the shares of the tasks `at` in their sum; even ones if that is 0."""
        part = super().seen(whole, at)
        total = part.sum()
        return part / total if float(total) > 0 else torch.full_like(part, 1 / len(at))

    def put_back(self, whole: Tensor, part: Tensor, at: Tensor, tasks: int) -> Tensor:
        """Return the whole, in which the tasks `at` have the sum that they had."""
        whole = self.begun(whole, part, tasks)
        return super().put_back(whole, part * whole[at].sum(), at, tasks)

    def begun(self, whole: Tensor, part: Tensor, tasks: int) -> Tensor:
        """Return a whole to write into: a copy, or even shares in the first step."""
        even = part.new_full((tasks,), 1 / tasks)
        return even if whole.numel() == 0 else super().begun(whole, part, tasks)


class Joint(Kept):
    """What was found for a set of tasks together, and is worth nothing for another."""

    def seen(self, whole: Tensor, at: Tensor) -> Tensor:
        """Return the entries if they were found for the tasks `at`, else none."""
        known = torch.nonzero(~whole.isnan()).flatten()
        return whole[at] if torch.equal(known, at) else whole[:0]

    def begun(self, whole: Tensor, part: Tensor, tasks: int) -> Tensor:
        """Return a whole of which nothing is known."""
        return part.new_full((tasks,), math.nan)


class Given:
    """What the user gave, and the method never changes.

    Args:
        size: What the entries of those present are divided by, for a vector of a size: a preference
            is renormalised over the tasks that are present.
    """

    def __init__(self, size: Callable[[Tensor], Tensor] | None = None) -> None:
        self.size = size

    def seen(self, whole: Tensor, at: Tensor) -> Tensor:
        """Return the entries of the tasks `at`, of their usual size."""
        part = _entries(whole, at)
        size = part.new_ones(()) if self.size is None else self.size(part)
        if not float(size) > 0:
            raise ValueError(
                f"`preference` must be positive for one of the tasks present, {at.tolist()}, "
                f"got {whole.tolist()}"
            )
        return part / size

    def put_back(self, whole: Tensor, part: Tensor, at: Tensor, tasks: int) -> Tensor:
        """Return the whole as it is."""
        return whole


def _entries(whole: Tensor, at: Tensor) -> Tensor:
    return whole[at] if whole.ndim == 1 else whole[at[:, None], at]
