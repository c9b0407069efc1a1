"""Checks of arguments that several modules share, and their messages."""

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor


def check_sizes(least: int = 1, /, **sizes: int) -> dict[str, int]:
    """Raise unless each is an int of at least `least`; return them."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"`{name}` must be an int, got {size!r}")
        if size < least:
            raise ValueError(f"`{name}` must be at least {least}, got {size}")
    return sizes


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise unless it is one of some strings."""
    if value not in choices:
        *some, last = map(repr, choices)
        raise ValueError(f"`{name}` must be {', '.join(some)} or {last}, got {value!r}")


def check_number(name: str, value: float) -> None:
    """Raise unless it is a number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"`{name}` must be a number, got {value!r}")


def check_dropout(dropout: float) -> None:
    """Raise unless it is a probability below 1."""
    check_number("dropout", dropout)
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"`dropout` must be in [0, 1), got {dropout}")


def check_dtype(dtype: torch.dtype | None) -> None:
    """Raise unless it is None or a floating point type."""
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise TypeError(f"`dtype` must be a floating point torch.dtype, got {dtype!r}")


def check_names(name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Raise unless they are a sequence of strings; return them as a tuple."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"`{name}` must be a sequence of names, got {_shown(values)}")
    names = tuple(values)
    for value in names:
        if not isinstance(value, str):
            raise TypeError(f"`{name}` must be names, got {_shown(value)} among them")
    return names


def check_tensor(name: str, value: object) -> None:
    """Raise unless it is a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"`{name}` must be a tensor, got {type(value).__name__}")


def check_mask(mask: Tensor, features: Tensor) -> None:
    """Raise unless it is the mask of a batch of lists."""
    if mask.dtype != torch.bool:
        raise TypeError(f"`mask` must be bool, True at a document, got {mask.dtype}")
    if mask.shape != features.shape[:2]:
        raise ValueError(
            f"`mask` must be (batch, list) = {tuple(features.shape[:2])}, got {tuple(mask.shape)}"
        )


def as_options(name: str, value: object) -> dict[str, Any]:
    """Return a copy of a dict of options; raise TypeError for anything else."""
    if not isinstance(value, Mapping):
        raise TypeError(f"`{name}` must be a dict of options, got {_shown(value)}")
    return dict(value)


def check_arguments(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError for an unknown name; the message lists the known ones."""
    known = list(known)
    for name in given:
        if name not in known:
            raise TypeError(
                f"{what} has no argument `{name}`, only {', '.join(known) or 'none'}"
                f"{nearest(name, known)}"
            )


def check_options(kind: type, options: Iterable[str]) -> None:
    """Raise TypeError for an option that is not a keyword of a class's constructor."""
    parameters = inspect.signature(kind).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    check_arguments(kind.__name__, options, known)


def nearest(name: object, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, if any."""
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _shown(value: object) -> str:
    """Return a value as a message shows it: in full where it is short, else its type."""
    text = repr(value)
    return text if len(text) <= 60 else type(value).__name__
