"""The numbers of a task set's points, on the lists there are and on lists drawn again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bootstrap import Bootstrap, IntervalEstimate, estimates
from .points import PointSet, delta_by_seed, delta_m


@dataclass(frozen=True)
class Resampled:
    """Metrics and Δm of the points, with the same draws of lists for all of them.

    Attributes:
        values: (point, task) metrics on the lists there are.
        drawn: (draw, point, task) metrics on the lists of each draw.
        draws: (draw,) which draws of the bootstrap were used, counted from 0. A draw in which some
            baseline is 0 has no Δm and is left out, of everything.
        own: (task,) each baseline's metric of its own task; None where there is no Δm.
        deltas: (point,) Δm% as estimates; empty where there is no Δm.
        drawn_deltas: (draw, point) Δm%; None where there is no Δm.
    """

    measured: PointSet
    level: float
    values: NDArray[np.float64]
    drawn: NDArray[np.float64]
    draws: NDArray[np.int64]
    own: NDArray[np.float64] | None = None
    deltas: tuple[IntervalEstimate, ...] = ()
    drawn_deltas: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, measured: PointSet, resamples: int, level: float) -> "Resampled":
        """Draw the lists of a task set `resamples` times."""
        points, base = measured.points, measured.baselines
        values = np.stack([point.values for point in points])
        bootstrap = Bootstrap(measured.counted, measured.strata, resamples=resamples)
        drawn = bootstrap.means(np.stack([point.queries for point in points]))
        draws = np.arange(resamples)
        if base is None or len(base) < 2 or (values[base].diagonal() <= 0).any():
            return cls(measured, level, values, drawn, draws)
        drawn_own = np.diagonal(drawn[:, base], axis1=1, axis2=2)
        kept = (drawn_own > 0).all(axis=1)
        drawn, draws, own = drawn[kept], draws[kept], values[base].diagonal()
        drawn_deltas = delta_m(drawn, drawn_own[kept, None])
        by_seed = [delta_by_seed(point, [points[i] for i in base]) for point in points]
        deltas = estimates(delta_m(values, own), drawn_deltas, level, by_seed)
        return cls(measured, level, values, drawn, draws, own, deltas, drawn_deltas)

    def metrics(self) -> tuple[tuple[IntervalEstimate, ...], ...]:
        """Return the metrics (point, task) as estimates."""
        seeds = [[*zip(*point.by_seed.values(), strict=True)] for point in self.measured.points]
        return tuple(
            estimates(self.values[i], self.drawn[:, i], self.level, by_seed or None)
            for i, by_seed in enumerate(seeds)
        )
