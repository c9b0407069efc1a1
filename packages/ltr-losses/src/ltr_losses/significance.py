"""Paired significance tests between methods on per-query values, and a correction for many of them.

What the tests have in common:

* `values`: (method, query), arrays or tensors, a metric's `reduction="none"` for instance; or
  (query,), with the same lists under a second method as `other`.
* NaN says that a list has no value. It is left out of every pair in which either value is NaN, and
  stays in the pairs that have both.
* `pairs`: the methods to compare, by index, all of which share the draws; None: every method with
  every later one, in the order of `itertools.combinations`.
* The p-values are two-sided: (pair,), or a single one, (), with `other`.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ._check import check_positive

Values = ArrayLike | torch.Tensor
Floats = NDArray[np.float64]
Pairs = Sequence[tuple[int, int]]

_CHUNK = 4_000_000
"""Signs or counts in memory at a time."""

_ROUNDING = 1e-9
"""Sums of differences are equal if they are nearer than this part of their absolute sum."""


class _Pairs(NamedTuple):
    """The pairs to compare, over the lists for which both methods have a value."""

    differences: Floats
    """(pair, query), 0 at the lists that are left out."""
    sets: NDArray[np.bool_]
    """(set, query), the lists that some pair is compared on."""
    chosen: NDArray[np.int64]
    """(pair,), which of the sets is the pair's."""
    columns: Floats
    """(column, query), the values less the mean over the methods. A method has a column for each
    set of lists that it is compared on, 0 at the others."""
    left: NDArray[np.int64]
    """(pair,), the column of the first method."""
    right: NDArray[np.int64]
    """(pair,), the column of the second."""
    shape: tuple[int, ...]
    """Of the result: (pair,), or () where two (query,) were given."""

    def sums(self, weights: Floats) -> Floats:
        """Return the weighted sums of the differences, (draw, pair), of weights (draw, query)."""
        sums = weights @ self.columns.T
        return sums[:, self.left] - sums[:, self.right]


def paired_t_test(
    values: Values, other: Values | None = None, *, pairs: Pairs | None = None
) -> Floats:
    """Compute two-sided p-values of Student's paired t-test.

        t = d̄ / (s / √n),   p = P(|T| ≥ |t|) with n − 1 degrees of freedom

    where d̄ is the mean of the n differences and s their standard deviation. p is 1 where d̄ is 0.

    Args:
        values: (method, query) or (query,); NaN where a list has no value.
        other: (query,), the second method, with `values` (query,).
        pairs: The methods to compare, by index; None: all.

    Returns:
        (pair,), or () with `other`.

    Raises:
        ValueError: Shapes that do not fit, an infinite value, a method that is not there, or a pair
            that has fewer than two lists.

    Examples:
        >>> a, b = np.array([0.5, 0.7, 0.4, 0.9]), np.array([0.4, 0.5, 0.4, 0.8])
        >>> print(f"{paired_t_test(a, b):.4f}")
        0.0917
        >>> paired_t_test([a, b, [0.1, 0.2, np.nan, 0.1]], pairs=[(0, 1), (0, 2)]).round(4)
        array([0.0917, 0.0422])

    References:
        Student, "The probable error of a mean", Biometrika 6, 1908. For retrieval: M. Smucker,
        J. Allan, B. Carterette, "A comparison of statistical significance tests for information
        retrieval evaluation", CIKM 2007.
    """
    found = _prepare(values, other, pairs, least=2)
    n, mean = _means(found)
    deviations = np.where(found.sets[found.chosen], found.differences - mean[:, None], 0.0)
    error = np.sqrt((deviations**2).sum(axis=1) / (n - 1) / n)
    with np.errstate(divide="ignore"):  # Where all differences are equal, t is infinite.
        t = np.divide(mean, error, out=np.zeros_like(mean), where=mean != 0)
    p: Floats = 2 * special.stdtr(n - 1, -np.abs(t))
    return p.reshape(found.shape)


