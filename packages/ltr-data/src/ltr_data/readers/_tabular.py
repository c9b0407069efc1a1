"""Files with named columns: CSV, TSV, Parquet."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from ._builder import Rows, runs
from ._streams import Stream
from ._vectors import Vectors

_BATCH_ROWS = 16_384
_CSV_BLOCK_BYTES = 1 << 20
_FIELDS = re.compile(r"CSV parse error: Row #(\d+): (.*)", re.DOTALL)
_CONVERSION = re.compile(
    r"In CSV column #(\d+): Row #(\d+): CSV conversion error to \w+: invalid value (.*)", re.DOTALL
)


@dataclass(frozen=True)
class Columns:
    """Which column is what in a table with named columns.

    Args:
        query: Its values identify the queries; equal ones must follow one another.
        label: A number per document; None for the column "label" if the table has one. A feature
            can be a label too, see `LabelSpec`.
        features: In this order; None for all others, in the order of the table. A column of vectors
            of one length (a list in Arrow, pandas and Parquet) is a feature per entry: "emb"
            becomes "emb_1", "emb_2", ...
        nullable: The label and features in which values may be missing (null, NaN or an empty
            field); "all" for all of them. They are NaN in the table.
        id: Its values identify the documents; None if there is no such column.
        exclude: Columns that are left out.
        kinds: By name of a feature, how its values are written, of `KINDS`: "number" ("1.5"),
            "flag" ("t", "false", "yes"), "percent" ("96%"), "money" ("$1,119.00") or "words" (any
            text). Features that are not named hold numbers. "infer" finds it by the values.
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
    label: str = "label"
    features: tuple[str, ...] | None = None
    nullable: tuple[str, ...] | Literal["all"] = ()
    id: str | None = None
    exclude: tuple[str, ...] = ()
    kinds: Mapping[str, str] | Literal["infer"] = field(default_factory=dict)
    weight: str | None = None
    propensity: str | None = None
    position: str | None = None
    position_bias: float = 1.0

    def resolve(self, names: Sequence[str], path: object = "the table") -> tuple[str, ...]:
        """Return the names of the features in a table with columns `names`.

        Raises:
            ValueError: A column is missing or occurs twice, or a feature is also query or label.
        """
        twice = sorted({name for name in names if list(names).count(name) > 1})
        if twice:
            raise ValueError(f"{path}: the column {twice[0]!r} occurs twice")
        features = self.features
        if features is None:
            features = tuple(name for name in names if name not in (self.query, self.label))
        for name in (self.query, self.label, *features):
            if name not in names:
                raise ValueError(
                    f"{path}: `columns` must name columns of the table, got {name!r}; "
                    f"it has {', '.join(names)}"
                )
        if not features or len({self.query, self.label, *features}) != len(features) + 2:
            raise ValueError(
                f"{path}: `columns` must name a query, a label and at least one feature, "
                f"all different, got {self.query!r}, {self.label!r}, {features}"
            )
        for name in self.nullable:
            if name not in (self.label, *features):
                raise ValueError(
                    f"{path}: `nullable` must name the label or a feature, got {name!r}"
                )
        return features

    def vectors(
        self, schema: pa.Schema, first: Callable[[str], pa.Array], path: object = "table"
    ) -> Vectors:
        """Find the vectors among the features of a table; see `Vectors.of`."""
        names = [
            name
            for name in (schema.names if self.features is None else self.features)
            if name not in (self.query, self.label) and schema.names.count(name) == 1
        ]
        return Vectors.of(schema, names, first, path)

    def flat(self, vectors: Vectors) -> "Columns":
        """Return the same with a column for each entry of a vector."""
        features = None if self.features is None else vectors.names(self.features)
        return replace(self, features=features, nullable=vectors.names(self.nullable))

    def nullable_ids(self, features: Sequence[str]) -> tuple[int, ...]:
        """Return the numbers of the features in which values may be missing."""
        return tuple(j for j, name in enumerate(features, start=1) if name in self.nullable)


def csv_names(path: Path, delimiter: str) -> list[str]:
    """Return the names in the first line of a file."""
    with Stream(path) as stream:
        text = stream.read(_CSV_BLOCK_BYTES).decode("utf-8-sig", errors="replace")
    names = next(csv.reader(text.splitlines()[:1], delimiter=delimiter), [])
    if not names:
        raise ValueError(f"{path}:1: expected the names of the columns, got nothing")
    return names


