"""Checks of arguments that several modules make, and what their messages have in common."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["check_dropout", "check_sizes", "nearest"]


def check_sizes(**sizes: int) -> dict[str, int]:
    """Raises unless each is an int of at least 1; gives them back."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"`{name}` must be an int, got {size!r}")
        if size < 1:
            raise ValueError(f"`{name}` must be at least 1, got {size}")
    return sizes


def check_dropout(dropout: float) -> None:
    """Raises unless it is a probability below 1."""
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"`dropout` must be in [0, 1), got {dropout}")


def nearest(name: object, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the known one that is most like it, if any.

    Examples:
        >>> nearest("layer", ["hidden", "layers"])
        "; did you mean 'layers'?"
    """
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
