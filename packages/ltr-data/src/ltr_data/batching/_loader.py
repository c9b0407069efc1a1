"""The batches of a data set, made in sequence or ahead in threads."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .._ahead import map_ahead
from .._checks import check_at_least
from ._batch import RankingBatch
from ._long_lists import LongLists
from ._sampling import PlannedSampler
from ._static import StaticBatchSampler


class BatchSource(Protocol):
    """What a loader needs of a data set, such as a `RankingDataset`."""

    @property
    def tasks(self) -> tuple[str, ...]: ...
    @property
    def lengths(self) -> npt.NDArray[np.int64]: ...
    @property
    def batch(self) -> Callable[..., RankingBatch]: ...


def batches(dataset: BatchSource, sampler: Iterable[Sequence[int]]) -> Iterator[RankingBatch]:
    """Yield the batches of a data set in a sampler's order, without a `DataLoader`.

    Args:
        dataset: Where the queries come from.
        sampler: Lists of positions of queries, such as a `BucketBatchSampler`.

    Yields:
        One padded batch per list.

    Examples:
        >>> from ltr_data import BucketBatchSampler, RankingDataset
        >>> from ltr_data.datasets import synthetic
        >>> dataset = RankingDataset.from_table(synthetic.generate(10, seed=0))
        >>> sampler = BucketBatchSampler(dataset.lengths, batch_size=4)
        >>> sum(len(batch) for batch in batches(dataset, sampler))
        10
    """
    for indices in sampler:
        yield dataset.batch(indices)


class Loader:
    """The batches of a data set in a sampler's order, made in threads while others are in use.

    Unlike processes, threads share the data set: nothing is pickled, and a mapped file is mapped
    once. The position counts the batches that were used, not those made ahead.

    Args:
        dataset: Where the queries come from.
        sampler: Which queries are in a batch; with a `StaticBatchSampler` batches have its shapes.
        long_lists: How lists are shortened; then make the sampler from
            ``numpy.minimum(dataset.lengths, long_lists.length)``.
        prefetch: Number of batches that are made ahead; with 0 there are no threads.
        workers: Number of threads.
        pin_memory: Whether batches are in page-locked memory, from which
            ``batch.to(device, non_blocking=True)`` copies while the device computes.

    Raises:
        ValueError: The sampler is for other lengths, `keep_relevant` of `long_lists` is no task, or
            a number is out of its range.

    Examples:
        >>> from ltr_data import BucketBatchSampler, RankingDataset
        >>> from ltr_data.datasets import synthetic
        >>> dataset = RankingDataset.from_table(synthetic.generate(10, seed=0))
        >>> loader = Loader(dataset, BucketBatchSampler(dataset.lengths, batch_size=4))
        >>> for epoch in range(2):
        ...     loader.set_epoch(epoch)
        ...     sum(len(batch) for batch in loader)
        10
        10
    """

    def __init__(
        self,
        dataset: BatchSource,
        sampler: PlannedSampler,
        *,
        long_lists: LongLists | None = None,
        prefetch: int = 4,
        workers: int = 1,
        pin_memory: bool = False,
    ) -> None:
        lengths = dataset.lengths
        if long_lists is not None:
            lengths = lengths.clip(max=long_lists.length)
            long_lists.task(dataset.tasks)
        if sampler.lengths.tolist() != lengths.tolist():
            raise ValueError(
                "`sampler` must be made from the lengths of the data set's lists"
                + (", shortened as `long_lists` says" if long_lists is not None else "")
            )
        check_at_least(0, prefetch=prefetch)
        check_at_least(1, workers=workers)
        self.dataset = dataset
        self.sampler = sampler
        self.long_lists = long_lists
        self.prefetch = prefetch
        self.workers = workers
        self.pin_memory = pin_memory
        self._position = 0

    def __len__(self) -> int:
        """Return the number of batches of the whole epoch."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[RankingBatch]:
        self._position = self.sampler.start
        for batch in map_ahead(self._make, self.sampler, threads=self.workers, ahead=self.prefetch):
            self._position += 1
            yield batch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order and samples come next."""
        if epoch != self.sampler.epoch:
            self._position = 0
        self.sampler.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the sampler's state, with the position after the last batch that was used."""
        return {**self.sampler.state_dict(), "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after the last batch of a state, whose sampler must have the same settings."""
        self.sampler.load_state_dict(state)
        self._position = state["position"]

    def _make(self, indices: list[int]) -> RankingBatch:
        static = isinstance(self.sampler, StaticBatchSampler)
        batch = self.dataset.batch(
            indices,
            pad_to=self.sampler.shape_of(indices) if static else None,
            long_lists=self.long_lists,
            epoch=self.sampler.epoch,
        )
        return batch.pin_memory() if self.pin_memory else batch
