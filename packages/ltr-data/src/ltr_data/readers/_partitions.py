"""Columns whose values the names of a data set's folders say, as ``year=2024``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import unquote

import pyarrow as pa

from ._arrow_files import TypedFile
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


def with_columns(file: TypedFile, partition: Partition) -> TypedFile:
    """Return a file with the columns of its folders behind its own.

    A column that the file has, too, is that of the file.
    """
    scalars = {
        key: pa.scalar(value, pa.int64() if isinstance(value, int) else pa.string())
        for key, value in partition.items()
        if key not in file.schema.names
    }
    schema = file.schema
    for key, scalar in scalars.items():
        schema = schema.append(pa.field(key, scalar.type))
    return replace(file, schema=schema, batches=_widened(file.batches, scalars))


def _widened(
    batches: Iterator[pa.RecordBatch], scalars: Mapping[str, pa.Scalar]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        whole = batch
        for key, scalar in scalars.items():
            whole = whole.append_column(key, pa.repeat(scalar, batch.num_rows))
        yield whole
