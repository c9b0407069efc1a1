"""Where a training stands, for whoever shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """Where a network's training stands.

    Attributes:
        epoch: The current epoch, counted from 1.
        epochs: How many there are.
        batch: Batches done in this epoch.
        batches: How many there are.
        losses: Means over this epoch so far, one per trained task.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    losses: tuple[float, ...]


@dataclass(frozen=True)
class TreeProgress:
    """Where a boosting stands.

    Attributes:
        what: Whose trees they are, such as a teacher's; empty for those of the run.
        tree: Trees so far.
        trees: How many there are at most; it ends before, where validation no longer gains.
        metric: What validation is measured in.
        value: That metric with these trees.
    """

    what: str
    tree: int
    trees: int
    metric: str
    value: float


OnProgress: TypeAlias = Callable[[Progress | TreeProgress], None]
"""Told after every step where a training stands, and after every tree of trees and teachers."""

OnTree: TypeAlias = Callable[[TreeProgress], None]
"""Told after every tree."""


def nobody(_: Progress | TreeProgress) -> None:
    """Tells nobody."""
