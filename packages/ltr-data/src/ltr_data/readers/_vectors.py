"""Columns of vectors, such as embeddings, read as one column per entry."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Vectors:
    """The columns that hold vectors, and their lengths.

    Examples:
        >>> vectors = Vectors({"emb": 2})
        >>> vectors.names(["qid", "emb", "bm25"])
        ('qid', 'emb_1', 'emb_2', 'bm25')
    """

    widths: Mapping[str, int]

    @classmethod
    def of(
        cls,
        schema: pa.Schema,
        names: Iterable[str],
        first: Callable[[str], pa.Array],
        path: object = "table",
    ) -> "Vectors":
        """Find the vectors among some columns; `first` gives the first row of a column, if any."""
        widths = {}
        for name in names:
            kind = schema.field(name).type
            if pa.types.is_fixed_size_list(kind):
                widths[name] = kind.list_size
            elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
                rows = first(name)
                widths[name] = len(rows[0]) if len(rows) and rows[0].is_valid else 0
            else:
                continue
            if widths[name] == 0 and len(first(name)):
                raise ValueError(
                    f"{path}: column {name!r} must hold vectors of one length, got none in the "
                    "first row"
                )
        return cls(widths)

    def names(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the names, with the names of vectors replaced by those of their entries from 1."""
        return tuple(
            entry
            for name in names
            for entry in (
                (f"{name}_{i}" for i in range(1, self.widths[name] + 1))
                if name in self.widths
                else (name,)
            )
        )

    def flat(
        self, batches: Iterable[pa.RecordBatch], path: object, first_line: int
    ) -> Iterator[pa.RecordBatch]:
        """Yield the batches with one column per entry of a vector."""
        line = first_line
        for batch in batches:
            yield batch if not self.widths else self._flat(batch, path, line)
            line += batch.num_rows

    def _flat(self, batch: pa.RecordBatch, path: object, line: int) -> pa.RecordBatch:
        arrays: list[pa.Array] = []
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            if name not in self.widths:
                arrays.append(array)
                continue
            width = self.widths[name]
            lengths = np.asarray(array.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False))
            wrong = np.flatnonzero(lengths != width)
            if len(wrong):
                found = lengths[wrong[0]]
                raise ValueError(
                    f"{path}:{line + wrong[0]}: column {name!r} must hold {width} numbers in every "
                    f"row, as in the first, got {'null' if found < 0 else found}"
                )
            values = array.flatten()
            arrays.extend(values[i::width] for i in range(width))
        return pa.RecordBatch.from_arrays(arrays, names=list(self.names(batch.schema.names)))

    def stored(self, names: Iterable[str], entries: Iterable[str]) -> list[str]:
        """Return the names of the columns that hold these entries."""
        needed = set(entries)
        return [name for name in names if needed.intersection(self.names([name]))]