def paired_randomization(
    values: Values,
    other: Values | None = None,
    *,
    pairs: Pairs | None = None,
    permutations: int = 9_999,
    seed: int = 0,
    exact: bool = True,
) -> Floats:
    """Compute two-sided p-values of the paired randomisation test (Fisher's) for sums over lists.

    Where two methods do not differ, a list's two values may be swapped. A swap turns the sign of
    their difference, so the statistic T = |Σ_q d_q| is compared with T* = |Σ_q s_q d_q| for random
    signs s: p = (1 + #{T* ≥ T})/(1 + permutations). The mean of the lists gives the same p. All
    pairs share the signs.

    Args:
        values: (method, query) or (query,); NaN where a list has no value. They may be what each
            list contributes to a sum, whatever its weight.
        other: (query,), the second method, with `values` (query,).
        pairs: The methods to compare, by index; None: all.
        permutations: How many random signs; p is 1/(1 + permutations) at least.
        seed: Of the signs.
        exact: Whether all 2ⁿ signs of n lists take their place where they are no more than
            `permutations`: p is then #{T* ≥ T}/2ⁿ, without chance.

    Returns:
        (pair,), or () with `other`.

    Raises:
        ValueError: Shapes that do not fit, an infinite value, a method that is not there, or a pair
            without a list.

    Examples:
        Three lists that all favour one method: of the 8 signs, two are as extreme.

        >>> paired_randomization([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
        array([0.25])

    References:
        R. Fisher, The Design of Experiments, 1935. For retrieval: M. Smucker, J. Allan,
        B. Carterette, "A comparison of statistical significance tests for information retrieval
        evaluation", CIKM 2007.
    """
    check_positive("permutations", permutations)
    found = _prepare(values, other, pairs, least=1)
    threshold = np.abs(found.differences.sum(axis=1)) - _tolerance(found)
    queries = found.differences.shape[1]
    whole = exact and 2**queries <= permutations
    extreme = np.zeros(len(threshold), dtype=np.int64)
    for signs in _all_signs(queries) if whole else _random_signs(queries, permutations, seed):
        extreme += (np.abs(found.sums(signs)) >= threshold).sum(axis=0)
    p: Floats = extreme / 2**queries if whole else (1 + extreme) / (1 + permutations)
    return p.reshape(found.shape)


def paired_bootstrap(
    values: Values,
    other: Values | None = None,
    *,
    pairs: Pairs | None = None,
    resamples: int = 9_999,
    seed: int = 0,
) -> Floats:
    """Compute two-sided p-values of "the mean difference is 0" by the bootstrap over lists.

        p = (1 + #{|d̄* − d̄| ≥ |d̄|})/(1 + resamples)

    d̄* is the mean difference over as many lists as there are, drawn with replacement: shifted by
    d̄, its spread is that of a mean difference of 0. All pairs share the draws.

    Args:
        values: (method, query) or (query,); NaN where a list has no value. A draw without a list
            that a pair has a value for counts against a difference.
        other: (query,), the second method, with `values` (query,).
        pairs: The methods to compare, by index; None: all.
        resamples: How many draws; p is 1/(1 + resamples) at least.
        seed: Of the draws.

    Returns:
        (pair,), or () with `other`.

    Raises:
        ValueError: Shapes that do not fit, an infinite value, a method that is not there, or a pair
            without a list.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> a = rng.normal(size=100)
        >>> b = a - 0.2 + rng.normal(size=100)
        >>> print(f"{paired_bootstrap(a, b):.2f}; of a t-test: {paired_t_test(a, b):.2f}")
        0.01; of a t-test: 0.01

    References:
        B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, section 16.4.
    """
    check_positive("resamples", resamples)
    found = _prepare(values, other, pairs, least=1)
    n, mean = _means(found)
    queries = found.differences.shape[1]
    rng = np.random.default_rng(seed)
    means = []
    for start, stop in _chunks(resamples, queries):
        counts = bootstrap_counts(rng, queries, stop - start)
        with np.errstate(invalid="ignore"):  # 0/0: a draw without a list.
            means.append(found.sums(counts) / (counts @ found.sets.T)[:, found.chosen])
    p = shift_p_value(mean, np.concatenate(means), tolerance=_tolerance(found) / n)
    return p.reshape(found.shape)


def shift_p_value(estimate: ArrayLike, resampled: Floats, *, tolerance: ArrayLike = 0.0) -> Floats:
    """Compute two-sided p-values of "the quantity is 0": (1 + #{|t* − t| ≥ |t|})/(1 + B).

    It is what `paired_bootstrap` computes of means; here any quantity may be resampled. A t* that
    is NaN counts as extreme.

    Args:
        estimate: t, of any shape.
        resampled: t*, (resample, ...).
        tolerance: How much less than |t| is as extreme, for what rounding does to equal numbers.

    Returns:
        One value per entry of `estimate`, from 1/(1 + B) to 1.

    Examples:
        >>> shift_p_value([0.0, 9.0], np.array([[0.1, 8.0], [-0.1, 10.0], [0.0, 9.5]])).tolist()
        [1.0, 0.25]

    References:
        A. Davison, D. Hinkley, Bootstrap Methods and their Application, 1997, section 4.4 (equation
        4.11 with t* − t for the null).
    """
    centre = np.asarray(estimate, dtype=np.float64)
    inside = np.abs(resampled - centre) < np.abs(centre) - np.asarray(tolerance)
    p: Floats = (1 + (~inside).sum(axis=0)) / (1 + len(resampled))
    return p


def bootstrap_counts(rng: np.random.Generator, queries: int, resamples: int) -> Floats:
    """Count how often each list is drawn, where as many as there are are drawn with replacement.

    Divided by the number of lists, the counts are the weights of a resampled mean.

    Args:
        rng: Where the randomness comes from.
        queries: How many lists there are.
        resamples: How many draws.

    Returns:
        (resample, query), whole numbers; each draw sums to `queries`.

    Examples:
        >>> bootstrap_counts(np.random.default_rng(0), 5, 1_000).sum(axis=1)[:3]
        array([5., 5., 5.])
    """
    drawn = rng.integers(queries, size=(resamples, queries))
    drawn += queries * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * queries)
    return counts.reshape(resamples, queries).astype(np.float64)


