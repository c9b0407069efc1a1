"""Batches of a few fixed shapes, for CUDA graphs and compiled models."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .._checks import check_at_least
from ._sampling import Plan, PlannedSampler, check_budget, check_lengths


class StaticBatchSampler(PlannedSampler):
    """Batches of queries in a few fixed shapes, in an order that seed and epoch determine.

    A list is padded to the shortest of `list_lengths` that holds it; a batch has lists of one such
    length, as many as `max_tokens` allows. Pass `shape_of` a batch to `RankingDataset.batch` as
    `pad_to`; a `Loader` does so.

    Args:
        lengths: (query,) number of documents of each query.
        list_lengths: The list lengths of the shapes; `static_lengths` finds good ones.
        max_tokens: Number of positions of a batch, padding included.
        shuffle: Whether each epoch has a different order.
        seed: Of the orders, with the epoch.
        num_replicas: Number of processes that share an epoch, without overlap or loss.
        rank: Number of this process, from 0; all have equally many batches.

    Raises:
        ValueError: A list is longer than all `list_lengths`, or those than `max_tokens`, or a
            number is out of its range.

    Examples:
        >>> sampler = StaticBatchSampler(
        ...     [3, 9, 2, 8, 4], list_lengths=[4, 10], max_tokens=20, shuffle=False
        ... )
        >>> [(batch, sampler.shape_of(batch)) for batch in sampler]
        [([0, 2, 4], (5, 4)), ([1, 3], (2, 10))]
    """

    _settings = (*PlannedSampler._settings, "list_lengths", "max_tokens")

    def __init__(
        self,
        lengths: Sequence[int] | npt.NDArray[np.integer],
        *,
        list_lengths: Sequence[int],
        max_tokens: int,
        shuffle: bool = True,
        seed: int = 0,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        super().__init__(lengths, shuffle=shuffle, seed=seed, num_replicas=num_replicas, rank=rank)
        self.list_lengths = sorted({int(length) for length in list_lengths})
        self.max_tokens = max_tokens
        if not self.list_lengths or self.list_lengths[0] < 1:
            raise ValueError(f"`list_lengths` must be numbers from 1, got {list_lengths}")
        if self.lengths.max() > self.list_lengths[-1]:
            query = int(self.lengths.argmax())
            raise ValueError(
                f"`list_lengths` must hold the longest list, {self.lengths[query]} documents "
                f"(query {query}), got up to {self.list_lengths[-1]}"
            )
        check_budget(np.array(self.list_lengths), max_tokens)

    def shape_of(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> tuple[int, int]:
        """Return (number of lists, list length) that a batch is padded to."""
        longest = int(self.lengths[np.asarray(indices)].max())
        length = next(length for length in self.list_lengths if length >= longest)
        return self.max_tokens // length, length

    def _make_plan(self, generator: np.random.Generator) -> Plan:
        order = np.arange(len(self.lengths))
        if self.shuffle:
            order = generator.permutation(order)
        shapes = np.searchsorted(self.list_lengths, self.lengths[order])
        plan: Plan = []
        for number, length in enumerate(self.list_lengths):
            queries = order[shapes == number]
            size = self.max_tokens // length
            plan.extend(queries[start : start + size] for start in range(0, len(queries), size))
        if self.shuffle:
            plan = [plan[number] for number in generator.permutation(len(plan))]
        return plan


def static_lengths(
    lengths: Sequence[int] | npt.NDArray[np.integer], num_shapes: int, *, multiple: int = 8
) -> list[int]:
    """Find the list lengths that pad the given lists least.

    Args:
        lengths: (query,) number of documents of each query.
        num_shapes: Largest number of list lengths.
        multiple: All are multiples of it, which suits tensor cores.

    Returns:
        Ascending list lengths; the last holds the longest list. They are optimal (by dynamic
        programming), except that for very long lists the multiple is made larger.

    Raises:
        ValueError: A number is below 1, or there are no queries.

    Examples:
        >>> static_lengths([3, 4, 4, 15, 16, 90], num_shapes=3, multiple=1)
        [4, 16, 90]
    """
    counts = check_lengths(lengths)
    check_at_least(1, num_shapes=num_shapes, multiple=multiple)
    multiple *= -(-int(counts.max()) // (multiple * 1024))
    rounded = -(-counts // multiple)
    candidates, queries = np.unique(rounded, return_counts=True)
    below = np.concatenate(([0], np.cumsum(queries)))  # lists that fit into the candidates before
    # cost[j]: positions of the lists up to candidate j - 1, the last of which is a shape.
    cost = np.concatenate(([0.0], np.full(len(candidates), np.inf)))
    possible = ~np.tri(len(candidates) + 1, len(candidates), -1, dtype=np.bool_)
    cuts = []
    for _ in range(min(num_shapes, len(candidates))):
        added = (below[None, 1:] - below[:, None]) * candidates[None, :]
        total = np.where(possible, cost[:, None] + added, np.inf)
        cuts.append(total.argmin(axis=0))
        cost = np.concatenate(([0.0], total.min(axis=0)))
    chosen, at = [], len(candidates)
    for cut in reversed(cuts):
        if at == 0:
            break
        chosen.append(int(candidates[at - 1]) * multiple)
        at = int(cut[at - 1])
    return chosen[::-1]
