"""Columns whose values the names of a data set's folders say, as ``year=2024``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from ._parts import is_partition

Value = int | str | None
Partition = Mapping[str, Value]
"""Column to value, the same for all rows of a file."""

NO_PARTITION: Partition = MappingProxyType({})

_MISSING = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def read_partitions(names: Sequence[str]) -> tuple[Partition, ...]:
    """Return the columns of each file, by its name relative to the data set's folder.

    The values of a column are integers if all of them look like it, else text.

    Examples:
        >>> read_partitions(["year=2023/city=a%20b/0.pq", "year=2024/city=c/0.pq"])
        ({'year': 2023, 'city': 'a b'}, {'year': 2024, 'city': 'c'})
        >>> read_partitions(["part-0.pq"])
        ({},)
    """
    texts: list[dict[str, str]] = []
    for name in names:
        folders = name.split("/")[:-1]
        pairs = (folder.split("=", 1) for folder in folders if is_partition(folder))
        texts.append({unquote(key): unquote(value) for key, value in pairs})
    numeric = {
        key: all(_INTEGER.fullmatch(of[key]) for of in texts if of.get(key, _MISSING) != _MISSING)
        for of in texts
        for key in of
    }
    return tuple({key: _value(text, numeric[key]) for key, text in of.items()} for of in texts)


def _value(text: str, numeric: bool) -> Value:
    if text == _MISSING:
        return None
    return int(text) if numeric else text


class PartitionedFile:
    """A `pyarrow.parquet.ParquetFile` with the columns of its folders behind its own.

    A column that the file has, too, is that of the file.
    """

    def __init__(self, file: Any, partition: Partition) -> None:
        self._file = file
        own = file.schema_arrow
        self._partition = {
            key: pa.scalar(value, pa.int64() if isinstance(value, int) else pa.string())
            for key, value in partition.items()
            if key not in own.names
        }
        self.schema_arrow = own
        for key, scalar in self._partition.items():
            self.schema_arrow = self.schema_arrow.append(pa.field(key, scalar.type))

    def iter_batches(
        self, batch_size: int = 1 << 16, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows with the named columns, or all."""
        wanted = self.schema_arrow.names if columns is None else columns
        stored = [name for name in wanted if name not in self._partition]
        for batch in self._file.iter_batches(batch_size=batch_size, columns=stored):
            whole = batch
            for key, scalar in self._partition.items():
                if key in wanted:
                    whole = whole.append_column(key, pa.repeat(scalar, batch.num_rows))
            yield whole
