"""The progress of a training."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """The progress of a network's training.

    Attributes:
        epoch: The current epoch, counted from 1.
        epochs: Number of all epochs.
        batch: Number of finished batches in this epoch.
        batches: Number of all batches in an epoch.
        losses: Mean losses of this epoch so far, one per trained task.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    losses: tuple[float, ...]


@dataclass(frozen=True)
class TreeProgress:
    """The progress of a boosting.

    Attributes:
        what: Name of the trees, such as a teacher's; empty for those of the run.
        tree: Number of trees so far.
        trees: Largest number of trees, without early stopping.
        metric: Name of the validation metric.
        value: Value of the metric with these trees.
    """

    what: str
    tree: int
    trees: int
    metric: str
    value: float


OnProgress: TypeAlias = Callable[[Progress | TreeProgress], None]
"""A function that is called after every step, and after every tree of a boosting."""

OnTree: TypeAlias = Callable[[TreeProgress], None]
"""A function that is called after every tree."""


def nobody(_: Progress | TreeProgress) -> None:
    """Ignore the progress."""
