"""Checks of arguments that several modules make."""

from __future__ import annotations

__all__ = ["check_dropout", "check_sizes"]


def check_sizes(**sizes: int) -> None:
    """Raises unless each is an int of at least 1."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"`{name}` must be an int, got {size!r}")
        if size < 1:
            raise ValueError(f"`{name}` must be at least 1, got {size}")


def check_dropout(dropout: float) -> None:
    """Raises unless it is a probability below 1."""
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"`dropout` must be in [0, 1), got {dropout}")
