"""Tables with named columns: which column is what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pyarrow as pa

from .._checks import did_you_mean
from ._coding import Coding, check_kinds
from ._lists import is_list
from ._vectors import Vectors

_LABEL = "label"  # the label's name where none is given


@dataclass(frozen=True)
class Columns:
    """Which column is what in a table with named columns.

    Args:
        query: Its values identify the queries; equal ones must follow one another.
        label: A number per document; None for the column "label" if the table has one. A feature
            can be a label too, see `LabelSpec`.
        features: In this order; None for all others, in the order of the table. A column of vectors
            of one length (a list in Arrow, pandas and Parquet) is a feature per entry: "emb"
            becomes "emb_1", "emb_2", ... Where all columns but the query are lists, a row is a
            query and an entry of a list a document.
        nullable: The label and features in which values may be missing (null, NaN or an empty
            field); "all" for all of them. They are NaN in the table.
        id: Its values identify the documents; None if there is no such column.
        exclude: Columns that are left out.
        kinds: By name of a feature, how its values are written, of `KINDS`: "number" ("1.5"),
            "flag" ("t", "false", "yes"), "percent" ("96%"), "money" ("$1,119.00") or "words" (any
            text). Features that are not named hold numbers.
        infer: Whether the kinds of the other features are found by their first values; then a value
            may be missing in each of them.
        weight: A number per document, not negative, for losses; None for 1.
        propensity: The probability that the document was seen, in (0, 1]: its weight is divided by
            it. None for 1.
        position: The place at which the document was shown, from 1: the propensity is then
            position^(−position_bias). None for 1.
        position_bias: Exponent of the position.
        clip: Whether finite numbers beyond float32 become its largest; an error by default.

    Examples:
        >>> Columns(query="query_id", label="grade").resolve(["grade", "bm25", "query_id", "pr"])
        ('bm25', 'pr')
    """

    query: str = "qid"
    label: str | None = None
    features: tuple[str, ...] | None = None
    nullable: tuple[str, ...] | Literal["all"] = ()
    id: str | None = None
    exclude: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    infer: bool = False
    weight: str | None = None
    propensity: str | None = None
    position: str | None = None
    position_bias: float = 1.0
    clip: bool = False

    def resolve(self, names: Sequence[str], path: object = "the table") -> tuple[str, ...]:
        """Return the names of the features in a table with columns `names`.

        Raises:
            ValueError: A column is missing or occurs twice, or a feature has another role too.
        """
        twice = sorted({name for name in names if list(names).count(name) > 1})
        if twice:
            raise ValueError(f"{path}: the column {twice[0]!r} occurs twice")
        others = self.others(names)
        features = self.features
        if features is None:
            left_out = {*others, *self.exclude}
            features = tuple(name for name in names if name not in left_out)
        for name in (*others, *features, *self.exclude):
            if name not in names:
                raise ValueError(
                    f"{path}: `columns` must name columns of the table, got {name!r}"
                    f"{did_you_mean(name, names)}; it has {', '.join(names)}"
                )
        roles = (*others, *features)
        if not features or len(set(roles)) != len(roles):
            raise ValueError(
                f"{path}: `columns` must name a query, at most one label and at least one feature, "
                f"all different, got {self.query!r}, {self.label_in(names)!r}, {features}"
            )
        for name in () if self.nullable == "all" else self.nullable:
            if name not in (self.label_in(names), *features):
                raise ValueError(
                    f"{path}: `nullable` must name the label or a feature, got {name!r}"
                )
        check_kinds(self.kinds, features)
        return features

    def label_in(self, names: Sequence[str]) -> str | None:
        """Return the name of the label in a table with columns `names`, if it has one."""
        if self.label is None:
            taken = {self.query, self.id, *(self.features or ()), *self.exclude}
            return _LABEL if _LABEL in names and _LABEL not in taken else None
        return self.label

    def others(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that are no features: query, label, id and those of the weights."""
        roles = (
            *(self.query, self.label_in(names), self.id),
            *(self.weight, self.propensity, self.position),
        )
        return tuple(name for name in roles if name is not None)

    def has_lists(self, schema: pa.Schema) -> bool:
        """Return whether a row is a query: all its other columns are lists."""
        others = [field.type for field in schema if field.name != self.query]
        return self.query in schema.names and bool(others) and all(map(is_list, others))

    def may_be_missing(self, name: str) -> bool:
        """Return whether a value of a column may be missing."""
        return self.nullable == "all" or self.infer or name in self.nullable

    def coding(self) -> Coding:
        """Return the kinds that are given, for the values of all parts of a data set."""
        return Coding(dict(self.kinds), self.infer)

    def vectors(
        self, schema: pa.Schema, first: Callable[[str], pa.Array], path: object = "table"
    ) -> Vectors:
        """Find the vectors among the features of a table; see `Vectors.of`."""
        taken = {*self.others(schema.names), *self.exclude}
        names = [
            name
            for name in (schema.names if self.features is None else self.features)
            if name not in taken and schema.names.count(name) == 1
        ]
        return Vectors.of(schema, names, first, path)

    def flat(self, vectors: Vectors) -> "Columns":
        """Return the same with a column for each entry of a vector."""
        features = None if self.features is None else vectors.names(self.features)
        nullable = self.nullable if self.nullable == "all" else vectors.names(self.nullable)
        return replace(self, features=features, nullable=nullable)

    def nullable_ids(self, features: Sequence[str]) -> tuple[int, ...]:
        """Return the numbers of the features in which values may be missing."""
        return tuple(j for j, name in enumerate(features, start=1) if self.may_be_missing(name))
