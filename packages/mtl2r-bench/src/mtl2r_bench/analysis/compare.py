"""Every method against every other, with a correction for making many comparisons."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ltr_losses.significance import holm, paired_randomization, shift_p_value

from .bootstrap import basic_interval

SIGNIFICANCE = 0.05
"""A difference counts where Holm's adjusted p-value is below this."""


@dataclass(frozen=True)
class Comparison:
    """Two methods, with the interval of their difference.

    Attributes:
        difference: The quantity of the first less that of the second.
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
    """The comparisons of all pairs of methods in one quantity, and the test they used."""

    quantity: str
    larger_is_better: bool
    test: str
    comparisons: tuple[Comparison, ...]

    @property
    def methods(self) -> set[str]:
        """The methods that were compared."""
        return {name for one in self.comparisons for name in (one.first, one.second)}

    def beaten_by(self, method: str) -> list[str]:
        """Return the methods that are worse than this one beyond `SIGNIFICANCE`."""
        found = []
        for one in self.comparisons:
            winner, loser = one.first, one.second
            if (one.difference > 0) != self.larger_is_better:
                winner, loser = loser, winner
            if winner == method and one.adjusted < SIGNIFICANCE:
                found.append(loser)
        return found


def compare(
    quantity: str,
    names: Sequence[str],
    values: NDArray[np.float64],
    resampled: NDArray[np.float64],
    *,
    scores: NDArray[np.float64] | None = None,
    larger_is_better: bool,
    level: float = 0.95,
) -> Family:
    """Compare all pairs: intervals by the paired bootstrap, p-values by it or by randomisation.

    `values` are (method,), `resampled` (resample, method) from the same draws of lists. `scores`
    (method, query) are contributions of the lists, where the quantity is a sum over lists; a part
    that all methods share may be missing. The test is then the paired randomisation test.
    """
    test = "paired bootstrap" if scores is None else "paired randomisation test"
    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        return Family(quantity, larger_is_better, test, ())
    left, right = np.array(pairs).T
    differences, redrawn = values[left] - values[right], resampled[:, left] - resampled[:, right]
    if scores is None:
        p_values = shift_p_value(differences, redrawn)
    else:  # Enough permutations for a small p-value to survive the correction.
        permutations = max(9_999, 100 * len(pairs) - 1)
        p_values = paired_randomization(scores, pairs=pairs, permutations=permutations, exact=False)
    intervals = basic_interval(differences, redrawn, level)
    columns = [differences, *intervals.T, p_values, holm(p_values)]
    rows = zip(pairs, np.stack(columns, axis=1).tolist(), strict=True)
    found = tuple(Comparison(names[i], names[j], *numbers) for (i, j), numbers in rows)
    return Family(quantity, larger_is_better, test, found)
