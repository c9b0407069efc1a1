"""The numbers of a task set's points, on the lists there are and on lists drawn again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bootstrap import Bootstrap, IntervalEstimate, estimates
from .delta import delta_by_seed, delta_m, own_baselines
from .points import PointSet


@dataclass(frozen=True)
class Resampled:
    """Metrics and Δm of the points, with the same draws of lists for all of them.

    Attributes:
        values: (point, task) metrics on the lists there are.
        drawn: (draw, point, task) metrics on the lists of each draw.
        own: (task,) each baseline's metric of its own task; None where there is no Δm.
        drawn_deltas: (draw, point) Δm%; None where there is no Δm.
        draws: (draw,) which draws of the bootstrap were used, counted from 0. A draw in which some
            baseline is 0 has no Δm and is left out, of everything.
        level: Of the intervals.
    """

    values: NDArray[np.float64]
    drawn: NDArray[np.float64]
    own: NDArray[np.float64] | None
    drawn_deltas: NDArray[np.float64] | None
    draws: NDArray[np.int64]
    level: float

    @classmethod
    def of(cls, measured: PointSet, resamples: int, level: float) -> "Resampled":
        """Draw the lists of a task set `resamples` times."""
        points, base = measured.points, measured.baselines
        values = np.stack([point.values for point in points])
        bootstrap = Bootstrap(measured.counted, measured.strata, resamples=resamples)
        drawn = bootstrap.means(np.stack([point.queries for point in points]))
        draws = np.arange(resamples)
        if base is None or len(base) < 2 or (values[base].diagonal() <= 0).any():
            return cls(values, drawn, None, None, draws, level)
        kept = (own_baselines(drawn[:, base])[:, 0] > 0).all(axis=1)
        drawn, draws = drawn[kept], draws[kept]
        deltas = delta_m(drawn, own_baselines(drawn[:, base]))
        return cls(values, drawn, values[base].diagonal(), deltas, draws, level)

    def metrics(self, measured: PointSet) -> tuple[tuple[IntervalEstimate, ...], ...]:
        """Return the metrics (point, task) as estimates."""
        by_seed = [list(zip(*point.by_seed.values(), strict=True)) for point in measured.points]
        return tuple(
            estimates(self.values[i], self.drawn[:, i], self.level, seeds or None)
            for i, seeds in enumerate(by_seed)
        )

    def deltas(self, measured: PointSet) -> tuple[IntervalEstimate, ...]:
        """Return Δm% per point as estimates; empty where there is no Δm."""
        if self.own is None or self.drawn_deltas is None:
            return ()
        base = [measured.points[i] for i in measured.baselines or ()]
        by_seed = [delta_by_seed(point, base) for point in measured.points]
        return estimates(delta_m(self.values, self.own), self.drawn_deltas, self.level, by_seed)
