"""What a person asks for, checked here and nowhere else: names become rows, amounts numbers."""

import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..._checks import as_names, check_finite, check_kind, check_length, unknown_name
from ..._preference import as_vector
from ._points import Metrics


class Names:
    """The names of tasks and metrics, as the rows 0, 1, … that wishes are computed with.

    Tasks without names get theirs from `fix_tasks`.
    """

    def __init__(self, tasks: Sequence[str] | None, metrics: Metrics | None) -> None:
        if metrics is not None:
            check_kind("metrics", metrics, Metrics)
        self._given = None if tasks is None else as_names("tasks", tasks)
        self.tasks: tuple[str, ...] = self._given or ()
        self.metrics: tuple[str, ...] = () if metrics is None else as_names("names", metrics.names)
        higher = np.asarray(True if metrics is None else metrics.higher_is_better)
        if higher.size and higher.dtype != bool:
            raise TypeError(
                f"`higher_is_better` must be a bool, or one per metric, got {higher.tolist()!r}"
            )
        if higher.ndim and higher.shape != (len(self.metrics),):
            raise ValueError(
                f"`higher_is_better` must have one entry per metric: got {higher.size} entries "
                f"for {len(self.metrics)} metrics"
            )
        self.higher_is_better = np.broadcast_to(higher, len(self.metrics)).copy()
        self._check()

    def fix_tasks(self, count: int) -> None:
        """Take the number of losses, once it is known."""
        if self._given is None:
            self.tasks = tuple(f"task {k}" for k in range(count))
            self._check()
        check_length("tasks", len(self.tasks), count)

    @property
    def rows(self) -> tuple[str, ...]:
        """Tasks, then metrics."""
        return self.tasks + self.metrics

    @property
    def signs(self) -> Tensor:
        """(row,): 1 where a larger number is worse, −1 where it is better."""
        senses = np.where(self.higher_is_better, -1.0, 1.0)
        return torch.from_numpy(np.concatenate([np.ones(len(self.tasks)), senses]))

    def row(self, parameter: str, name: str) -> int:
        """Return the row with this name."""
        if name not in self.rows:
            raise unknown_name(parameter, name, self.rows)
        return self.rows.index(name)

    def _check(self) -> None:
        for name in self.rows:
            if self.rows.count(name) > 1:
                raise ValueError(f"tasks and metrics must have different names, got {name!r} twice")


@dataclass(frozen=True, eq=False)
class Wish:
    """A checked wish, in rows; one of `improve`, `change`, `direction` and `toward` is set."""

    given: dict[str, Any]  # the wish as it was given, in JSON's types
    # wanted amount by row; None is as much as possible
    improve: Mapping[int, float | None] | None = None
    caps: Mapping[int, float] | None = None  # most that may be lost, by row
    change: Mapping[int, float] | None = None  # changes by row
    direction: Tensor | None = None  # (task,), unscaled
    toward: Tensor | None = None  # (task,), unscaled


def as_wish(
    names: Names,
    *,
    improve: str | Mapping[str, float] | None,
    give_up: Mapping[str, float] | None,
    protect: Sequence[str] | None,
    change: Mapping[str, float] | None,
    direction: Sequence[float] | Tensor | None,
    toward: Sequence[float] | Tensor | None,
) -> Wish:
    """Check a wish; the error names the argument that is wrong."""
    kinds = {"improve": improve, "change": change, "direction": direction, "toward": toward}
    made = [name for name, value in kinds.items() if value is not None]
    if len(made) != 1:
        raise ValueError(
            "a wish needs exactly one of `improve`, `change`, `direction` and `toward`, "
            f"got {', '.join(made) or 'none'}"
        )
    if improve is None and (give_up is not None or protect is not None):
        raise ValueError("`give_up` and `protect` go with `improve`")
    if improve is not None:
        return _trade(names, improve, give_up or {}, protect)
    if change is not None:
        rows = dict(_amounts(names, "change", change))
        if not rows:
            raise ValueError("`change` must name a task or metric, got nothing")
        if not any(rows.values()):
            raise ValueError("`change` must hold a number other than 0, got zeros")
        return Wish({"change": dict(change)}, change=rows)
    if direction is not None:
        vector = _vector("direction", direction, len(names.tasks))
        if not bool(vector.any()):
            raise ValueError("`direction` must not be zero")
        return Wish({"direction": vector.tolist()}, direction=vector)
    assert toward is not None  # noqa: S101 - one of the four is set
    ray = _vector("toward", toward, len(names.tasks))
    if not bool((ray > 0).all()):
        raise ValueError(f"`toward` must be positive, got {ray.tolist()}")
    return Wish({"toward": ray.tolist()}, toward=ray)


def _trade(
    names: Names,
    improve: str | Mapping[str, float],
    give_up: Mapping[str, float],
    protect: Sequence[str] | None,
) -> Wish:
    wanted: dict[int, float | None]
    if isinstance(improve, str):
        wanted = {names.row("improve", improve): None}
    else:
        wanted = dict(_amounts(names, "improve", improve, above=0))
        if not wanted:
            raise ValueError("`improve` must name a task or metric, got nothing")
    caps = dict(_amounts(names, "give_up", give_up, least=0))
    if protect is not None:
        kept = [names.row("protect", name) for name in as_names("protect", protect)]
    else:
        losses_alone = all(row < len(names.tasks) for row in (*wanted, *caps))
        floats = not losses_alone or (not isinstance(improve, str) and not give_up)
        kept = [] if floats else [k for k in range(len(names.tasks)) if k not in (*wanted, *caps)]
    for row in (*caps, *kept):
        if row in wanted:
            raise ValueError(
                f"`improve`: {names.rows[row]!r} cannot be improved and given up or protected, "
                "got both"
            )
    for row in kept:
        if row in caps and caps[row] > 0:
            raise ValueError(
                f"`give_up`: {names.rows[row]!r} cannot be given up and protected, got both"
            )
        caps[row] = 0.0
    wish = {
        "improve": improve if isinstance(improve, str) else dict(improve),
        "give_up": dict(give_up),
        "protect": [names.rows[row] for row in kept],
    }
    return Wish(wish, improve=wanted, caps=caps)


def _amounts(
    names: Names, parameter: str, given: Mapping[str, float], **bounds: float
) -> Iterator[tuple[int, float]]:
    """Yield the row and the amount of each name."""
    if not isinstance(given, Mapping):
        raise TypeError(
            f"`{parameter}` must be a mapping from name to amount, got {reprlib.repr(given)}"
        )
    for name, amount in given.items():
        yield names.row(parameter, name), _number(parameter, name, amount, **bounds)


def _number(
    parameter: str, name: str, value: float, *, above: float = -math.inf, least: float = -math.inf
) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"`{parameter}` must have numbers, got {value!r} for {name!r}")
    if not math.isfinite(value) or value <= above or value < least:
        bound = "positive" if above == 0 else "at least 0" if least == 0 else "finite"
        raise ValueError(f"`{parameter}` must be {bound}, got {value} for {name!r}")
    return float(value)


def _vector(parameter: str, values: Sequence[float] | Tensor, tasks: int) -> Tensor:
    vector = as_vector(parameter, values)
    check_length(parameter, len(vector), tasks)
    check_finite(vector, f"`{parameter}`: the entry")
    return vector
