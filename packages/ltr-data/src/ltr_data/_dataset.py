"""Queries with inputs and the labels of several tasks."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, SupportsIndex

import numpy as np
import numpy.typing as npt

from ._columns import Features, Recoded, row_chunks
from ._strings import Strings
from ._table import (
    Grouped,
    RankingTable,
    check_documents,
    check_per_document,
    describe_ids,
    rows_of,
)
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
        feature_names: (feature,) names of the inputs; None if the file has none.
        kinds: By number of an input, how its values were written; see `RankingTable`.
        words: By number of an input of words, the words that its codes 0, 1, ... stand for. A code
            after the last is another word (see `recoded`), and NaN a gap.
        nullable: Numbers of the inputs in which NaN means a missing value. `batch` passes it on;
            a `TableTransform` fills it.
        document_ids: (document,) as in the file; None if it has none.
        weights: (document,) float32 for losses; None if all documents weigh 1.

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
    feature_names: tuple[str, ...] | None = None
    kinds: Mapping[int, str] = field(default_factory=dict)
    words: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    nullable: tuple[int, ...] = ()
    document_ids: Strings | None = None
    weights: npt.NDArray[np.float32] | None = None

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
        check_per_document(len(self.features), self.document_ids, self.weights)

    @classmethod
    def from_table(
        cls,
        table: RankingTable,
        labels: Sequence[LabelSpec] = (RELEVANCE,),
        inputs: Collection[int | str] | None = None,
    ) -> Self:
        """Choose labels and inputs among the columns of a table.

        Args:
            table: All columns.
            labels: One specification per task. Those not yet fitted are fitted to this table, so
                begin with the training table and give its `label_specs` to the other splits.
            inputs: Numbers or names of the features to rank by, which stay in the order of the
                table; by default all but the sources and correlates of the labels.

        Raises:
            TypeError: `labels` are no specifications.
            ValueError: A column is not in the table, a source or correlate of a task is among
                `inputs`, there are no inputs, or two tasks have the same name.
        """
        _check_labels(labels)
        taken = {f for spec in labels for f in spec.columns(table)}
        if inputs is None:
            chosen = tuple(f for f in table.feature_ids if f not in taken)
        else:
            wanted = _check_inputs(table, labels, inputs)
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
            feature_names=None if table.feature_names is None else tuple(map(table.name, chosen)),
            kinds={f: kind for f, kind in table.kinds.items() if f in chosen},
            words={f: words for f, words in table.words.items() if f in chosen},
            nullable=tuple(f for f in table.nullable if f in chosen),
            document_ids=table.document_ids,
            weights=table.weights,
        )

    @property
    def tasks(self) -> tuple[str, ...]:
        """(task,) names."""
        return tuple(spec.name for spec in self.label_specs)

    @property
    def input_names(self) -> tuple[str, ...]:
        """(feature,) names of the inputs; their numbers if the file has no names."""
        return self.feature_names or tuple(map(str, self.feature_ids))

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
        return pad(self, lists, pad_to)

    def subset(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> Self:
        """Return a data set of some of the queries, in the given order.

        Raises:
            IndexError: There is no such query.
            ValueError: There are no indices.
        """
        queries = self._positions(indices)
        rows, offsets = rows_of(self.offsets, queries)
        return dataclasses.replace(
            self,
            features=self.features[rows],
            labels=self.labels[:, rows],
            offsets=offsets,
            query_ids=tuple(self.query_ids[q] for q in queries),
            label_mask=None if self.label_mask is None else self.label_mask[:, rows],
            document_ids=None if self.document_ids is None else self.document_ids.take(rows),
            weights=None if self.weights is None else self.weights[rows],
        )

    def recoded(self, words: Mapping[int, Sequence[str]]) -> Self:
        """Return a data set whose columns of words have the codes of other lists of words.

        A word that is not in the new list has the code after its last word, and a gap stays NaN.
        Features are recoded as they are read, so that a mapped file is not copied.

        Args:
            words: By number of a column of words, the new list, such as the training split's.

        Raises:
            ValueError: The columns of `words` are not those of the data set.
        """
        if set(words) != set(self.words):
            raise ValueError(
                f"`words` must be of the columns of words, {describe_ids(tuple(self.words))}, "
                f"got {describe_ids(tuple(words))}"
            )
        new = {f: tuple(own) for f, own in words.items()}
        if new == dict(self.words):
            return self
        codes = {}
        for feature_id, own in self.words.items():
            code = {word: i for i, word in enumerate(new[feature_id])}
            # A code after the last word of this data set is another word too.
            found = [code.get(word, len(code)) for word in own] + [len(code)]
            codes[self.feature_ids.index(feature_id)] = np.array(found, dtype=np.float32)
        return dataclasses.replace(self, features=Recoded(self.features, codes), words=new)

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
        if transform.width != len(self.feature_ids):
            raise ValueError(
                f"`transform` must keep the {len(self.feature_ids)} columns of the data set, "
                f"got one with {transform.width} outputs; call it on batches instead"
            )
        features = transform.transform(self.features)
        return dataclasses.replace(self, features=features, kinds={}, words={}, nullable=())

    def checksum(self) -> str:
        """Compute the SHA-256 of the whole content, in hexadecimal."""
        about: dict[str, object] = {
            "query_ids": self.query_ids,
            "feature_ids": self.feature_ids,
            "label_specs": [spec.to_dict() for spec in self.label_specs],
        }
        if self.words:  # left out where there are none, so that numbers keep their checksums
            about["words"] = dict(self.words)
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
        ids = None if self.document_ids is None else self.document_ids.data
        for array in (
            *(self.features, self.labels, self.offsets, self.label_mask),
            *(ids, self.weights),
        ):
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
    table: RankingTable, labels: Sequence[LabelSpec], inputs: Collection[int | str]
) -> set[int]:
    """Return the numbers of the inputs, or raise ValueError for one that is none."""
    unknown = sorted({f for f in inputs if isinstance(f, int)} - set(table.feature_ids))
    if unknown:
        raise ValueError(
            f"`inputs` must be columns of the table, which has {describe_ids(table.feature_ids)}, "
            f"got {describe_ids(tuple(unknown))}"
        )
    wanted = set(table.feature_numbers(inputs))
    for spec in labels:
        leaks = sorted(set(spec.columns(table)) & wanted)
        if leaks:
            source = spec.source in (leaks[0], table.name(leaks[0]))
            raise ValueError(
                f"`inputs` must not leak the label: feature {table.name(leaks[0])} is the "
                f"{'source' if source else 'correlate'} of task {spec.name!r}"
            )
    return wanted
