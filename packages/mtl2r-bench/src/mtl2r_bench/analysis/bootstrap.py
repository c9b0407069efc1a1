"""The bootstrap over lists: how far a study's numbers would move with other lists of its kind."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CHUNK = 4_000_000
"""How many counts are in memory at a time."""


@dataclass(frozen=True)
class Estimate:
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
    """Means over lists, with the lists drawn again and again.

    Every resample draws as many lists as there are, with replacement and within each stratum (the
    folds of a study). The same draws serve every call, so that whatever is computed from the
    resampled means (differences, hypervolumes, Δm) is paired over lists; and so for other tasks on
    the same lists. A draw with no list that counts for some task is drawn again, by itself.

    Runs that differ in their seed are to be averaged per list before: their lists are the same, and
    to draw them seed by seed would count each list several times as if it were another one.

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

    Reference:
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
        """Means over the lists of each draw, as one product of matrices.

        Args:
            values: (..., task, query); what stands where a list does not count is not read.

        Returns:
            (resample, ..., task).
        """
        lead, (tasks, queries) = values.shape[:-2], values.shape[-2:]
        if (tasks, queries) != self.counted.shape:
            raise ValueError(
                f"`values` must end with {self.counted.shape}, got shape {values.shape}"
            )
        filled = np.where(self.counted, values, 0.0)
        columns = filled.reshape(-1, queries).T  # (query, ... and task)
        parts = []
        for counts in self._draws():
            sizes = counts @ self.counted.T
            sums = (counts @ columns).reshape(len(counts), *lead, tasks)
            parts.append(sums / sizes.reshape(len(counts), *(1 for _ in lead), tasks))
        return np.concatenate(parts)

    def _draws(self) -> Iterator[NDArray[np.float64]]:
        """(resample, query) how often each list was drawn, a chunk of resamples at a time."""
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
            drawn = rng.integers(len(members), size=(resamples, len(members)))
            drawn += len(members) * np.arange(resamples)[:, None]
            flat = np.bincount(drawn.ravel(), minlength=resamples * len(members))
            counts[:, members] = flat.reshape(resamples, len(members))
        return counts


def basic_interval(
    estimate: ArrayLike, resampled: NDArray[np.float64], level: float = 0.95
) -> NDArray[np.float64]:
    """The basic bootstrap interval [2t − q₁₋ₐ, 2t − qₐ], with q the quantiles of the resamples.

    For a mean it is nearly the percentile interval. A hypervolume of noisy points is biased
    upwards, and that of resampled points once more: the percentile interval then misses to the one
    side where this one corrects. (Ten points of equal quality with correlated noise over 300 lists:
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

    Reference:
        Davison and Hinkley, Bootstrap Methods and their Application, 1997, equation 5.6.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    centre = np.asarray(estimate, dtype=np.float64)
    return np.stack([2 * centre - high, 2 * centre - low], axis=-1)


def shift_p_value(estimate: ArrayLike, resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-sided p-value of "the quantity is 0" by the bootstrap: (1 + #{|t* − t| ≥ |t|})/(1 + B).

    Args:
        estimate: t, of any shape.
        resampled: t*, (resample, ...).

    Returns:
        One value per entry of `estimate`, from 1/(1 + B) to 1.

    Examples:
        >>> shift_p_value([0.0, 9.0], np.array([[0.1, 8.0], [-0.1, 10.0], [0.0, 9.5]])).tolist()
        [1.0, 0.25]

    Reference:
        Davison and Hinkley, 1997, section 4.4 (equation 4.11 with t* − t for the null).
    """
    centre = np.asarray(estimate, dtype=np.float64)
    extreme = (np.abs(resampled - centre) >= np.abs(centre)).sum(axis=0)
    p: NDArray[np.float64] = (1 + extreme) / (1 + len(resampled))
    return p


def estimates(
    values: NDArray[np.float64],
    resampled: NDArray[np.float64],
    level: float,
    by_seed: Sequence[Sequence[float]] | None = None,
    *,
    floor: float = -np.inf,
) -> tuple[Estimate, ...]:
    """Numbers with their basic intervals and their spread over seeds.

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
        Estimate(float(v), float(low), float(high), spread(one))
        for v, (low, high), one in zip(values, intervals, seeds, strict=True)
    )


def spread(by_seed: Sequence[float]) -> float | None:
    """Standard deviation over seeds; None with fewer than two."""
    return float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None
