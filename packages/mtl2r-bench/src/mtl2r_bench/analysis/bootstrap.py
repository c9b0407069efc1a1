"""The bootstrap over lists: how much a study's numbers would change with other lists."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ltr_losses.significance import bootstrap_counts

_CHUNK = 4_000_000
"""Counts in memory at a time."""


@dataclass(frozen=True)
class IntervalEstimate:
    """A number with its interval over lists and its spread over seeds.

    Attributes:
        value: On the lists there are.
        low: Lower end of the interval.
        high: Upper end.
        seed_spread: Standard deviation over seeds; None with fewer than two.
    """

    value: float
    low: float
    high: float
    seed_spread: float | None = None


class Bootstrap:
    """Means over resampled lists.

    Every resample draws as many lists as there are, with replacement and within each stratum (the
    folds of a study). Every call uses the same draws, so whatever is computed from the resampled
    means (differences, hypervolumes, Δm) is paired over lists, also between task sets. A draw
    without a list that counts for some task is replaced by another.

    Average runs that differ only in their seed per list first: they share their lists, and drawing
    them seed by seed would count each list several times.

    Args:
        counted: (task, query), whether a list counts for a task.
        strata: (query,), lists are drawn among those of the same number.
        resamples: How many draws.
        seed: Of the draws.

    Raises:
        ValueError: When no list counts for some task, or shapes do not fit.

    Examples:
        >>> values = np.random.default_rng(0).normal(size=(1, 400))   # (task, query)
        >>> bootstrap = Bootstrap(np.ones((1, 400), bool), np.zeros(400, int))
        >>> means = bootstrap.means(values)                           # (resample, task)
        >>> bool(abs(means.std() / (values.std() / 20) - 1) < 0.1)    # the error is s/√n
        True

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, sections 6 and 16.
    """

    def __init__(
        self,
        counted: NDArray[np.bool_],
        strata: ArrayLike,
        *,
        resamples: int = 1_000,
        seed: int = 0,
    ) -> None:
        self.counted = np.asarray(counted, dtype=bool)
        self.resamples = resamples
        self.seed = seed
        _, self._strata = np.unique(np.asarray(strata), return_inverse=True)
        if self.counted.ndim != 2 or self._strata.shape != self.counted.shape[1:]:
            raise ValueError(
                "`counted` must be (task, query) and `strata` (query,), "
                f"got {self.counted.shape} and {self._strata.shape}"
            )
        if not self.counted.any(axis=1).all():
            raise ValueError("`counted` must have a list that counts for every task")

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the means over the lists of each draw, by one matrix product.

        Args:
            values: (..., task, query); values of lists that do not count are ignored.

        Returns:
            (resample, ..., task).
        """
        if values.shape[-2:] != self.counted.shape:
            raise ValueError(
                f"`values` must end with {self.counted.shape}, got shape {values.shape}"
            )
        columns = np.where(self.counted, values, 0.0).reshape(-1, values.shape[-1]).T
        parts = []
        for counts in self._draws():
            sums = (counts @ columns).reshape(len(counts), -1, len(self.counted))
            parts.append(sums / (counts @ self.counted.T)[:, None])
        return np.concatenate(parts).reshape(-1, *values.shape[:-1])

    def _draws(self) -> Iterator[NDArray[np.float64]]:
        """Count how often each list was drawn, (resample, query), chunk by chunk."""
        rng, again = np.random.default_rng(self.seed), np.random.default_rng((self.seed, 1))
        queries = self.counted.shape[1]
        size = max(1, _CHUNK // queries)
        for start in range(0, self.resamples, size):
            counts = self._counts(rng, min(size, self.resamples - start))
            while (missing := ((counts @ self.counted.T) == 0).any(axis=1)).any():
                counts[missing] = self._counts(again, int(missing.sum()))
            yield counts

    def _counts(self, rng: np.random.Generator, resamples: int) -> NDArray[np.float64]:
        counts = np.empty((resamples, len(self._strata)))
        for stratum in range(self._strata.max() + 1):
            members = np.flatnonzero(self._strata == stratum)
            counts[:, members] = bootstrap_counts(rng, len(members), resamples)
        return counts


def basic_interval(
    estimate: ArrayLike, resampled: NDArray[np.float64], level: float = 0.95
) -> NDArray[np.float64]:
    """Return the basic bootstrap interval [2t − q₁₋ₐ, 2t − qₐ] of the resamples' quantiles q.

    For a mean it is nearly the percentile interval. A hypervolume of noisy points is biased
    upwards, and that of resampled points even more: this interval corrects the bias, which the
    percentile interval doubles. (Ten points of equal quality with correlated noise over 300 lists:
    95 % percentile intervals covered the true hypervolume 82 % of the time, basic ones 96 %.)

    Args:
        estimate: t, of any shape.
        resampled: (resample, ...).
        level: Of confidence, between 0 and 1.

    Returns:
        (..., 2): lower and upper end.

    Examples:
        >>> basic_interval(1.0, np.linspace(0.0, 3.0, 301), level=0.9).round(2).tolist()
        [-0.85, 1.85]

    References:
        Davison and Hinkley, Bootstrap Methods and their Application, 1997, equation 5.6.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    centre = np.asarray(estimate, dtype=np.float64)
    return np.stack([2 * centre - high, 2 * centre - low], axis=-1)


def estimates(
    values: NDArray[np.float64],
    resampled: NDArray[np.float64],
    level: float,
    by_seed: Sequence[Sequence[float]] | None = None,
    *,
    floor: float = -np.inf,
) -> tuple[IntervalEstimate, ...]:
    """Return numbers with their basic intervals and their spread over seeds.

    Args:
        values: (number,).
        resampled: (resample, number).
        level: Of the intervals.
        by_seed: Per number its values by seed.
        floor: What the quantity cannot be below; intervals are cut there.
    """
    intervals = np.maximum(basic_interval(values, resampled, level), floor)
    seeds = [()] * len(values) if by_seed is None else by_seed
    return tuple(
        IntervalEstimate(float(v), float(low), float(high), spread(one))
        for v, (low, high), one in zip(values, intervals, seeds, strict=True)
    )


def estimate(
    value: float,
    resampled: NDArray[np.float64],
    level: float,
    by_seed: Sequence[float] = (),
    *,
    floor: float = -np.inf,
) -> IntervalEstimate:
    """Return one number as `estimates` does; `resampled` is (resample,)."""
    return estimates(np.array([value]), resampled[:, None], level, [by_seed], floor=floor)[0]


def spread(by_seed: Sequence[float]) -> float | None:
    """Return the standard deviation over seeds; None with fewer than two."""
    return float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None
