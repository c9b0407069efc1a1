"""Lists of documents, padded to one length."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class RankingBatch:
    """Several queries as padded tensors.

    Attributes:
        features: (batch, list, feature) float32; 0 in padded positions.
        labels: (task, batch, list) float32; 0 in padded positions.
        mask: (batch, list) bool, True at a real document.
        query_ids: (batch,) as in the file.
        label_mask: (task, batch, list) bool, True where the task has a label for a real document;
            None when no label is missing. If it is given, use it as mask for losses and metrics.
        weights: (batch, list) float32, the documents' weights for losses, 0 in padded positions;
            None if all weigh 1.
        document_ids: (batch,) of the ids of the list's real documents; None without ids.

    Examples:
        >>> import torch
        >>> batch = RankingBatch(
        ...     features=torch.zeros(2, 3, 4),
        ...     labels=torch.zeros(1, 2, 3),
        ...     mask=torch.tensor([[True, True, True], [True, False, False]]),
        ...     query_ids=("7", "8"),
        ... )
        >>> len(batch), batch.num_documents
        (2, 4)
    """

    features: Tensor
    labels: Tensor
    mask: Tensor
    query_ids: tuple[str, ...]
    label_mask: Tensor | None = None
    weights: Tensor | None = None
    document_ids: tuple[tuple[str, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.query_ids)

    @property
    def num_documents(self) -> int:
        """Number of real documents."""
        return int(self.mask.sum())

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """Return the batch on another device; with `non_blocking` a pinned one is still copied."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory, as `DataLoader` does with ``pin_memory=True``."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        return dataclasses.replace(
            self,
            features=function(self.features),
            labels=function(self.labels),
            mask=function(self.mask),
            label_mask=None if self.label_mask is None else function(self.label_mask),
            weights=None if self.weights is None else function(self.weights),
        )


def collate(batches: RankingBatch | Sequence[RankingBatch]) -> RankingBatch:
    """Join batches; the ``collate_fn`` of a `torch.utils.data.DataLoader`.

    Args:
        batches: Of the same features and tasks. A single batch, as a `RankingDataset` returns for
            several queries at once, is returned as it is.

    Returns:
        All queries in order, padded to the longest list.

    Raises:
        ValueError: There are no batches, or they differ in features or tasks.

    Examples:
        >>> import ltr_data
        >>> from torch.utils.data import DataLoader
        >>> table = ltr_data.datasets.synthetic.generate(5, seed=0)
        >>> dataset = ltr_data.RankingDataset.from_table(table)
        >>> loader = DataLoader(dataset, batch_size=2, collate_fn=ltr_data.collate)
        >>> [len(batch) for batch in loader]
        [2, 2, 1]
    """
    if isinstance(batches, RankingBatch):
        return batches
    if not batches:
        raise ValueError("`batches` must hold at least one batch, got none")
    shapes = {(b.features.shape[-1], b.labels.shape[0]) for b in batches}
    if len(shapes) > 1:
        raise ValueError(
            f"`batches` must agree in the numbers of features and tasks, got {sorted(shapes)}"
        )
    length = max(b.mask.shape[-1] for b in batches)

    def join(tensors: list[Tensor], list_axis: int, batch_axis: int) -> Tensor:
        padded = []
        for tensor in tensors:
            missing = length - tensor.shape[list_axis]
            after = [0, 0] * (tensor.ndim - 1 - list_axis % tensor.ndim)
            padded.append(torch.nn.functional.pad(tensor, [*after, 0, missing]))
        return torch.cat(padded, dim=batch_axis)

    label_mask = None
    if any(b.label_mask is not None for b in batches):
        masks = [
            b.mask.expand(b.labels.shape) if b.label_mask is None else b.label_mask for b in batches
        ]
        label_mask = join(masks, list_axis=-1, batch_axis=1)
    weights = None
    if any(b.weights is not None for b in batches):
        every = [b.mask.float() if b.weights is None else b.weights for b in batches]
        weights = join(every, list_axis=1, batch_axis=0)
    ids = [b.document_ids for b in batches]
    return RankingBatch(
        features=join([b.features for b in batches], list_axis=1, batch_axis=0),
        labels=join([b.labels for b in batches], list_axis=2, batch_axis=1),
        mask=join([b.mask for b in batches], list_axis=1, batch_axis=0),
        query_ids=tuple(query_id for b in batches for query_id in b.query_ids),
        label_mask=label_mask,
        weights=weights,
        document_ids=(
            None if None in ids else tuple(one for own in ids if own is not None for one in own)
        ),
    )
