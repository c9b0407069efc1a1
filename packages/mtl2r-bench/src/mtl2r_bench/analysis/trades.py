"""Whether a sweep over preferences trades one task for the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from .points import PointSet
from .results import standard_error


@dataclass(frozen=True)
class Trade:
    """How one task's metric moves along a method's preferences for it.

    Attributes:
        rank_correlation: Spearman's, between the preference for the task and its metric.
        gain: Its metric at the largest preference for it less that at the smallest.
        gain_error: Standard error of `gain`, paired over queries.
        largest_drop: The largest drop of the metric from one preference to the next larger one;
            0 where it never drops.
        drop_error: The standard error of that difference, paired over queries.
    """

    method: str
    task: str
    rank_correlation: float
    gain: float
    gain_error: float
    largest_drop: float
    drop_error: float

    @property
    def drops(self) -> bool:
        """Whether the metric drops anywhere."""
        return self.largest_drop != 0

    @property
    def is_monotone(self) -> bool:
        """Whether no drop is larger than two standard errors."""
        return self.largest_drop <= 2 * self.drop_error


def trades(measured: PointSet) -> Iterator[Trade]:
    """Describe the sweeps of all methods by task; none with more than two tasks.

    The preference vectors have no order then.
    """
    if len(measured.tasks) != 2:
        return
    for method in dict.fromkeys(point.method for point in measured.points):
        points = [measured.points[i] for i in measured.places(method)]
        mine = [point for point in points if point.position is not None]
        mine.sort(key=lambda point: point.position or 0.0)
        if len(mine) < 2:
            continue
        for index, task in enumerate(measured.tasks):
            ordered = mine if index == 0 else mine[::-1]  # from little to much of this task
            values = [point.queries[index] for point in ordered]
            steps = [after - before for before, after in pairwise(values)]
            means = [float(np.nanmean(step)) for step in steps]
            worst = int(np.argmin(means))
            whole = values[-1] - values[0]
            yield Trade(
                method=method,
                task=task,
                rank_correlation=rank_correlation(
                    np.arange(len(ordered), dtype=np.float64),
                    np.array([point.values[index] for point in ordered]),
                ),
                gain=float(np.nanmean(whole)),
                gain_error=float(standard_error(whole)),
                largest_drop=max(0.0, -means[worst]),
                drop_error=float(standard_error(steps[worst])),
            )


def rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Compute Spearman's ρ; 0 where one of the two does not vary."""
    ranks = np.stack([rankdata(a), rankdata(b)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    scale = float(np.sqrt((ranks**2).sum(axis=1).prod()))
    return float(ranks[0] @ ranks[1]) / scale if scale > 0 else 0.0