def parse_csv(
    stream: Stream, names: Sequence[str], columns: Columns, delimiter: str
) -> Iterator[Rows]:
    """Yield the rows of a file that has the names of its columns in the first line."""
    features = columns.resolve(names, stream.path)
    types = {name: pa.float32() for name in (columns.label, *features)}
    try:
        with pa.csv.open_csv(
            pa.PythonFile(stream, "r"),
            # Without threads the errors have the line.
            pa.csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK_BYTES),
            pa.csv.ParseOptions(delimiter=delimiter),
            pa.csv.ConvertOptions(
                column_types={**types, columns.query: pa.string()},
                include_columns=[columns.query, columns.label, *features],
                # An empty field is missing; whether it may be is the column's matter.
                null_values=[""],
                strings_can_be_null=False,
            ),
        ) as batches:
            yield from parse_batches(batches, features, columns, stream.path, first_line=2)
    except pa.ArrowInvalid as error:
        raise ValueError(_with_names(stream.path, str(error), names)) from error


def _with_names(path: Path, message: str, names: Sequence[str]) -> str:
    """Return a message of pyarrow with the line and the column's name instead of numbers."""
    fields = _FIELDS.match(message)
    if fields is not None:
        return f"{path}:{fields[1]}: {fields[2]}"
    found = _CONVERSION.match(message)
    if found is None:
        return f"{path}: {message}"
    column, line, value = found.groups()
    return (
        f"{path}:{line}: column {names[int(column)]!r} must hold numbers, got {value}; if it is "
        "no feature, name the features by `Columns(features=...)`"
    )


def parse_parquet(
    path: Path, file: Any, columns: Columns
) -> tuple[Iterator[Rows], tuple[str, ...], tuple[int, ...]]:
    """Return rows, feature names and nullable features of a `pyarrow.parquet.ParquetFile`."""
    schema = file.schema_arrow

    def first(name: str) -> pa.Array:
        few = next(file.iter_batches(batch_size=1, columns=[name]), None)
        return pa.array([], schema.field(name).type) if few is None else few.column(name)

    vectors = columns.vectors(schema, first, path)
    columns = columns.flat(vectors)
    features = columns.resolve(vectors.names(schema.names), path)
    wanted = vectors.stored(schema.names, [columns.query, columns.label, *features])
    batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted)
    flat = vectors.flat(batches, path, first_line=1)
    rows = parse_batches(flat, features, columns, path, first_line=1)
    return rows, features, columns.nullable_ids(features)


def parse_batches(
    batches: Iterable[pa.RecordBatch],
    features: Sequence[str],
    columns: Columns,
    path: object,
    first_line: int,
) -> Iterator[Rows]:
    """Yield the rows of record batches; errors have the path, the row and the column."""
    line = first_line
    for batch in batches:
        if not batch.num_rows:
            continue
        queries = batch.column(columns.query)
        if queries.null_count:
            row = queries.is_null().index(pa.scalar(True)).as_py()
            raise ValueError(f"{path}:{line + row}: the query in column {columns.query!r} is null")
        values = np.empty((batch.num_rows, len(features)), dtype=np.float32)
        for j, name in enumerate(features):
            values[:, j] = _numbers(batch.column(name), name, path, line, columns)
        labels = _numbers(batch.column(columns.label), columns.label, path, line, columns)
        lines = np.arange(line, line + batch.num_rows)
        names, starts = runs(queries.cast(pa.string()).to_pylist())
        yield Rows(labels, names, starts, lines, None, None, values)
        line += batch.num_rows


def _numbers(
    array: pa.Array, name: str, path: object, line: int, columns: Columns
) -> npt.NDArray[np.float32]:
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        raise ValueError(f"{path}: column {name!r} must hold numbers, got {array.type}")
    numbers: npt.NDArray[np.float32] = array.to_numpy(zero_copy_only=False).astype(np.float32)
    allowed = np.isfinite(numbers)
    if name in columns.nullable:
        allowed |= np.isnan(numbers)
    wrong = np.flatnonzero(~allowed)
    if len(wrong):
        found = array[int(wrong[0])].as_py()
        raise ValueError(
            f"{path}:{line + wrong[0]}: column {name!r} must be a finite float32 number, "
            f"got {'null' if found is None else found}"
        )
    return numbers
