"""The progress of a training."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Progress:
    """The progress of a network's training.

    Epochs are counted from 1, and batches are those that have finished in this epoch. The losses
    are means of this epoch so far, one per trained task.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    losses: tuple[float, ...]


@dataclass(frozen=True)
class TreeProgress:
    """The progress of a boosting, with the validation metric of the trees so far.

    `what` names the trees, such as a teacher's; it is empty for those of the run. `trees` is the
    largest number, without early stopping.
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
