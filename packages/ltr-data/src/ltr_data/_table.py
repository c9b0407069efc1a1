"""All columns of a ranking file."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._checks import did_you_mean
from ._columns import Features


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
        features: (document, feature) float32, all columns of the file.
        feature_ids: (feature,) numbers of the columns, 1-based as in the file.
        labels: (document,) float32, the number at the start of each line.
        offsets: (query + 1,) int64; query i has the documents offsets[i] to offsets[i + 1].
        query_ids: (query,) as in the file.
        feature_names: (feature,) names of the columns; None if the file has none.
        nullable: Numbers of the columns in which NaN means a missing value. They can be labels with
            ``LabelSpec(..., missing="mask")`` and never inputs.

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
    labels: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]
    query_ids: tuple[str, ...]
    feature_names: tuple[str, ...] | None = None
    nullable: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_documents(self.features, self.feature_ids, self.offsets, self.query_ids)
        if self.labels.shape != (len(self.features),):
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
        if not set(self.nullable) <= set(self.feature_ids):
            raise ValueError(
                f"`nullable` must be columns of the table, which has "
                f"{describe_ids(self.feature_ids)}, got {describe_ids(self.nullable)}"
            )

    @property
    def num_queries(self) -> int:
        """Number of queries."""
        return len(self.query_ids)

    def feature_id(self, name: str) -> int:
        """Return the number of the column with a name.

        Raises:
            ValueError: No column has this name.
        """
        names = self.feature_names or ()
        if name not in names:
            hint = did_you_mean(name, names)
            raise ValueError(f"`name` must be a column of the table, got {name!r}{hint}")
        return self.feature_ids[names.index(name)]

    def column(self, feature_id: int) -> npt.NDArray[np.float32]:
        """Return the (document,) float32 values of one feature.

        Raises:
            ValueError: The table has no such column.
        """
        try:
            return self.features[:, self.feature_ids.index(feature_id)]
        except ValueError:
            raise ValueError(
                f"`feature_id` must be a column of the table, "
                f"which has {describe_ids(self.feature_ids)}, got {feature_id}"
            ) from None


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
