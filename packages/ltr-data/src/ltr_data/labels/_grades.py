"""Grades from the quantiles of a column."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from .._checks import check_at_least
from ._transforms import LabelTransform


@dataclass(frozen=True)
class QuantileGrades(LabelTransform):
    """Grades 0, ..., levels − 1 by quantiles of the training values.

    With `separate_minimum` the smallest training value (the zeros of counts and times), and what is
    below, has grade 0, and the values above it are cut into levels − 1 bins of equal size. Without,
    all values are cut into `levels` bins of equal size. Grade of a value = number of `edges` below
    it. Equal values share a grade, so bins are less equal, and grades fewer, where values repeat.

    Args:
        levels: Number of grades, at least 2.
        separate_minimum: Whether grade 0 is for the minimum alone.
        edges: Ascending upper bounds (inclusive) of all grades but the last; from `fit`.

    Raises:
        ValueError: `levels` is below 2, or `edges` do not rise or are too many.

    Examples:
        >>> import numpy as np
        >>> clicks = np.array([0, 0, 0, 0, 1, 1, 2, 3, 8, 9], dtype=np.float32)
        >>> grades = QuantileGrades(levels=4).fit(clicks)
        >>> grades.edges
        (0.0, 1.0, 3.0)
        >>> grades(clicks)
        array([0., 0., 0., 0., 1., 1., 2., 2., 3., 3.], dtype=float32)
    """

    levels: int = 5
    separate_minimum: bool = True
    edges: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_at_least(2, levels=self.levels)
        if self.edges is not None and (
            len(self.edges) >= self.levels or np.any(np.diff(self.edges) <= 0)
        ):
            raise ValueError(
                f"`edges` must be fewer than {self.levels} levels and rise, got {self.edges}"
            )

    def fit(self, values: npt.NDArray[np.floating]) -> Self:
        if self.edges is not None:
            return self
        edges: list[float] = []
        bins = self.levels
        if self.separate_minimum:
            edges.append(float(np.min(values)))
            values = values[values > edges[0]]
            bins -= 1
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) > 1:
            # A cut lies after a value that occurs, not the last: the one nearest to the share.
            shares = np.cumsum(counts[:-1]) / len(values)
            wanted = np.arange(1, bins) / bins
            cuts = np.abs(shares - wanted[:, None]).argmin(axis=1)
            edges.extend(float(distinct[cut]) for cut in np.unique(cuts))
        return dataclasses.replace(self, edges=tuple(edges))

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        if self.edges is None:
            raise RuntimeError("`QuantileGrades` must be fitted before it is called")
        return np.searchsorted(np.array(self.edges), values, side="left").astype(np.float32)

    @classmethod
    def _from_parameters(cls, *, edges: Sequence[float] | None = None, **parameters: Any) -> Self:
        return cls(**parameters, edges=None if edges is None else tuple(edges))
