"""The rows of tables with named columns: prepared by threads, and coded in their order."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .._ahead import map_ahead
from .._checks import check_at_least
from .._strings import Strings
from ._builder import Rows
from ._coding import Coding, UnreadableError
from ._tabular import Columns

T = TypeVar("T")
Lines = npt.NDArray[np.int64]
Numbered = tuple[pa.RecordBatch, Lines]
"""A batch, and where each of its rows is: the line in the file, or the number of the row."""


def numbered(batches: Iterable[pa.RecordBatch], first: int) -> Iterator[Numbered]:
    """Yield batches with the numbers of their rows."""
    for batch in batches:
        yield batch, np.arange(first, first + batch.num_rows)
        first += batch.num_rows


def table_rows(
    items: Iterable[T],
    parse: Callable[[T], Numbered],
    features: Sequence[str],
    columns: Columns,
    coding: Coding,
    path: object,
    threads: int | None = None,
) -> Iterator[Rows]:
    """Yield the rows of what is parsed; errors have the path, the line and the column."""
    threads = min(os.cpu_count() or 1, 8) if threads is None else threads
    check_at_least(1, threads=threads)

    def prepare(item: T) -> _Prepared:
        return _Prepared(*parse(item), features, columns, coding, path)

    ahead = threads if threads > 1 else 0
    for prepared in map_ahead(prepare, items, threads=threads, ahead=ahead):
        if len(prepared.lines):
            yield prepared.rows()


@dataclass(frozen=True)
class _Texts:
    """The different texts of a column, in the order of their first rows, and the rows' places."""

    distinct: pa.Array
    places: npt.NDArray[np.int64]  # (row,); -1 in a gap

    @classmethod
    def of(cls, array: pa.Array) -> "_Texts":
        if pa.types.is_dictionary(array.type) and array.dictionary.null_count:
            array = array.dictionary_decode()
        given = pa.types.is_dictionary(array.type)
        texts = array if given else _as_text(array).dictionary_encode()
        distinct = _as_text(texts.dictionary)
        codes = texts.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        if not given:
            return cls(distinct, codes)
        # Only those that occur: a category that does not is no word of the data.
        used, first, places = np.unique(codes, return_index=True, return_inverse=True)
        order = np.argsort(np.where(used < 0, len(codes), first), kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        rank[used < 0] = -1
        there = used[order]
        return cls(distinct.take(pa.array(there[there >= 0])), rank[places])


class _Prepared:
    """Some rows of a table: all numbers, and the texts that need a code in their turn."""

    def __init__(
        self,
        batch: pa.RecordBatch,
        lines: Lines,
        features: Sequence[str],
        columns: Columns,
        coding: Coding,
        path: object,
    ) -> None:
        self.batch, self.lines, self.columns, self.path = batch, lines, columns, path
        self.features, self.coding = features, coding
        self.values = np.empty((batch.num_rows, len(features)), dtype=np.float32)
        self.texts: dict[str, _Texts] = {}
        for j, name in enumerate(features):
            numbers = self._numbers(name)
            if numbers is None:
                texts = self._texts(name)
                if coding.kinds.get(name, "words") == "words":
                    self.texts[name] = texts
                    continue
                numbers = self._coded(name, texts)
            self.values[:, j] = numbers
        self.query_ids, self.starts = self._runs()
        ids = None if columns.id is None else self._ids(columns.id, "document")
        self.document_ids = None if ids is None else as_strings(ids)

    def rows(self) -> Rows:
        """Return the rows, with the codes that are next in turn."""
        columns, coding = self.columns, self.coding
        for j, name in enumerate(self.features):
            if name in self.texts or coding.kinds.get(name) == "words":
                texts = self.texts.get(name) or self._texts(name)
                self.values[:, j] = self._coded(name, texts)
            elif coding.infer and self.batch.column(name).null_count < len(self.lines):
                flag = pa.types.is_boolean(self.batch.column(name).type)
                coding.kinds.setdefault(name, "flag" if flag else "number")
        label = columns.label_in(self.batch.schema.names)
        return Rows(
            None if label is None else self._role(label),
            self.query_ids,
            self.starts,
            self.lines,
            None,
            None,
            self.values,
            document_ids=self.document_ids,
            weights=self._weights(),
        )

    def _numbers(self, name: str) -> npt.NDArray[np.float32] | None:
        """Return a column's numbers, NaN in gaps; None if it holds no numbers."""
        array = self.batch.column(name)
        if pa.types.is_boolean(array.type):
            array = array.cast(pa.uint8())
        if pa.types.is_decimal(array.type):
            array = array.cast(pa.float64())
        if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
            return None
        return self._float32(name, array.to_numpy(zero_copy_only=False))

    def _float32(self, name: str, numbers: npt.NDArray[np.number]) -> npt.NDArray[np.float32]:
        """Return the numbers of a column, or raise for one that it must not hold."""
        with np.errstate(over="ignore"):
            result: npt.NDArray[np.float32] = numbers.astype(np.float32, copy=False)
        if self.columns.clip:
            beyond = np.isinf(result) & np.isfinite(numbers)
            largest = np.copysign(np.finfo(np.float32).max, result)
            result = np.where(beyond, largest, result)
        allowed = np.isfinite(result)
        if self.columns.may_be_missing(name):
            allowed |= np.isnan(result)
        if not allowed.all():
            row = int(np.argmin(allowed))
            found = self.batch.column(name)[row].as_py()
            gap = "null; `Columns(nullable=...)` allows gaps"
            raise ValueError(
                f"{self.path}:{self.lines[row]}: column {name!r} must be a finite float32 number, "
                f"got {gap if found is None else found}"
            )
        return result

    def _texts(self, name: str) -> _Texts:
        array = self.batch.column(name)
        try:
            return _Texts.of(array)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(
                f"{self.path}: column {name!r} must hold numbers or words, got {array.type}; "
                "`exclude` leaves it out"
            ) from error

    def _coded(self, name: str, texts: _Texts) -> npt.NDArray[np.float32]:
        """Return the numbers that the texts of a column mean."""
        try:
            numbers = self.coding.numbers_of(name, texts.distinct)
        except UnreadableError as error:
            place = texts.distinct.index(pa.scalar(error.text, texts.distinct.type)).as_py()
            row = int(np.argmax(texts.places == place))
            raise ValueError(
                f"{self.path}:{self.lines[row]}: column {name!r} {error.problem}"
            ) from error
        return self._float32(name, np.append(numbers, np.nan)[texts.places])

    def _role(self, name: str) -> npt.NDArray[np.float32]:
        """Return the numbers of a column that is no feature."""
        numbers = self._numbers(name)
        return self._coded(name, self._texts(name)) if numbers is None else numbers

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
            values = self._role(name)
            wrong = np.flatnonzero(~((values >= least) & (values <= most)))
            if len(wrong):
                bounds = {0.0: "not be negative", 1.0: "be at least 1"}.get(least, "be in (0, 1]")
                raise ValueError(
                    f"{self.path}:{self.lines[wrong[0]]}: column {name!r} must {bounds}, "
                    f"got {values[wrong[0]]:g}"
                )
            if name == columns.propensity:
                values = np.reciprocal(values)
            elif name == columns.position:
                values = np.power(values, columns.position_bias, dtype=np.float32)
            weights = values if weights is None else weights * values
        return weights

    def _runs(self) -> tuple[list[str], npt.NDArray[np.int64]]:
        """Return the query of each run of rows that share it, and its first row."""
        ids = self._ids(self.columns.query, "query")
        new = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
        starts = np.flatnonzero(np.concatenate(([True], new)))[: len(ids)]
        return ids.take(pa.array(starts)).to_pylist(), starts

    def _ids(self, name: str, what: str) -> pa.Array:
        """Return a column of ids as text."""
        ids = self.batch.column(name)
        if ids.null_count:
            row = ids.is_null().index(pa.scalar(True)).as_py()
            raise ValueError(
                f"{self.path}:{self.lines[row]}: the {what} in column {name!r} is null"
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
