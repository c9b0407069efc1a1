"""CSV files: names in the first line, values behind."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from .._kinds import GAPS, infer_kind
from ._coding import Coding
from ._streams import Stream
from ._tabular import Columns

_BLOCK_BYTES = 1 << 20
_SEPARATORS = (",", ";", "\t")
_LONGEST_NAME = 1000
_FIELDS = re.compile(r"CSV parse error: Row #(\d+): (.*)", re.DOTALL)
_CONVERSION = re.compile(
    r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to \w+: invalid value (.*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class CSVHead:
    """The head of a CSV file: the names of its columns, and its separator."""

    path: Path
    names: tuple[str, ...]
    separator: str

    @classmethod
    def read(cls, path: Path, separator: str | None = None) -> "CSVHead":
        """Read the head of a file; without a separator, find it in the first line.

        Raises:
            ValueError: The first line has no names, or is no text.
        """
        with Stream(path) as stream:
            line = stream.read(_BLOCK_BYTES).partition(b"\n")[0].removesuffix(b"\r")
        try:
            text = line.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path}:1: expected the names of the columns in UTF-8, got the byte "
                f"{line[error.start : error.start + 1]!r}"
            ) from error
        if separator is None:
            outside = re.sub(r'"[^"]*"', "", text)
            separator = max(_SEPARATORS, key=outside.count)
        try:
            names = tuple(next(csv.reader([text], delimiter=separator), []))
        except csv.Error as error:
            raise ValueError(f"{path}:1: expected the names of the columns: {error}") from error
        if not names:
            raise ValueError(f"{path}:1: expected the names of the columns, got nothing")
        longest = max(names, key=len)
        if len(longest) > _LONGEST_NAME:
            raise ValueError(
                f"{path}:1: expected names of columns of at most {_LONGEST_NAME} characters, got "
                f"one of {len(longest)}, {longest[:40]!r}..."
            )
        return cls(path, names, separator)

    def infer(self, features: Sequence[str], coding: Coding) -> None:
        """Find the kinds of features that are not given, by the first rows."""
        names = [name for name in features if name not in coding.kinds]
        types = dict.fromkeys(names, pa.string())
        with Stream(self.path) as stream:
            first = next(self._batches(stream, types, names), None)
        if first is None:
            return
        for name in names:
            texts = [t for t in first.column(name).unique().to_pylist() if t not in GAPS]
            if texts:
                coding.kinds[name] = infer_kind(texts)

    def batches(
        self, stream: Stream, features: Sequence[str], columns: Columns, coding: Coding
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the file; numbers as such, all else as text."""
        others = columns.others(self.names)
        ids = {columns.query, columns.id}
        types = {name: pa.float32() for name in others if name not in ids}
        types |= {name: pa.string() for name in others if name in ids}
        for name in features:
            kind = coding.kinds.get(name, "words" if coding.infer else "number")
            types[name] = pa.float32() if kind == "number" else pa.string()
        yield from self._batches(stream, types, [*others, *features])

    def _batches(
        self, stream: Stream, types: dict[str, pa.DataType], names: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        try:
            with self._open(pa.PythonFile(stream, "r"), types, names) as batches:
                yield from batches
        except pa.ArrowInvalid as error:
            raise ValueError(_with_names(self.path, str(error), self.names)) from error

    def _open(
        self, source: object, types: dict[str, pa.DataType], names: Sequence[str]
    ) -> pa.csv.CSVStreamingReader:
        try:
            return pa.csv.open_csv(
                source,
                # Without threads the errors have the line.
                pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
                pa.csv.ParseOptions(delimiter=self.separator, newlines_in_values=True),
                pa.csv.ConvertOptions(
                    column_types=types,
                    include_columns=list(names),
                    null_values=sorted(GAPS),
                    # What is a gap among words is the coding's matter; an id is never one.
                    strings_can_be_null=False,
                ),
            )
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            raise ValueError(_with_names(self.path, str(error), self.names)) from error


def _with_names(path: Path, message: str, names: Sequence[str]) -> str:
    """Return a message of pyarrow with the line and the column's name instead of numbers."""
    fields = _FIELDS.match(message)
    if fields is not None:
        return f"{path}:{fields[1]}: {fields[2]}"
    found = _CONVERSION.match(message)
    if found is None:
        return f"{path}: {message}"
    column, line, value = found.groups()
    kind = infer_kind([value.strip("'")])
    where = f"{path}:{line}" if line else f"{path}"
    return (
        f"{where}: column {names[int(column)]!r} must hold numbers, got {value}; if it is no "
        f"feature, name the features by `Columns(features=...)`, if it is one, "
        f"`Columns(kinds={{{names[int(column)]!r}: {kind!r}}})` takes it"
    )
