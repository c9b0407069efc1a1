"""Tables with a row per query, whose columns are lists of the documents' values."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa


def is_list(kind: pa.DataType) -> bool:
    """Return whether a column holds lists of any length."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def documents_schema(schema: pa.Schema, query: str) -> pa.Schema:
    """Return the types of the documents' values."""
    fields = [(f.name, f.type if f.name == query else f.type.value_type) for f in schema]
    return pa.schema(fields)


def one_row_per_document(
    batches: Iterable[pa.RecordBatch], query: str, path: object
) -> Iterator[pa.RecordBatch]:
    """Yield the documents of the rows, each with its query.

    Raises:
        ValueError: The lists of a row have different lengths, or one is null.

    Examples:
        >>> batch = pa.RecordBatch.from_pydict({"qid": [7, 8], "x": [[1, 2], [3]]})
        >>> next(one_row_per_document([batch], "qid", "table")).to_pydict()
        {'qid': [7, 7, 8], 'x': [1, 2, 3]}
    """
    row = 1
    for batch in batches:
        names = batch.schema.names
        lists = [name for name in names if name != query]
        lengths = {
            name: np.asarray(
                batch.column(name).value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
            )
            for name in lists
        }
        first = lengths[lists[0]]
        for name, found in lengths.items():
            wrong = np.flatnonzero((found != first) | (found < 0))
            if len(wrong):
                at = wrong[0]
                raise ValueError(
                    f"{path}:{row + at}: the lists of a query must have one length, got "
                    f"{first[at]} in {lists[0]!r} and {found[at]} in {name!r}"
                )
        rows = pa.array(np.repeat(np.arange(batch.num_rows), first))
        arrays = [
            batch.column(name).take(rows) if name == query else batch.column(name).flatten()
            for name in names
        ]
        yield pa.RecordBatch.from_arrays(arrays, names=names)
        row += batch.num_rows
