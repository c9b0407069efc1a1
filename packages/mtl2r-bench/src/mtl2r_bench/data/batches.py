"""The batches of a training: samplers and loaders from a config."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from ltr_data import (
    BucketBatchSampler,
    Loader,
    LongLists,
    RankingBatch,
    RankingDataset,
    StaticBatchSampler,
    static_lengths,
)

from ..config import TrainConfig
from ..distributed import ALONE, ProcessGroup

PREFETCH = 4
"""Batches prefetched for a GPU. On a CPU, prefetching would take cores from the model."""


def training_loader(
    config: TrainConfig,
    dataset: RankingDataset,
    *,
    seed: int,
    device: torch.device,
    group: ProcessGroup,
    main: str,
) -> Loader:
    """Return a loader of the training batches, of which every process of the group has a share.

    The batches are the same for any number of processes. Batches for a GPU are prefetched into
    page-locked memory. A list that is sampled down keeps a relevant document for the task `main`.
    """
    long_lists = None
    lengths = dataset.lengths
    if config.list_length is not None:
        long_lists = LongLists(config.list_length, keep_relevant=main, seed=seed)
        lengths = lengths.clip(max=config.list_length)
    sampler: BucketBatchSampler | StaticBatchSampler
    if config.static_shapes:
        if group.size > 1:
            raise ValueError(f"`train.static_shapes` needs one process, got {group.size}")
        sampler = StaticBatchSampler(
            lengths,
            list_lengths=static_lengths(lengths, config.static_shapes),
            max_tokens=config.max_tokens or config.batch_size * int(lengths.max()),
            seed=seed,
        )
    else:
        sampler = BucketBatchSampler(
            lengths, batch_size=config.batch_size, max_tokens=config.max_tokens, seed=seed
        )
    on_gpu = device.type == "cuda"
    return Loader(
        dataset if group.size == 1 else _Share.of(dataset, group),
        sampler,
        long_lists=long_lists,
        prefetch=PREFETCH if on_gpu else 0,
        pin_memory=on_gpu,
    )


@dataclass(frozen=True, eq=False)
class _Share(RankingDataset):
    """A data set that returns this process's share of every batch."""

    group: ProcessGroup = ALONE

    @classmethod
    def of(cls, dataset: RankingDataset, group: ProcessGroup) -> Self:
        fields = {f.name: getattr(dataset, f.name) for f in dataclasses.fields(dataset)}
        return cls(**fields, group=group)

    def batch(
        self, indices: Sequence[int] | npt.NDArray[np.integer], **options: Any
    ) -> RankingBatch:
        mine = self.group.share(list(indices))
        if mine:
            return super().batch(mine, **options)
        # There are fewer lists than processes: return a list without documents.
        empty = super().batch(indices[:1], **options)
        return dataclasses.replace(empty, mask=torch.zeros_like(empty.mask))
