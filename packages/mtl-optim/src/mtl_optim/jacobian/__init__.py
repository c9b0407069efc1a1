"""Methods that combine the gradients themselves, column by column."""

from ._grad_drop import GradDrop

__all__ = ["GradDrop"]
