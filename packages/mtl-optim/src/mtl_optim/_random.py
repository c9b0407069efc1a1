"""Randomness whose state is saved with the method."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ._bases import Method
from ._checks import check_generator


class Randomness(Method):
    """Mixin of a method that draws random numbers, from a generator of its own.

    `state_dict` holds the generator's state, so that a resumed run draws what the first would have.

    Args:
        generator: A CPU generator; None makes a new one with the default seed.

    Raises:
        TypeError: `generator` is not a `torch.Generator`.
    """

    def __init__(self, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        check_generator(generator)
        self.generator = torch.Generator(device="cpu") if generator is None else generator

    def get_extra_state(self) -> Tensor:
        """Return the generator's state."""
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Restore a saved state of the generator."""
        self.generator.set_state(state.cpu())


def random_orders(tasks: int, generator: torch.Generator) -> NDArray[np.int64]:
    """Draw a random order of the others for each task: (task, task − 1).

    Two tasks have one order, for which nothing is drawn.
    """
    if tasks == 2:
        return np.array([[1], [0]])
    keys = torch.rand(tasks, tasks, generator=generator, dtype=torch.float64, device="cpu").numpy()
    np.fill_diagonal(keys, 2.0)  # the task itself comes last, and is left out
    return keys.argsort(axis=1)[:, :-1]


def uniforms(generator: torch.Generator) -> Callable[[int], Tensor]:
    """Make a source of numbers that are uniform on (−1, 1), float32, on the CPU.

    One draw from the generator seeds it: its numbers cost a fifth of those of `torch.rand`, and
    their 24 digits are odd, so that neither end is met.
    """
    bits = np.random.SFC64(int(torch.randint(2**63 - 1, (), generator=generator, device="cpu")))

    def draw(count: int) -> Tensor:
        digits = bits.random_raw((count + 1) // 2).view(np.int32)[:count]
        digits &= -(2**9)
        digits |= 2**8
        return torch.from_numpy(digits).to(torch.float32).mul_(2.0**-31)

    return draw
