"""The labels of a task: their column and their transform."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from .._checks import check_name
from .._table import RankingTable
from ._transforms import Identity, LabelTransform


@dataclass(frozen=True)
class LabelSpec:
    """The labels of one task: a column, its transform, and the features that must not be inputs.

    Args:
        name: Name of the task.
        source: "label" for the number at the start of the line, or the number of a feature, 1-based
            as in the file. A feature that is a label is no input.
        transform: From the column's values to labels.
        correlates: Further features that are removed from the inputs because they leak the label.
        missing: How a NaN in the column is treated: "error", or "mask" for a document without a
            label of this task, which losses and metrics leave out.

    Raises:
        ValueError: `name` is empty, `source` or a correlate is no feature number, or `missing` is
            neither "error" nor "mask".

    Examples:
        >>> spec = LabelSpec("click", source=134, correlates=(135,))
        >>> spec.excluded
        (134, 135)
        >>> LabelSpec.from_dict(spec.to_dict()) == spec
        True
    """

    name: str
    source: int | Literal["label"] = "label"
    transform: LabelTransform = field(default_factory=Identity)
    correlates: tuple[int, ...] = ()
    missing: Literal["error", "mask"] = "error"

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("`name` must be the name of a task, got an empty one")
        if self.source != "label" and (not isinstance(self.source, int) or self.source < 1):
            raise ValueError(
                f'`source` must be "label" or a feature number from 1, got {self.source!r}'
            )
        if any(not isinstance(c, int) or c < 1 for c in self.correlates):
            raise ValueError(f"`correlates` must be feature numbers from 1, got {self.correlates}")
        check_name("missing", self.missing, ("error", "mask"))

    @property
    def excluded(self) -> tuple[int, ...]:
        """Numbers of the features that must not be inputs, ascending."""
        source = () if self.source == "label" else (self.source,)
        return tuple(sorted({*source, *self.correlates}))

    def values(self, table: RankingTable) -> npt.NDArray[np.float32]:
        """Return the (document,) values of the source column, before the transform.

        Raises:
            ValueError: The table has no such column, or the column has NaN and `missing` is
                "error".
        """
        if self.source == "label":
            values = table.labels
        elif self.source in table.feature_ids:
            values = table.column(self.source)
        else:
            raise ValueError(
                f"`source` of task {self.name!r} must be a column of the table, "
                f"which has {len(table.feature_ids)} features, got {self.source}"
            )
        if self.missing == "error" and np.isnan(values).any():
            row = int(np.flatnonzero(np.isnan(values))[0])
            raise ValueError(
                f"task {self.name!r} has a NaN label in column {self.source}, row {row}; "
                'if labels may be missing, give the specification `missing="mask"`'
            )
        return values

    def fit(self, table: RankingTable) -> Self:
        """Fit the transform to a training table.

        Returns:
            A specification that gives equal values the same labels in every table.

        Raises:
            ValueError: As `values`, or no document has a label.
        """
        values = self.values(table)
        known = values[~np.isnan(values)]
        if not len(known):
            raise ValueError(f"task {self.name!r} has no label in column {self.source}")
        return dataclasses.replace(self, transform=self.transform.fit(known))

    def __call__(self, table: RankingTable) -> npt.NDArray[np.float32]:
        """Compute the (document,) labels of a table; NaN if one is missing.

        Raises:
            RuntimeError: The transform is not fitted.
        """
        values = self.values(table)
        known = ~np.isnan(values)
        if known.all():
            return self.transform(values)
        labels = np.full(len(values), np.nan, dtype=np.float32)
        labels[known] = self.transform(values[known])
        return labels

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, for JSON."""
        config: dict[str, Any] = {
            "name": self.name,
            "source": self.source,
            "transform": self.transform.to_dict(),
            "correlates": list(self.correlates),
        }
        # The default is left out, so that older configurations equal newer ones.
        return config if self.missing == "error" else {**config, "missing": self.missing}

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """Build a specification from the result of `to_dict`.

        Raises:
            ValueError: A field is missing or unknown, or the transform is unknown.
        """
        fields = {f.name for f in dataclasses.fields(cls)}
        if set(config) | {"missing"} != fields:
            raise ValueError(
                f"`config` must have the keys {', '.join(sorted(fields - {'missing'}))}, "
                f"got {', '.join(sorted(config))}"
            )
        transform = LabelTransform.from_dict(config["transform"])
        return cls(**{**config, "transform": transform, "correlates": tuple(config["correlates"])})
