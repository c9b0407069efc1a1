"""In what hypervolumes are measured."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mtl_optim.pareto import hypervolume, hypervolume_samples

from .points import PointSet
from .results import standard_error


@dataclass(frozen=True)
class Box:
    """One box for all methods, which none of them can move.

    With single-task baselines the ideal point is each task's own baseline, and the reference point
    lies a tenth of the range below the worst that a baseline of another task does (the nadir of
    the payoff table), so that the ends of a front count too. Without them, or where a baseline is
    no better than the others, the reference is the expected metric of a random order and nothing
    is scaled.

    Attributes:
        reference: (task,) the reference point.
        ideal: (task,) with `reference` the corners of a box of volume 1; None for no scaling.
    """

    reference: NDArray[np.float64]
    ideal: NDArray[np.float64] | None

    @classmethod
    def of(cls, payoff: NDArray[np.float64] | None, random_order: NDArray[np.float64]) -> Self:
        """Return the box of a payoff table (baseline, task)."""
        if payoff is not None:
            ideal, nadir = payoff.diagonal().copy(), payoff.min(axis=0)
            if (ideal > nadir).all():
                return cls(nadir - 0.1 * (ideal - nadir), ideal)
        return cls(random_order, None)

    def volume(self, values: NDArray[np.float64]) -> float:
        """Compute the hypervolume of points (point, task), larger metrics being better."""
        return hypervolume(values, self.reference, maximize=True, ideal=self.ideal)

    def volumes(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the hypervolumes (set,) of sets of points (set, point, task)."""
        return hypervolume_samples(values, self.reference, maximize=True, ideal=self.ideal)


def narrow_sides(measured: PointSet) -> tuple[tuple[str, float, float], ...]:
    """Find the tasks whose side of the box is within the noise, with its width and standard error.

    The width is by how much the task's own baseline exceeds the worst of the others.
    """
    places = measured.baselines or ()
    found = []
    for k, task in enumerate(measured.tasks if places else ()):
        queries = np.stack([measured.points[place].queries[k] for place in places])
        gaps = queries[k] - queries
        widest = gaps[np.nanmean(gaps, axis=1).argmax()]
        width, error = float(np.nanmean(widest)), float(standard_error(widest))
        if width < 2 * error:
            found.append((task, width, error))
    return tuple(found)
