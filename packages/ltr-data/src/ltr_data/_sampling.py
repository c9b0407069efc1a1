"""Batches of lists of like length, so that little of a batch is padding."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from ._batch import RankingBatch
from ._dataset import RankingDataset

_SETTINGS = ("seed", "shuffle", "batch_size", "max_tokens", "pool")


class BucketBatchSampler(Sampler[list[int]]):
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
        shuffle: Whether each epoch has another order.
        seed: Of the orders, with the epoch.
        pool: Number of batches that are sorted together. More waste less and mix less.

    Raises:
        ValueError: Neither `batch_size` nor `max_tokens` is given, a number is below 1, there are
            no queries, or a list is longer than `max_tokens`.

    Example:
        >>> sampler = BucketBatchSampler([3, 9, 2, 8], batch_size=2, shuffle=False)
        >>> list(sampler)
        [[2, 0], [3, 1]]

    Note:
        `state_dict` holds the position after the last batch that was given out. A `DataLoader` with
        workers takes batches ahead of their use, so there it is ahead too.
    """

    def __init__(
        self,
        lengths: Sequence[int] | npt.NDArray[np.integer],
        *,
        batch_size: int | None = None,
        max_tokens: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        pool: int = 50,
    ) -> None:
        self.lengths = np.asarray(lengths, dtype=np.int64)
        if self.lengths.ndim != 1 or not len(self.lengths) or self.lengths.min() < 1:
            raise ValueError("`lengths` must be the numbers of documents, at least one each")
        if batch_size is None and max_tokens is None:
            raise ValueError("`batch_size` or `max_tokens` must be given, got neither")
        for name, value in (("batch_size", batch_size), ("max_tokens", max_tokens), ("pool", pool)):
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, got {value}")
        if max_tokens is not None and self.lengths.max() > max_tokens:
            query = int(self.lengths.argmax())
            raise ValueError(
                f"`max_tokens` must hold the longest list, {self.lengths[query]} documents "
                f"(query {query}), got {max_tokens}"
            )
        self.batch_size = batch_size
        self.max_tokens = max_tokens
        self.shuffle = shuffle
        self.seed = seed
        self.pool = pool
        self.epoch = 0
        self._start = 0
        self._position = 0
        self._planned: tuple[int, list[npt.NDArray[np.int64]]] | None = None

    def __iter__(self) -> Iterator[list[int]]:
        plan = self._plan()
        start, self._start = self._start, 0
        self._position = start
        for number in range(start, len(plan)):
            self._position = number + 1
            yield plan[number].tolist()

    def __len__(self) -> int:
        """Number of batches of the whole epoch."""
        return len(self._plan())

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; another one than now starts at its beginning.

        Raises:
            ValueError: `epoch` is negative.
        """
        if epoch < 0:
            raise ValueError(f"`epoch` must not be negative, got {epoch}")
        if epoch != self.epoch:
            self.epoch = epoch
            self._start = self._position = 0

    def state_dict(self) -> dict[str, Any]:
        """Epoch and position, with the settings that determine the order; JSON holds it."""
        settings = {name: getattr(self, name) for name in _SETTINGS}
        return {
            "epoch": self.epoch,
            "position": self._position,
            "num_queries": len(self.lengths),
            **settings,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where the state was taken: the next iteration starts after its last batch.

        Raises:
            ValueError: The state is of a sampler with other settings.
        """
        for name, mine in self.state_dict().items():
            if name not in ("epoch", "position") and state[name] != mine:
                raise ValueError(
                    f"`state` must be of a sampler with {name} {mine!r}, got {state[name]!r}"
                )
        self.epoch = state["epoch"]
        self._start = self._position = state["position"]

    def token_utilization(self) -> float:
        """Share of the padded positions of this epoch that hold a document."""
        plan = self._plan()
        padded = sum(len(batch) * int(self.lengths[batch].max()) for batch in plan)
        return float(self.lengths.sum() / padded)

    def _plan(self) -> list[npt.NDArray[np.int64]]:
        if self._planned is None or self._planned[0] != self.epoch:
            self._planned = (self.epoch, self._make_plan())
        return self._planned[1]

    def _make_plan(self) -> list[npt.NDArray[np.int64]]:
        if not self.shuffle:
            return self._cut(np.argsort(self.lengths, kind="stable"))
        generator = np.random.default_rng([self.seed, self.epoch])
        order = generator.permutation(len(self.lengths))
        size = self._pool_size()
        plan = []
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

    def _cut(self, queries: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
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


def batches(dataset: RankingDataset, sampler: Iterable[Sequence[int]]) -> Iterator[RankingBatch]:
    """The batches of a data set in a sampler's order, without a `DataLoader`.

    Args:
        dataset: Where the queries come from.
        sampler: Lists of positions of queries, such as a `BucketBatchSampler`.

    Yields:
        One padded batch per list.

    Example:
        >>> from ltr_data.datasets import synthetic
        >>> dataset = RankingDataset.from_table(synthetic.generate(10, seed=0))
        >>> sampler = BucketBatchSampler(dataset.lengths, batch_size=4)
        >>> sum(len(batch) for batch in batches(dataset, sampler))
        10
    """
    for indices in sampler:
        yield dataset.batch(indices)
