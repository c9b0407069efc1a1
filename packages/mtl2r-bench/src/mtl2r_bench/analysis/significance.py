"""Paired tests between methods, and the correction for making many of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CHUNK = 4_000_000
"""Signs in memory at a time."""


def paired_randomization(
    scores: NDArray[np.float64],
    pairs: Sequence[tuple[int, int]],
    *,
    permutations: int = 9_999,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Compute two-sided p-values of the paired randomisation test (Fisher's) for sums over lists.

    Where two methods do not differ, a list's two scores may be swapped. A swap turns the sign of
    their difference, so the statistic T = |Σ_q d_q| is compared with |Σ_q s_q d_q| for random signs
    s: p = (1 + #{T* ≥ T})/(1 + permutations). All pairs share the signs.

    Args:
        scores: (method, query), the contribution of each list to what is compared.
        pairs: The methods to compare, by index.
        permutations: How many random signs; p is 1/(1 + permutations) at least.
        seed: Of the signs.

    Returns:
        One p-value per pair.

    Examples:
        Three lists that all favour one method: of the 8 signs, two are as extreme.

        >>> p = paired_randomization(np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]), [(0, 1)])
        >>> bool(abs(p[0] - 2 / 8) < 0.02)
        True

    References:
        Smucker, Allan and Carterette, A Comparison of Statistical Significance Tests for
        Information Retrieval Evaluation, CIKM 2007.
    """
    if not pairs:
        return np.ones(0)
    rng = np.random.default_rng(seed)
    left, right = np.array(pairs).T
    centred = scores - scores.mean(axis=0)  # Differences are the same, and rounding is less.
    observed = np.abs((centred[left] - centred[right]).sum(axis=1))
    threshold = observed - 1e-9 * np.abs(centred[left] - centred[right]).sum(axis=1)
    extreme = np.zeros(len(pairs), dtype=np.int64)
    size = max(1, _CHUNK // scores.shape[1])
    for start in range(0, permutations, size):
        signs = rng.integers(2, size=(min(size, permutations - start), scores.shape[1]))
        sums = (2.0 * signs - 1.0) @ centred.T  # (permutation, method)
        extreme += (np.abs(sums[:, left] - sums[:, right]) >= threshold).sum(axis=0)
    p: NDArray[np.float64] = (1 + extreme) / (1 + permutations)
    return p


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values by Holm: the chance of one false finding among all stays below the level.

    With p sorted upwards, p̃_i = max_{j ≤ i} min(1, (m − j + 1) p_j).

    Args:
        p_values: (comparison,).

    Returns:
        (comparison,), in the same order.

    Examples:
        >>> holm([0.01, 0.04, 0.03]).round(6).tolist()
        [0.03, 0.06, 0.06]

    References:
        Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, (len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted
