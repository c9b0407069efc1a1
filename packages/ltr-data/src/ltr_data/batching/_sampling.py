"""Batches of lists of similar length, so that little of a batch is padding."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .._checks import check_at_least
from ._planned import Plan, PlannedSampler


class BucketBatchSampler(PlannedSampler):
    """Batches of queries, bucketed by list length, in an order that seed and epoch determine.

    Each epoch permutes the queries, takes pools of about `pool` batches from the permutation, sorts
    each pool by list length, cuts it into batches, and permutes the batches. Every query comes once
    per epoch. Without `shuffle` the queries are sorted by length, stably, and cut.

    At lengths like MSLR-WEB30K's and batches of 64 about 92 % of the padded positions hold a
    document; in random batches about 33 %.

    Args:
        lengths: (query,) number of documents of each query.
        batch_size: Largest number of queries in a batch.
        max_tokens: Largest number of padded positions (queries × longest list) in a batch.
        shuffle: Whether each epoch has a different order.
        seed: Of the orders, with the epoch.
        pool: Number of batches that are sorted together: more mean less padding and less mixing.
        num_replicas: Number of processes that share an epoch, without overlap or loss.
        rank: Number of this process, from 0; all have equally many batches.

    Raises:
        ValueError: Neither `batch_size` nor `max_tokens` is given, a number is out of its range,
            there are no queries, or a list is longer than `max_tokens`.

    Examples:
        >>> sampler = BucketBatchSampler([3, 9, 2, 8], batch_size=2, shuffle=False)
        >>> list(sampler)
        [[2, 0], [3, 1]]

    Note:
        `state_dict` has the position after the last batch that the sampler returned. A `DataLoader`
        with workers prefetches, so its sampler is ahead of the batches in use; a `Loader` knows
        which batches were used.
    """

    _settings = (*PlannedSampler._settings, "batch_size", "max_tokens", "pool")

    def __init__(
        self,
        lengths: Sequence[int] | npt.NDArray[np.integer],
        *,
        batch_size: int | None = None,
        max_tokens: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        pool: int = 50,
        num_replicas: int = 1,
        rank: int = 0,
    ) -> None:
        super().__init__(lengths, shuffle=shuffle, seed=seed, num_replicas=num_replicas, rank=rank)
        if batch_size is None and max_tokens is None:
            raise ValueError("`batch_size` or `max_tokens` must be given, got neither")
        check_at_least(1, batch_size=batch_size, max_tokens=max_tokens, pool=pool)
        check_budget(self.lengths, max_tokens)
        self.batch_size = batch_size
        self.max_tokens = max_tokens
        self.pool = pool

    def _make_plan(self, generator: np.random.Generator) -> Plan:
        if not self.shuffle:
            return self._cut(np.argsort(self.lengths, kind="stable"))
        order = generator.permutation(len(self.lengths))
        size = self._pool_size()
        plan: Plan = []
        for start in range(0, len(order), size):
            queries = order[start : start + size]
            plan.extend(self._cut(queries[np.argsort(self.lengths[queries], kind="stable")]))
        return [plan[number] for number in generator.permutation(len(plan))]

    def _pool_size(self) -> int:
        sizes = []
        if self.batch_size is not None:
            sizes.append(self.batch_size)
        if self.max_tokens is not None:
            sizes.append(max(1, int(self.max_tokens / self.lengths.mean())))
        return self.pool * min(sizes)

    def _cut(self, queries: npt.NDArray[np.int64]) -> Plan:
        """Cut queries of ascending length into batches as large as allowed."""
        lengths = self.lengths[queries]
        cuts = [0]
        for end in range(1, len(queries) + 1):
            size = end - cuts[-1]
            if (self.batch_size is not None and size > self.batch_size) or (
                self.max_tokens is not None and size * lengths[end - 1] > self.max_tokens
            ):
                cuts.append(end - 1)
        return np.split(queries, cuts[1:])


def check_budget(lengths: npt.NDArray[np.int64], max_tokens: int | None) -> None:
    """Raise ValueError if a list is longer than the budget."""
    if max_tokens is not None and lengths.max() > max_tokens:
        query = int(lengths.argmax())
        raise ValueError(
            f"`max_tokens` must hold the longest list, {lengths[query]} documents "
            f"(query {query}), got {max_tokens}"
        )
