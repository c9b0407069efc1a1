"""All columns of a ranking file."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from ._checks import check_name, did_you_mean
from ._columns import Features
from ._kinds import KINDS
from ._strings import Strings


class Grouped:
    """The sizes of documents that are grouped by query."""

    offsets: npt.NDArray[np.int64]

    @property
    def num_documents(self) -> int:
        """Number of documents of all queries together."""
        return int(self.offsets[-1])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(query,) number of documents of each query."""
        return np.diff(self.offsets)


@dataclass(frozen=True, eq=False)
class RankingTable(Grouped):
    """The documents of a ranking file, grouped by query, with all their columns.

    `RankingDataset.from_table` chooses labels and inputs among the columns.

    Attributes:
        features: (document, feature) float32, all columns of the file. A column of words has the
            positions of the words in `words`.
        feature_ids: (feature,) numbers of the columns, 1-based as in the file.
        labels: (document,) float32, the number at the start of each line; None if the file has no
            column that is the label.
        offsets: (query + 1,) int64; query i has the documents offsets[i] to offsets[i + 1].
        query_ids: (query,) as in the file.
        feature_names: (feature,) names of the columns; None if the file has none, and their numbers
            are their names.
        nullable: Numbers of the columns in which NaN means a missing value. They can be labels with
            ``LabelSpec(..., missing="mask")``, and inputs of a transform that fills gaps.
        kinds: By number of a column, how its values were written, one of `KINDS`; a column that is
            not named here holds plain numbers.
        words: By number of a column of words, the words that its codes 0, 1, ... stand for.
        document_ids: (document,) as in the file; None if it has none.
        weights: (document,) float32, not negative, for losses; None if all documents weigh 1.

    Raises:
        ValueError: The shapes do not agree, or `offsets` do not cut the documents into queries.

    Examples:
        >>> import numpy as np
        >>> table = RankingTable(
        ...     features=np.zeros((3, 2), dtype=np.float32),
        ...     feature_ids=(1, 2),
        ...     labels=np.array([0, 1, 0], dtype=np.float32),
        ...     offsets=np.array([0, 2, 3]),
        ...     query_ids=("10", "11"),
        ... )
        >>> table.num_queries, table.num_documents, table.lengths
        (2, 3, array([2, 1]))
    """

    features: npt.NDArray[np.float32]
    feature_ids: tuple[int, ...]
    labels: npt.NDArray[np.float32] | None
    offsets: npt.NDArray[np.int64]
    query_ids: tuple[str, ...]
    feature_names: tuple[str, ...] | None = None
    nullable: tuple[int, ...] = ()
    kinds: Mapping[int, str] = field(default_factory=dict)
    words: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    document_ids: Strings | None = None
    weights: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        check_documents(self.features, self.feature_ids, self.offsets, self.query_ids)
        if self.labels is not None and self.labels.shape != (len(self.features),):
            raise ValueError(
                f"`labels` must have shape ({len(self.features)},), one per row of `features`, "
                f"got {self.labels.shape}"
            )
        names = self.feature_names
        if names is not None and not len(names) == len(set(names)) == len(self.feature_ids):
            raise ValueError(
                f"`feature_names` must be {len(self.feature_ids)} different names, one per column, "
                f"got {names}"
            )
        for argument, columns in (
            ("nullable", self.nullable),
            ("kinds", tuple(self.kinds)),
            ("words", tuple(self.words)),
        ):
            if not set(columns) <= set(self.feature_ids):
                raise ValueError(
                    f"`{argument}` must be columns of the table, which has "
                    f"{describe_ids(self.feature_ids)}, got {describe_ids(columns)}"
                )
        for kind in self.kinds.values():
            check_name("kinds", kind, KINDS)
        if {f for f, kind in self.kinds.items() if kind == "words"} != set(self.words):
            raise ValueError("`words` must hold the words of all columns of the kind 'words'")
        check_per_document(len(self.features), self.document_ids, self.weights)

    @property
    def num_queries(self) -> int:
        """Number of queries."""
        return len(self.query_ids)

    @property
    def names(self) -> tuple[str, ...]:
        """(feature,) names of the columns; their numbers if the file has no names."""
        return self.feature_names or tuple(map(str, self.feature_ids))

    def feature_id(self, column: int | str) -> int:
        """Return the number of a column, which is given by number or name.

        Raises:
            ValueError: The table has no such column.
        """
        if isinstance(column, str):
            if column in self.names:
                return self.feature_ids[self.names.index(column)]
            near = did_you_mean(column, self.names)
            known = (
                f"which are {_some(self.names)}" if self.feature_names else "which have no names"
            )
            raise ValueError(
                f"`column` must be one of the table's columns, {known}, got {column!r}{near}"
            )
        if column not in self.feature_ids:
            raise ValueError(
                f"`feature_id` must be a column of the table, "
                f"which has {describe_ids(self.feature_ids)}, got {column}"
            )
        return column

    def feature_numbers(self, columns: Collection[int | str]) -> tuple[int, ...]:
        """Return the numbers of columns, which are given by number or name."""
        return tuple(self.feature_id(column) for column in columns)

    def name(self, feature_id: int) -> str:
        """Return the name of a column."""
        return self.names[self.feature_ids.index(feature_id)]

    def column(self, column: int | str) -> npt.NDArray[np.float32]:
        """Return the (document,) float32 values of one feature, given by number or name.

        Raises:
            ValueError: The table has no such column.
        """
        return self.features[:, self.feature_ids.index(self.feature_id(column))]

    def subset(self, queries: Sequence[int] | npt.NDArray[np.integer]) -> Self:
        """Return a table of some of the queries, given by position, in the given order.

        Raises:
            IndexError: There is no such query.
        """
        chosen = np.asarray(queries, dtype=np.int64)
        rows, offsets = rows_of(self.offsets, chosen)
        return replace(
            self,
            features=self.features[rows],
            labels=None if self.labels is None else self.labels[rows],
            offsets=offsets,
            query_ids=tuple(self.query_ids[q] for q in chosen),
            document_ids=None if self.document_ids is None else self.document_ids.take(rows),
            weights=None if self.weights is None else self.weights[rows],
        )


