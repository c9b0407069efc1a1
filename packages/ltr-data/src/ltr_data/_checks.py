"""Checks of arguments, and hints for their errors, that the whole package shares."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def did_you_mean(name: object, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``, did you mean 'x'?`` for the most similar of the known names, or nothing."""
    nearest = difflib.get_close_matches(str(name), known, n=1, cutoff=cutoff)
    return f", did you mean {nearest[0]!r}?" if nearest else ""


def check_name(argument: str, name: object, known: Iterable[str]) -> None:
    """Raise ValueError unless an argument is one of the known names."""
    names = list(known)
    if name not in names:
        hint = did_you_mean(name, names)
        raise ValueError(f"`{argument}` must be one of {', '.join(names)}, got {name!r}{hint}")


def check_at_least(least: int, **values: float | None) -> None:
    """Raise ValueError for a value below `least`; None is no value."""
    for argument, value in values.items():
        if value is not None and not value >= least:
            bound = f"be at least {least}" if least else "not be negative"
            raise ValueError(f"`{argument}` must {bound}, got {value}")


def build(key: str, config: Mapping[str, Any], types: Mapping[str, Callable[..., T]]) -> T:
    """Build what a configuration names under `key`; its other entries are the arguments.

    Raises:
        ValueError: The name or an argument is unknown.
    """
    arguments = dict(config)
    name = arguments.pop(key, None)
    check_name(key, name, sorted(types))
    try:
        return types[name](**arguments)
    except TypeError as error:
        raise ValueError(f"`{name}` does not have these parameters: {error}") from error
