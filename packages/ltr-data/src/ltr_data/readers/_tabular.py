"""Tables with named columns: which column is what, and their rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .._checks import did_you_mean
from .._strings import Strings
from ._builder import Rows, runs
from ._coding import Coding, UnreadableError, check_kinds
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


def table_rows(
    batches: Iterable[pa.RecordBatch],
    features: Sequence[str],
    columns: Columns,
    coding: Coding,
    path: object,
    first_line: int,
) -> Iterator[Rows]:
    """Yield the rows of record batches; errors have the path, the row and the column."""
    line = first_line
    for batch in batches:
        if batch.num_rows:
            yield _Batch(batch, columns, coding, path, line).rows(features)
        line += batch.num_rows


@dataclass(frozen=True)
class _Batch:
    """Some rows of a table."""

    batch: pa.RecordBatch
    columns: Columns
    coding: Coding
    path: object
    line: int

    def rows(self, features: Sequence[str]) -> Rows:
        columns = self.columns
        values = np.empty((self.batch.num_rows, len(features)), dtype=np.float32)
        for j, name in enumerate(features):
            values[:, j] = self._numbers(name)
        label = columns.label_in(self.batch.schema.names)
        names, starts = runs(self._texts(columns.query, "query").to_pylist())
        return Rows(
            None if label is None else self._numbers(label),
            names,
            starts,
            np.arange(self.line, self.line + self.batch.num_rows),
            None,
            None,
            values,
            document_ids=(
                None if columns.id is None else as_strings(self._texts(columns.id, "document"))
            ),
            weights=self._weights(),
        )

    def _texts(self, name: str, what: str) -> pa.Array:
        """Return a column of ids as text."""
        ids = self.batch.column(name)
        if ids.null_count:
            row = ids.is_null().index(pa.scalar(True)).as_py()
            raise ValueError(
                f"{self.path}:{self.line + row}: the {what} in column {name!r} is null"
            )
        if pa.types.is_dictionary(ids.type):
            ids = ids.dictionary_decode()
        if pa.types.is_binary(ids.type) or pa.types.is_large_binary(ids.type):
            ids = ids.cast(pa.large_binary())
        try:
            return ids.cast(pa.large_string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(
                f"{self.path}: the {what}s in column {name!r} must be text or numbers, "
                f"got {ids.type}"
            ) from error

    def _weights(self) -> npt.NDArray[np.float32] | None:
        """Return weight / propensity · position^bias, of the columns that are there."""
        columns = self.columns
        weights: npt.NDArray[np.float32] | None = None
        for name, least, most in (
            (columns.weight, 0.0, np.inf),
            (columns.propensity, np.nextafter(0, 1), 1.0),
            (columns.position, 1.0, np.inf),
        ):
            if name is None:
                continue
            values = self._numbers(name)
            wrong = np.flatnonzero(~((values >= least) & (values <= most)))
            if len(wrong):
                bounds = {0.0: "not be negative", 1.0: "be at least 1"}.get(least, "be in (0, 1]")
                raise ValueError(
                    f"{self.path}:{self.line + wrong[0]}: column {name!r} must {bounds}, "
                    f"got {values[wrong[0]]:g}"
                )
            if name == columns.propensity:
                values = np.reciprocal(values)
            elif name == columns.position:
                values = np.power(values, columns.position_bias, dtype=np.float32)
            weights = values if weights is None else weights * values
        return weights

    def _numbers(self, name: str) -> npt.NDArray[np.float32]:
        """Return the numbers of a column, or the codes of its words."""
        array = self.batch.column(name)
        kind = self.coding.kinds.get(name)
        if pa.types.is_boolean(array.type):
            if self.coding.infer:
                self.coding.kinds.setdefault(name, "flag")
            array = array.cast(pa.uint8())
        if pa.types.is_decimal(array.type):
            array = array.cast(pa.float64())
        numeric = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
        if numeric and kind != "words":
            if self.coding.infer and array.null_count < len(array):
                self.coding.kinds.setdefault(name, "number")
            numbers = array.to_numpy(zero_copy_only=False)
        else:
            numbers = self._coded(name, array)
        with np.errstate(over="ignore"):
            values: npt.NDArray[np.float32] = numbers.astype(np.float32)
        allowed = np.isfinite(values)
        if self.columns.may_be_missing(name):
            allowed |= np.isnan(values)
        wrong = np.flatnonzero(~allowed)
        if len(wrong):
            found = array[int(wrong[0])].as_py()
            gap = "null; `Columns(nullable=...)` allows gaps"
            raise ValueError(
                f"{self.path}:{self.line + wrong[0]}: column {name!r} must be a finite float32 "
                f"number, got {gap if found is None else found}"
            )
        return values

    def _coded(self, name: str, array: pa.Array) -> npt.NDArray[np.float64]:
        """Return the numbers that the texts of a column mean."""
        try:
            texts = array if pa.types.is_dictionary(array.type) else _as_text(array)
            texts = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
            distinct = _as_text(texts.dictionary).to_pylist()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(
                f"{self.path}: column {name!r} must hold numbers or words, got {array.type}; "
                "`exclude` leaves it out"
            ) from error
        # Only those that occur: a category that does not is no word of the data.
        indices = texts.indices.to_numpy(zero_copy_only=False)
        there = ~np.isnan(indices) if indices.dtype.kind == "f" else np.ones(len(indices), bool)
        used, places = np.unique(indices[there].astype(np.int64), return_inverse=True)
        # In the order of their first rows, whatever the order of the categories.
        first_rows = np.full(len(used), len(indices))
        np.minimum.at(first_rows, places, np.flatnonzero(there))
        order = np.argsort(first_rows, kind="stable")
        numbers = np.empty(len(used))
        try:
            numbers[order] = self.coding.numbers_of(name, [distinct[i] for i in used[order]])
        except UnreadableError as error:
            row = next(r for r in np.flatnonzero(there) if distinct[int(indices[r])] == error.text)
            raise ValueError(
                f"{self.path}:{self.line + row}: column {name!r} {error.problem}"
            ) from error
        result = np.full(len(indices), np.nan)
        result[there] = numbers[places]
        return result


def _as_text(array: pa.Array) -> pa.Array:
    """Return values as text: dates in the form of ISO 8601, numbers as they print."""
    if pa.types.is_floating(array.type):
        whole = pc.all(pc.equal(pc.floor(array), array)).as_py()
        array = array.cast(pa.int64()) if whole else array
    return array.cast(pa.large_string())


def as_strings(array: pa.Array) -> Strings:
    """Return text without nulls as two arrays."""
    array = array.cast(pa.large_string())
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    if data is None or not len(array):
        return Strings.of([""] * len(array))
    content = np.frombuffer(data, dtype=np.uint8)[places[0] : places[-1]]
    return Strings(places - places[0], content.copy())