def holm(p_values: ArrayLike) -> Floats:
    """Adjust p-values by Holm: the chance of one false finding among all stays below the level.

    With p sorted upwards, p̃_i = max_{j ≤ i} min(1, (m − j + 1) p_j).

    Args:
        p_values: (comparison,).

    Returns:
        (comparison,), in the same order.

    Raises:
        ValueError: Anything but p-values, NaN included.

    Examples:
        >>> holm([0.01, 0.04, 0.03]).round(6).tolist()
        [0.03, 0.06, 0.06]

    References:
        S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
        Statistics 6, 1979.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"`p_values` must be (comparison,), in 0..1, got {p_values!r}")
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, (len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted


def _prepare(values: Values, other: Values | None, pairs: Pairs | None, *, least: int) -> _Pairs:
    """Check what all tests take, and find the lists of each pair, of which it needs `least`."""
    scores = _scores(values, other)
    if other is not None and pairs is not None:
        raise ValueError(f"`pairs` must be None where `other` is given, got {pairs}")
    wanted = list(combinations(range(len(scores)), 2)) if pairs is None else list(pairs)
    indices = np.array(wanted, dtype=np.int64).reshape(-1, 2)
    if not ((indices >= 0) & (indices < len(scores))).all():
        raise ValueError(f"`pairs` must be of the methods 0 to {len(scores) - 1}, got {wanted}")
    left, right = indices.T
    has = ~np.isnan(scores)
    # Centred, differences are the same, and rounding is less.
    scores = np.where(has, scores, 0.0)
    centred = scores - scores.sum(axis=0) / np.maximum(has.sum(axis=0), 1)
    counted = has[left] & has[right]
    for pair, lists in zip(wanted, counted.sum(axis=1), strict=True):
        if lists < least:
            raise ValueError(
                f"`values` must have {least} or more lists with a value for both of a pair, "
                f"got {lists} for {tuple(pair)}"
            )
    keys = [row.tobytes() for row in counted]
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    chosen = np.array([places[key] for key in keys], dtype=np.int64)
    sets = np.frombuffer(b"".join(places), dtype=bool).reshape(-1, scores.shape[1])
    # Each method with each of its sets, once.
    both = np.concatenate([left, right]) * len(sets) + np.tile(chosen, 2)
    columns, place = np.unique(both, return_inverse=True)
    method, its_set = np.divmod(columns, max(len(sets), 1))
    return _Pairs(
        np.where(counted, centred[left] - centred[right], 0.0),
        sets,
        chosen,
        np.where(sets[its_set], centred[method], 0.0),
        place[: len(wanted)],
        place[len(wanted) :],
        (len(wanted),) if other is None else (),
    )


def _scores(values: Values, other: Values | None) -> Floats:
    """Return the values as (method, query)."""
    first = _array("values", values)
    if other is None:
        if first.ndim != 2:
            raise ValueError(
                "`values` must be (method, query), or (query,) with `other`, "
                f"got shape {first.shape}"
            )
        return first
    second = _array("other", other)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(
            f"`other` must be (query,) as `values`, got shapes {first.shape} and {second.shape}"
        )
    return np.stack([first, second])


def _array(name: str, values: Values) -> Floats:
    """Return float64, of tensors on any device too."""
    if isinstance(values, torch.Tensor):
        values = values.detach().to("cpu", torch.float64).numpy()
    array = np.asarray(values, dtype=np.float64)
    if np.isinf(array).any():
        raise ValueError(f"`{name}` must be finite, or NaN where a list has no value, got inf")
    return array


def _means(found: _Pairs) -> tuple[NDArray[np.int64], Floats]:
    """Return how many lists the pairs have, and their mean differences."""
    n = found.sets.sum(axis=1)[found.chosen]
    return n, found.differences.sum(axis=1) / n


def _tolerance(found: _Pairs) -> Floats:
    """Return how near sums of the differences must be to be equal: (pair,)."""
    tolerance: Floats = _ROUNDING * np.abs(found.differences).sum(axis=1)
    return tolerance


def _random_signs(queries: int, permutations: int, seed: int) -> Iterator[Floats]:
    """Draw signs, (permutation, query), chunk by chunk."""
    rng = np.random.default_rng(seed)
    for start, stop in _chunks(permutations, queries):
        yield 2.0 * rng.integers(2, size=(stop - start, queries)).astype(np.float64) - 1.0


def _all_signs(queries: int) -> Iterator[Floats]:
    """Write out all signs, (2^query, query), from the bits of the numbers, chunk by chunk."""
    for start, stop in _chunks(2**queries, queries):
        bits = np.arange(start, stop)[:, None] >> np.arange(queries) & 1
        yield 2.0 * bits.astype(np.float64) - 1.0


def _chunks(draws: int, queries: int) -> Iterator[tuple[int, int]]:
    """Cut the draws into parts that fit into memory: from, to."""
    size = max(1, _CHUNK // queries)
    for start in range(0, draws, size):
        yield start, min(start + size, draws)
