"""A validation metric, measured once per set of parameters, and its paired changes."""

import hashlib
from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from .problem import Problem

REMEMBERED = 256
"""The largest number of measurements kept; older ones are repeated on request."""


class MetricCache:
    """The metric (task, query) of a model, cached by its parameters."""

    def __init__(self, problem: Problem) -> None:
        self._measure = problem.measure
        self._values: dict[str, NDArray[np.float64]] = {}

    def __call__(self, model: nn.Module) -> NDArray[np.float64]:
        """Return the metric of a model; measure it if needed."""
        key = digest(dict(model.named_parameters()))
        if key not in self._values:
            while len(self._values) >= REMEMBERED:
                del self._values[next(iter(self._values))]
            self._values[key] = self._measure(model)
        return self._values[key]

    def learn(self, other: Self) -> None:
        """Copy the measurements of another cache."""
        self._values.update(other._values)


def paired_change(
    before: NDArray[np.float64], after: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the mean change (task,) over the queries and its standard error; NaN if unknown.

    The metrics are (task, query), NaN where a list has no value.

    Examples:
        >>> before, after = np.array([[0.1, 0.2, np.nan]]), np.array([[0.2, 0.4, np.nan]])
        >>> change, error = paired_change(before, after)
        >>> change.round(3), error.round(3)     # .1 and .2: their mean, |.2 - .1| / 2
        (array([0.15]), array([0.05]))
    """
    change = after - before
    count = (~np.isnan(change)).sum(axis=-1)
    mean = np.nansum(change, axis=-1) / np.maximum(count, 1)
    squares = np.nansum((change - mean[:, None]) ** 2, axis=-1) / np.maximum(count - 1, 1)
    error = np.where(count > 1, np.sqrt(squares / np.maximum(count, 1)), np.nan)
    return np.where(count > 0, mean, np.nan), error


def digest(parameters: Mapping[str, Tensor]) -> str:
    """Compute the SHA-256 of parameters and their names."""
    found = hashlib.sha256()
    for name in sorted(parameters):
        found.update(name.encode())
        found.update(parameters[name].detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
