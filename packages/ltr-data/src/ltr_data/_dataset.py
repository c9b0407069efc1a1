"""Queries with inputs and the labels of several tasks."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self, SupportsIndex

import numpy as np
import numpy.typing as npt

from ._columns import Features, row_chunks
from ._table import Grouped, RankingTable, check_documents, describe_ids
from .batching._batch import RankingBatch
from .batching._long_lists import LongLists
from .batching._padding import Documents, pad
from .features._transform import FeatureTransform
from .labels._spec import LabelSpec
from .mapped._arrays import select_columns

RELEVANCE = LabelSpec("relevance", "label")


@dataclass(frozen=True, eq=False)
class RankingDataset(Grouped):
    """Documents grouped by query, with the inputs of a ranker and the labels of its tasks.

    It is a map-style data set of `torch.utils.data`: item i is query i as a batch of one list, and
    with ``collate_fn=ltr_data.collate`` a `DataLoader` gives padded batches.

    Attributes:
        features: (document, feature) float32, inputs only; a `ColumnView` if the table
            is memory-mapped and the inputs are not adjacent, else an array.
        labels: (task, document) float32.
        offsets: (query + 1,) int64; query i has the documents offsets[i] to offsets[i + 1].
        query_ids: (query,) as in the file.
        feature_ids: (feature,) numbers of the inputs, 1-based as in the file.
        label_specs: (task,) fitted; give them to the other splits.
        label_mask: (task, document) bool, True where the label is known; None when all are.

    Raises:
        ValueError: The shapes do not agree.

    Examples:
        >>> from ltr_data.datasets import synthetic
        >>> table = synthetic.generate(num_queries=4, seed=0)
        >>> dataset = RankingDataset.from_table(
        ...     table, labels=[LabelSpec("relevance"), LabelSpec("dwell", source=136)]
        ... )
        >>> dataset.tasks, dataset.features.shape[1]
        (('relevance', 'dwell'), 135)
        >>> batch = dataset.batch([2, 0])
        >>> batch.labels.shape == (2, 2, max(dataset.lengths[[2, 0]]))
        True
    """

    features: Features
    labels: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]
    query_ids: tuple[str, ...]
    feature_ids: tuple[int, ...]
    label_specs: tuple[LabelSpec, ...]
    label_mask: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        check_documents(self.features, self.feature_ids, self.offsets, self.query_ids)
        expected = (len(self.label_specs), len(self.features))
        if self.labels.shape != expected or self.labels.dtype != np.float32:
            raise ValueError(
                f"`labels` must be float32 of shape (task, document) {expected}, "
                f"got {self.labels.dtype} of shape {self.labels.shape}"
            )
        if self.label_mask is not None and self.label_mask.shape != expected:
            raise ValueError(
                f"`label_mask` must have the shape of `labels`, {expected}, "
                f"got {self.label_mask.shape}"
            )
        if len(set(self.tasks)) != len(self.tasks) or not self.tasks:
            raise ValueError(f"`label_specs` must name different tasks, got {self.tasks}")

    @classmethod
    def from_table(
        cls,
        table: RankingTable,
        labels: Sequence[LabelSpec] = (RELEVANCE,),
        inputs: Collection[int] | None = None,
    ) -> Self:
        """Choose labels and inputs among the columns of a table.

        Args:
            table: All columns.
            labels: One specification per task. Those not yet fitted are fitted to this table, so
                begin with the training table and give its `label_specs` to the other splits.
            inputs: Numbers of the features to rank by, in the order of the table; by default all
                but the sources and correlates of the labels and the nullable features.

        Raises:
            TypeError: `labels` are no specifications.
            ValueError: A column is not in the table, a source or correlate of a task is among
                `inputs`, there are no inputs, or two tasks have the same name.
        """
        _check_labels(labels)
        excluded = {f for spec in labels for f in spec.excluded}.union(table.nullable)
        if inputs is None:
            chosen = tuple(f for f in table.feature_ids if f not in excluded)
        else:
            _check_inputs(table, labels, inputs)
            wanted = set(inputs)
            chosen = tuple(f for f in table.feature_ids if f in wanted)
        if not chosen:
            raise ValueError(
                "`inputs` must hold at least one feature, got none"
                + (": the labels take all columns" if inputs is None else "")
            )
        fitted = tuple(spec.fit(table) for spec in labels)
        values = np.stack([spec(table) for spec in fitted])
        known = ~np.isnan(values)
        columns = {feature_id: j for j, feature_id in enumerate(table.feature_ids)}
        return cls(
            features=select_columns(table.features, [columns[f] for f in chosen]),
            labels=np.where(known, values, np.float32(0)),
            offsets=table.offsets,
            query_ids=table.query_ids,
            feature_ids=chosen,
            label_specs=fitted,
            label_mask=None if known.all() else known,
        )

    @property
    def tasks(self) -> tuple[str, ...]:
        """(task,) names."""
        return tuple(spec.name for spec in self.label_specs)

    def __len__(self) -> int:
        return len(self.query_ids)

    def __getitem__(self, index: SupportsIndex) -> RankingBatch:
        """Return query `index` as a batch of one list."""
        if isinstance(index, bool) or not isinstance(index, SupportsIndex):
            raise TypeError(f"`index` must be an int, got {index!r}; `batch` takes several queries")
        return self.batch([index.__index__()])

    def __getitems__(self, indices: Sequence[int]) -> RankingBatch:
        """Return several queries at once, as a `DataLoader` asks for."""
        return self.batch(indices)

    def batch(
        self,
        indices: Sequence[int] | npt.NDArray[np.integer],
        *,
        pad_to: tuple[int, int] | None = None,
        long_lists: LongLists | None = None,
        epoch: int = 0,
    ) -> RankingBatch:
        """Return queries as padded tensors.

        Args:
            indices: (batch,) positions of the queries; negative ones count from the end.
            pad_to: (number of queries, list length) of the batch, for a static shape; lists without
                documents and with an empty query id fill it up. By default the smallest shape.
            long_lists: How long lists are shortened; by default they are not.
            epoch: For the samples of `long_lists`.

        Returns:
            The lists in the order of `indices`.

        Raises:
            IndexError: There is no such query.
            ValueError: There are no indices, or the batch does not fit into `pad_to`.
        """
        lists: list[tuple[str, Documents]] = []
        task = None if long_lists is None else long_lists.task(self.tasks)
        for query in self._positions(indices).tolist():
            start, stop = int(self.offsets[query]), int(self.offsets[query + 1])
            documents: Documents = slice(start, stop)
            if long_lists is not None and stop - start > long_lists.length:
                labels = self.labels[0 if task is None else task, start:stop]
                documents = start + long_lists.choose(labels, query, epoch)
            lists.append((self.query_ids[query], documents))
        return pad(self.features, self.labels, self.label_mask, lists, pad_to)

    def subset(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> Self:
        """Return a data set of some of the queries, in the given order.

        Raises:
            IndexError: There is no such query.
            ValueError: There are no indices.
        """
        queries = self._positions(indices)
        lengths = self.lengths[queries]
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[queries] - offsets[:-1], lengths)
        return dataclasses.replace(
            self,
            features=self.features[rows],
            labels=self.labels[:, rows],
            offsets=offsets,
            query_ids=tuple(self.query_ids[q] for q in queries),
            label_mask=None if self.label_mask is None else self.label_mask[:, rows],
        )

    def transformed(self, transform: FeatureTransform) -> Self:
        """Return a data set whose features a fitted transform has transformed.

        Raises:
            ValueError: The transform was fitted to other features.
        """
        if transform.feature_ids != self.feature_ids:
            raise ValueError(
                f"`transform` must be fitted to the features of the data set, "
                f"{describe_ids(self.feature_ids)}, got {describe_ids(transform.feature_ids)}"
            )
        return dataclasses.replace(self, features=transform.transform(self.features))

    def checksum(self) -> str:
        """Compute the SHA-256 of the whole content, in hexadecimal."""
        about = {
            "query_ids": self.query_ids,
            "feature_ids": self.feature_ids,
            "label_specs": [spec.to_dict() for spec in self.label_specs],
        }
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
        for array in (self.features, self.labels, self.offsets, self.label_mask):
            if array is not None:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                for rows in row_chunks(array):
                    digest.update(np.ascontiguousarray(rows).data)
        return digest.hexdigest()

    def _positions(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        found = np.asarray(indices)
        if found.ndim != 1 or not len(found):
            raise ValueError(f"`indices` must be a list of queries, got {indices!r}")
        if found.dtype.kind not in "iu":
            raise TypeError(f"`indices` must be whole numbers, got {indices!r}")
        queries = found.astype(np.int64)
        wrong = (queries < -len(self)) | (queries >= len(self))
        if wrong.any():
            raise IndexError(
                f"`indices` must be below the {len(self)} queries, got {queries[wrong][0]}"
            )
        return np.where(queries < 0, queries + len(self), queries)


def _check_labels(labels: Sequence[LabelSpec]) -> None:
    if not isinstance(labels, Sequence) or not all(isinstance(s, LabelSpec) for s in labels):
        raise TypeError(
            "`labels` must be a list of LabelSpec, which `datasets.resolve_tasks` makes of the "
            f"names of tasks, got {labels!r}"
        )
    if not labels:
        raise ValueError("`labels` must name at least one task, got none")
    names = [spec.name for spec in labels]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"`labels` must name different tasks, got {twice[0]!r} twice")


def _check_inputs(
    table: RankingTable, labels: Sequence[LabelSpec], inputs: Collection[int]
) -> None:
    unknown = sorted(set(inputs) - set(table.feature_ids))
    if unknown:
        raise ValueError(
            f"`inputs` must be columns of the table, which has {describe_ids(table.feature_ids)}, "
            f"got {describe_ids(tuple(unknown))}"
        )
    missing = sorted(set(inputs) & set(table.nullable))
    if missing:
        raise ValueError(
            f"`inputs` must not have missing values, which feature {missing[0]} may have"
        )
    for spec in labels:
        leaks = sorted(set(spec.excluded) & set(inputs))
        if leaks:
            kind = "source" if leaks[0] == spec.source else "correlate"
            raise ValueError(
                f"`inputs` must not leak the label: feature {leaks[0]} is the {kind} of task "
                f"{spec.name!r}"
            )