def rows_of(
    offsets: npt.NDArray[np.int64], queries: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows of some queries, and the offsets of those queries among these rows."""
    lengths = np.diff(offsets)[queries]
    chosen = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(lengths)))
    return np.arange(chosen[-1]) + np.repeat(offsets[queries] - chosen[:-1], lengths), chosen


def check_per_document(
    count: int, document_ids: Strings | None, weights: npt.NDArray[np.float32] | None
) -> None:
    """Raise ValueError unless there is an id and a weight per document, if any."""
    if document_ids is not None and len(document_ids) != count:
        raise ValueError(
            f"`document_ids` must be {count}, one per document, got {len(document_ids)}"
        )
    if weights is not None and (weights.shape != (count,) or weights.dtype != np.float32):
        raise ValueError(
            f"`weights` must be float32 of shape ({count},), one per document, "
            f"got {weights.dtype} of shape {weights.shape}"
        )


_MOST_NAMES = 30  # in a message


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def check_documents(
    features: Features,
    feature_ids: tuple[int, ...],
    offsets: npt.NDArray[np.int64],
    query_ids: tuple[str, ...],
) -> None:
    """Raise ValueError unless features, columns, offsets and queries agree."""
    if features.ndim != 2 or features.dtype != np.float32:
        raise ValueError(
            f"`features` must be a float32 matrix (document, feature), "
            f"got {features.dtype} of shape {features.shape}"
        )
    if len(feature_ids) != features.shape[1]:
        raise ValueError(
            f"`feature_ids` must name the {features.shape[1]} columns of `features`, "
            f"got {len(feature_ids)}"
        )
    if len(set(feature_ids)) != len(feature_ids) or min(feature_ids, default=1) < 1:
        raise ValueError(f"`feature_ids` must be different numbers from 1, got {feature_ids}")
    if offsets.shape != (len(query_ids) + 1,):
        raise ValueError(
            f"`offsets` must have one entry more than `query_ids`, "
            f"got {offsets.shape} and {len(query_ids)}"
        )
    if offsets[0] != 0 or offsets[-1] != len(features) or np.any(np.diff(offsets) < 1):
        raise ValueError(
            f"`offsets` must rise from 0 to {len(features)} with a document for each query, "
            f"got {offsets}"
        )


def describe_ids(feature_ids: tuple[int, ...]) -> str:
    """Describe a set of column numbers briefly, for messages."""
    if feature_ids == tuple(range(1, len(feature_ids) + 1)):
        return f"1..{len(feature_ids)}"
    return ", ".join(map(str, feature_ids))
