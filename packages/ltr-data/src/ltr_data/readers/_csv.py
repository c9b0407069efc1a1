"""CSV files: names in the first line, values behind."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from .._kinds import GAPS, infer_kind, parse_text
from ._coding import Coding
from ._csv_blocks import CSVBlock, cut
from ._streams import Stream
from ._table_rows import Numbered
from ._tabular import Columns

_SEPARATORS = (",", ";", "\t", "|")
_HEAD_BYTES, _LONGEST_NAME = 1 << 20, 1000
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
            line = stream.read(_HEAD_BYTES).partition(b"\n")[0].removesuffix(b"\r")
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
        numbers = all(parse_text("number", name) is not None for name in names)
        if numbers and list(names) != [*map(str, range(len(names)))]:  # as pandas names columns
            raise ValueError(
                f"{path}:1: expected the names of the columns, got the numbers {text[:40]!r}; "
                "write a line of names above them"
            )
        longest = max(names, key=len)
        if len(longest) > _LONGEST_NAME:
            raise ValueError(
                f"{path}:1: expected names of columns of at most {_LONGEST_NAME} characters, got "
                f"one of {len(longest)}, {longest[:40]!r}..."
            )
        return cls(path, names, separator)

    def blocks(self, stream: Stream) -> Iterator[CSVBlock]:
        """Cut a stream of the file into blocks of whole rows, without the names."""
        stream.skip_line()
        return cut(stream, self.separator)

    def infer(self, features: Sequence[str], coding: Coding) -> None:
        """Find the kinds of features that are not given, by the first rows."""
        names = [name for name in features if name not in coding.kinds]
        with Stream(self.path) as stream:
            first = next(self.blocks(stream), None)
        if first is None:
            return
        batch, _ = self.parse(first, dict.fromkeys(names, pa.string()))
        for name in names:
            texts = [t for t in batch.column(name).unique().to_pylist() if t not in GAPS]
            if texts:
                coding.kinds[name] = infer_kind(texts)

    def types(
        self, features: Sequence[str], columns: Columns, coding: Coding
    ) -> dict[str, pa.DataType]:
        """Return the types of the columns in use: numbers as such, all else as text."""
        ids = {columns.query, columns.id}
        others = columns.others(self.names)
        # What is beyond float32 is not told from infinity once it is float32.
        number = pa.float64() if columns.clip else pa.float32()
        types = {name: pa.string() if name in ids else number for name in others}
        for name in features:
            kind = coding.kinds.get(name, "words" if coding.infer else "number")
            types[name] = number if kind == "number" else pa.string()
        return types

    def parse(self, block: CSVBlock, types: Mapping[str, pa.DataType]) -> Numbered:
        """Parse some columns of a block.

        Raises:
            ValueError: A row has another number of fields, or a field is of another type.
        """
        try:
            table = pa.csv.read_csv(
                pa.BufferReader(block.text),
                # Without threads the errors have the row.
                pa.csv.ReadOptions(
                    use_threads=False, block_size=len(block.text) + 1, column_names=self.names
                ),
                pa.csv.ParseOptions(delimiter=self.separator, newlines_in_values=True),
                pa.csv.ConvertOptions(
                    column_types=types,
                    include_columns=list(types),
                    null_values=sorted(GAPS),
                    # What is a gap among words is the coding's matter; an id is never one.
                    strings_can_be_null=False,
                ),
            )
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            raise ValueError(self._said(str(error), block)) from error
        (batch,) = table.combine_chunks().to_batches()
        return batch, block.lines(batch.num_rows)

    def _said(self, message: str, block: CSVBlock) -> str:
        """Return a message of pyarrow with the line and the column's name instead of numbers."""
        fields, value = _FIELDS.match(message), _CONVERSION.match(message)
        if fields is not None:
            return f"{self.path}:{block.line(int(fields[1]))}: {fields[2]}"
        if value is None:
            return f"{self.path}{_undecodable(block) or f': {message}'}"
        name, row, text = self.names[int(value[1])], value[2], value[3]
        kind = infer_kind([text.strip("'")])
        where = f"{self.path}:{block.line(int(row))}" if row else f"{self.path}"
        return (
            f"{where}: column {name!r} must hold numbers, got {text}; if it is no feature, name "
            f"the features by `Columns(features=...)`, if it is one, "
            f"`Columns(kinds={{{name!r}: {kind!r}}})` takes it"
        )


def _undecodable(block: CSVBlock) -> str:
    """Return the line of the first byte that is no UTF-8, and what to do; nothing without one."""
    try:
        block.text.decode()
    except UnicodeDecodeError as error:
        line = block.first_line + block.text.count(b"\n", 0, error.start)
        byte = block.text[error.start : error.start + 1]
        return f":{line}: expected text in UTF-8, got the byte {byte!r}; save the file as UTF-8"
    return ""
