"""Randomness whose state is saved with the method."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ._bases import Method


class Randomness(Method):
    """Mixin of a method that draws random numbers, from a generator of its own.

    `state_dict` holds the generator's state, so that a resumed run draws what the first would have.

    Args:
        generator: A CPU generator; None makes a new one with the default seed.

    Raises:
        TypeError: `generator` is no `torch.Generator`.
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if generator is not None and not isinstance(generator, torch.Generator):
            raise TypeError(
                f"`generator` must be a torch.Generator, got {type(generator).__name__}"
            )
        self.generator = torch.Generator() if generator is None else generator

    def get_extra_state(self) -> Tensor:
        """The generator's state."""
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Put the generator back to a saved state."""
        self.generator.set_state(state.cpu())


def random_orders(tasks: int, generator: torch.Generator) -> NDArray[np.int64]:
    """For each task the others in a random order: (task, task − 1).

    Two tasks have one order, for which nothing is drawn.

    Examples:
        >>> random_orders(2, torch.Generator()).tolist()
        [[1], [0]]
    """
    if tasks == 2:
        return np.array([[1], [0]])
    keys = torch.rand(tasks, tasks, generator=generator, dtype=torch.float64).numpy()
    np.fill_diagonal(keys, 2.0)  # the task itself comes last, and is left out
    return keys.argsort(axis=1)[:, :-1]
