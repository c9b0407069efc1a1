"""The labels of a task: their column and their transform."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, Unpack

import numpy as np
import numpy.typing as npt

from .._checks import check_name, did_you_mean
from .._table import RankingTable
from ._options import LabelOptions, from_options, parse_options
from ._transforms import LabelTransform


@dataclass(frozen=True, init=False)
class LabelSpec:
    """The labels of one task: a column, its transform, and the features that must not be inputs.

    Args:
        name: Name of the task.
        source: "label" for the number at the start of the line, or a feature: its number, 1-based
            as in the file, or its name. A feature that is a label is no input.
        transform: From the column's values to labels; None makes one of `labels`.
        correlates: Further features that are removed from the inputs because they leak the label.
        missing: How a NaN in the column is treated: "error", or "mask" for a document without a
            label of this task, which losses and metrics leave out.
        labels: What the labels are made of, in this order; without any they are the values.
            ``cap``: values above are taken as this one. ``lower=True``: a smaller value is better,
            the label is the largest training value less the value. ``threshold``: 1 where the
            result is at least this, else 0; with ``lower``, where the value is at most this.
            ``grades``: number of grades by quantiles of the training values, see `QuantileGrades`.
            ``per_list=True``: the grades are by the quantiles of each list.

    Raises:
        ValueError: `name` is empty, `source` or a correlate is no feature, `missing` is neither
            "error" nor "mask", or the arguments of the labels exclude one another.

    Examples:
        >>> spec = LabelSpec("click", source=134, correlates=(135,))
        >>> spec.excluded
        (134, 135)
        >>> LabelSpec.from_dict(spec.to_dict()) == spec
        True
        >>> LabelSpec("cheap", source="price", lower=True, grades=5).transform
        Compose(transforms=(Invert(maximum=None), QuantileGrades(levels=5, ...)))
    """

    name: str
    source: int | str
    transform: LabelTransform
    correlates: tuple[int | str, ...]
    missing: Literal["error", "mask"]

    def __init__(
        self,
        name: str,
        source: int | str = "label",
        transform: LabelTransform | None = None,
        correlates: Sequence[int | str] = (),
        missing: Literal["error", "mask"] = "error",
        **labels: Unpack[LabelOptions],
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"`name` must be the name of a task, got {name!r}")
        if not _is_column(source):
            raise ValueError(
                f'`source` must be "label", a feature number from 1 or a name, got {source!r}'
            )
        if isinstance(correlates, str) or not all(map(_is_column, correlates)):
            raise ValueError(
                f"`correlates` must be feature numbers from 1 or names, got {correlates!r}"
            )
        check_name("missing", missing, ("error", "mask"))
        if transform is not None and labels:
            raise ValueError(
                f"`transform` must be left out where {', '.join(labels)} is given, or stand alone"
            )
        values = {
            "name": name,
            "source": source,
            "transform": from_options(labels) if transform is None else transform,
            "correlates": tuple(correlates),
            "missing": missing,
        }
        for field, value in values.items():
            object.__setattr__(self, field, value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Make a specification of one line: ``name[=column][:option...]``.

        The options are `lower`, `per_list`, ``cap=100``, ``threshold=4``, ``grades=5`` and `raw`.
        Without `raw`, `threshold` and `grades`, whole numbers from 0 to 10 are grades as they are,
        and all else gets 5 grades by quantiles (`AutoGrades`). Documents without a value have no
        label.

        Raises:
            ValueError: An option is unknown, or its value is no number.

        Examples:
            >>> spec = LabelSpec.parse("cheap=price:lower")
            >>> spec.name, spec.source, spec.transform
            ('cheap', 'price', Compose(transforms=(Invert(maximum=None), AutoGrades(levels=5))))
        """
        first, *options = text.split(":")
        name, _, source = first.partition("=")
        return cls(
            name.strip(), (source or name).strip(), parse_options(options, text), missing="mask"
        )

    def __str__(self) -> str:
        """Return in words what the labels are.

        Examples:
            >>> str(LabelSpec("cheap", source="price", lower=True, grades=5))
            'cheap (price: smaller is better, 5 grades by quantiles)'
        """
        source = "" if self.source == self.name else f"{self.source}: "
        return f"{self.name} ({source}{self.transform})"

    @property
    def excluded(self) -> tuple[int | str, ...]:
        """The features that must not be inputs: numbers ascending, then names."""
        source = () if self.source == "label" else (self.source,)
        columns = {*source, *self.correlates}
        return tuple(sorted(columns, key=lambda column: (isinstance(column, str), column)))

    def columns(self, table: RankingTable) -> tuple[int, ...]:
        """Return the numbers of the table's columns that must not be inputs.

        Raises:
            ValueError: The source, or a correlate that is a name, is no column of the table.
        """
        source = () if self.source == "label" else (self._number(self.source, table),)
        # A number may be of a column that other files of the kind have.
        there = [c for c in self.correlates if isinstance(c, str) or c in table.feature_ids]
        return (*source, *(self._number(column, table, "correlates") for column in there))

    def _number(self, column: int | str, table: RankingTable, what: str = "source") -> int:
        if column not in table.feature_ids and column not in table.names:
            hint = did_you_mean(column, table.names)
            raise ValueError(
                f"`{what}` of task {self.name!r} must be a column of the table, "
                f"which has {len(table.feature_ids)} features, got {column!r}{hint}"
            )
        return table.feature_id(column)

    def values(self, table: RankingTable) -> npt.NDArray[np.float32]:
        """Return the (document,) values of the source column, before the transform.

        Raises:
            ValueError: The table has no such column, or the column has NaN and `missing` is
                "error".
        """
        if self.source == "label" and table.labels is not None:
            values = table.labels
        else:
            column = self._number(self.source, table)
            if column in table.words:
                raise ValueError(
                    f"`source` of task {self.name!r} must be a column of numbers, "
                    f"{self.source!r} holds words like {table.words[column][0]!r}"
                )
            values = table.column(column)
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
        fitted = self.transform.fit(known)
        return type(self)(self.name, self.source, fitted, self.correlates, self.missing)

    def __call__(self, table: RankingTable) -> npt.NDArray[np.float32]:
        """Compute the (document,) labels of a table; NaN if one is missing.

        Raises:
            RuntimeError: The transform is not fitted.
        """
        values = self.values(table)
        known = ~np.isnan(values)
        lists = np.repeat(np.arange(table.num_queries), table.lengths)
        if known.all():
            return self.transform.of_lists(values, lists)
        labels = np.full(len(values), np.nan, dtype=np.float32)
        labels[known] = self.transform.of_lists(values[known], lists[known])
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
        """Build a specification from the result of `to_dict`, or from the arguments by name.

        Raises:
            ValueError: The name is missing, a field or the transform is unknown.

        Examples:
            >>> LabelSpec.from_dict({"name": "demand", "source": "reviews", "grades": 3})
            LabelSpec(name='demand', source='reviews', transform=QuantileGrades(levels=3, ...
        """
        known = [name for name in inspect.signature(cls).parameters if name != "labels"]
        known += LabelOptions.__annotations__
        wrong = sorted(set(config) - set(known))
        if wrong or "name" not in config:
            found = f"the key {wrong[0]!r}{did_you_mean(wrong[0], known)}" if wrong else "no name"
            raise ValueError(
                '`config` of a label must be like {name = "demand", source = "reviews", '
                f"grades = 5}}, with any of {', '.join(known)}; got {found}"
            )
        arguments = dict(config)
        if isinstance(arguments.get("transform"), Mapping):
            arguments["transform"] = LabelTransform.from_dict(arguments["transform"])
        return cls(**arguments)


def _is_column(column: object) -> bool:
    """Return whether it is a feature number or a name."""
    if isinstance(column, str):
        return bool(column)
    return isinstance(column, int) and not isinstance(column, bool) and column >= 1
