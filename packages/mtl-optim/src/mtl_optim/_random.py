"""Randomness whose state is saved with the method."""

import torch
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
