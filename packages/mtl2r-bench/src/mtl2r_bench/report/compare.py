"""Every method against every other, with a correction for making many comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .bootstrap import basic_interval, shift_p_value
from .significance import holm, paired_randomization

__all__ = ["Comparison", "Family", "compare_means", "compare_resampled"]

LEVEL = 0.05
"""A difference counts where Holm's adjusted p-value is below this."""


@dataclass(frozen=True)
class Comparison:
    """Two methods.

    Attributes:
        first: A method.
        second: Another.
        difference: The quantity of the first less that of the second.
        low: Lower end of its interval.
        high: Upper end.
        p: Two-sided p-value of "no difference".
        adjusted: Holm's, over the comparisons of the family.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    adjusted: float


@dataclass(frozen=True)
class Family:
    """The comparisons of one quantity.

    Attributes:
        quantity: Its name.
        larger_is_better: Its sense.
        test: Which test gave the p-values.
        comparisons: All pairs.
    """

    quantity: str
    larger_is_better: bool
    test: str
    comparisons: tuple[Comparison, ...]

    def beaten_by(self, method: str) -> list[str]:
        """The methods that are worse than this one beyond `LEVEL`."""
        found = []
        for one in self.comparisons:
            if one.adjusted < LEVEL and method in (one.first, one.second):
                first_is_better = (one.difference > 0) == self.larger_is_better
                winner, loser = (
                    (one.first, one.second) if first_is_better else (one.second, one.first)
                )
                found += [loser] if winner == method else []
        return found


def compare_resampled(
    quantity: str,
    names: Sequence[str],
    values: NDArray[np.float64],
    resampled: NDArray[np.float64],
    *,
    larger_is_better: bool,
    level: float = 0.95,
) -> Family:
    """All pairs by the paired bootstrap, for a quantity that is no mean over lists.

    Args:
        quantity: Its name.
        names: The methods.
        values: (method,).
        resampled: (resample, method), from the same draws of lists.
        larger_is_better: The quantity's sense.
        level: Of the intervals.
    """
    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        return Family(quantity, larger_is_better, "paired bootstrap", ())
    left, right = np.array(pairs).T
    differences, redrawn = values[left] - values[right], resampled[:, left] - resampled[:, right]
    return _family(
        quantity,
        names,
        pairs,
        differences,
        basic_interval(differences, redrawn, level),
        shift_p_value(differences, redrawn),
        larger_is_better,
        "paired bootstrap",
    )


def compare_means(
    quantity: str,
    names: Sequence[str],
    scores: NDArray[np.float64],
    resampled: NDArray[np.float64],
    *,
    larger_is_better: bool,
    level: float = 0.95,
) -> Family:
    """All pairs by the paired randomisation test, for a sum over lists.

    Args:
        quantity: Its name.
        names: The methods.
        scores: (method, query), what a list adds to the quantity, up to what all methods share.
        resampled: (resample, method) the quantity, from the same draws of lists.
        larger_is_better: The quantity's sense.
        level: Of the intervals.
    """
    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        return Family(quantity, larger_is_better, "paired randomisation test", ())
    left, right = np.array(pairs).T
    differences = (scores[left] - scores[right]).sum(axis=1)
    return _family(
        quantity,
        names,
        pairs,
        differences,
        basic_interval(differences, resampled[:, left] - resampled[:, right], level),
        # Enough permutations for a small p-value to survive the correction.
        paired_randomization(scores, pairs, permutations=max(9_999, 100 * len(pairs) - 1)),
        larger_is_better,
        "paired randomisation test",
    )


def _family(
    quantity: str,
    names: Sequence[str],
    pairs: Sequence[tuple[int, int]],
    differences: NDArray[np.float64],
    intervals: NDArray[np.float64],
    p_values: NDArray[np.float64],
    larger_is_better: bool,
    test: str,
) -> Family:
    rows = zip(pairs, differences, intervals, p_values, holm(p_values), strict=True)
    return Family(
        quantity,
        larger_is_better,
        test,
        tuple(
            Comparison(names[i], names[j], float(d), float(low), float(high), float(p), float(q))
            for (i, j), d, (low, high), p, q in rows
        ),
    )
