"""One table as training, validation and test split."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ._table import RankingTable

NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training", "trainingset"),
    "vali": ("vali", "val", "valid", "validation", "dev", "validationset"),
    "test": ("test", "testing", "testset"),
}
"""The splits, and what people call them, in lower case."""

SHARES = (0.6, 0.2, 0.2)


def split(
    table: RankingTable,
    shares: Sequence[float] = SHARES,
    *,
    seed: int = 0,
    column: str | int | None = None,
    order: str | int | None = None,
) -> dict[str, RankingTable]:
    r"""Split a table by its queries into train, vali and test.

    A query is in the split of its own number in [0, 1), which is a hash of the seed and the query's
    id: it stays where it is when other queries come or go. With `order` the queries are sorted by a
    column, such as the time, and the first are the training split. With `column` the table says it.

    Args:
        table: All documents.
        shares: Of the queries in train, vali and test; without the third there is no test.
        seed: Of the hash.
        column: A column of words that say the split of each query ("train", "validation", "dev",
            ...); instead of `shares`.
        order: A column by whose least value in each query the queries are sorted.

    Returns:
        The splits that exist, in the order train, vali, test.

    Raises:
        ValueError: The shares are no two or three positive numbers with the sum 1, `column` and
            `order` are both given, a query is in two splits, a word names no split, a value is
            missing, or there would be no query in a split.

    Examples:
        >>> from ltr_data.datasets import synthetic
        >>> parts = split(synthetic.generate(20, seed=0))
        >>> {name: part.num_queries for name, part in parts.items()}
        {'train': 12, 'vali': 4, 'test': 4}
    """
    if column is not None and order is not None:
        raise ValueError(f"`column` and `order` exclude one another, got {column!r} and {order!r}")
    if column is not None:
        names = _named(table, column)
    else:
        bounds = _bounds(shares)
        place = _hashed(table.query_ids, seed) if order is None else _sorted(table, order)
        names = np.array(["train", "vali", "test"])[np.searchsorted(bounds, place, side="right")]
    wanted = ("train", "vali", "test")[: 2 if column is not None else len(shares)]
    parts = {}
    for name in ("train", "vali", "test"):
        chosen = np.flatnonzero(names == name)
        if len(chosen):
            parts[name] = table.subset(chosen)
        elif name in wanted:
            raise ValueError(
                f"`table` must have a query for each split, {name} got none of the "
                f"{table.num_queries}"
            )
    return parts


def _bounds(shares: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return where the second and the third split begin."""
    values = np.array(shares, dtype=np.float64)
    if values.shape not in ((2,), (3,)) or (values <= 0).any() or abs(values.sum() - 1) > 1e-9:
        raise ValueError(
            f"`shares` must be two or three positive numbers with the sum 1, got {list(shares)}"
        )
    # Of two shares, the last bound is 1: nothing is behind it.
    return np.array([values[0], values[0] + values[1] if len(values) == 3 else 1.0])


def _hashed(query_ids: Sequence[str], seed: int) -> npt.NDArray[np.float64]:
    digests = (
        hashlib.blake2b(f"{seed}:{query_id}".encode(), digest_size=8).digest()
        for query_id in query_ids
    )
    # 53 bits, so that the number is below 1 in float64.
    return np.array([(int.from_bytes(d, "big") >> 11) / 2**53 for d in digests])


def _sorted(table: RankingTable, order: str | int) -> npt.NDArray[np.float64]:
    """Return (query,) the place in [0, 1] of each, by the least value of a column."""
    values = _values(table, order, "order")
    words = table.words.get(table.feature_id(order))
    if words is not None:  # such as dates: sort by the text
        ranks = np.argsort(np.argsort(np.array(words, dtype=object), kind="stable"))
        values = ranks[values.astype(np.int64)].astype(np.float64)
    least = np.minimum.reduceat(values, table.offsets[:-1])
    place = np.empty(table.num_queries)
    place[np.argsort(least, kind="stable")] = (
        np.arange(table.num_queries) + 0.5
    ) / table.num_queries
    return place


def _named(table: RankingTable, column: str | int) -> npt.NDArray[np.str_]:
    """Return (query,) the split that a column says."""
    values = _values(table, column, "column")
    words = table.words.get(table.feature_id(column))
    if words is None:
        raise ValueError(
            f"`column` must hold words like train, vali and test, {column!r} holds numbers like "
            f"{values[0]:g}"
        )
    called = {name: split for split, names in NAMES.items() for name in names}
    unknown = [word for word in words if word.strip().lower() not in called]
    if unknown:
        raise ValueError(
            f"`column` must hold words like train, validation and test, {column!r} holds "
            f"{unknown[0]!r}"
        )
    starts = table.offsets[:-1]
    mixed = np.maximum.reduceat(values, starts) != np.minimum.reduceat(values, starts)
    if mixed.any():
        query = table.query_ids[int(np.flatnonzero(mixed)[0])]
        raise ValueError(f"`column` must say one split per query, {column!r} has two for {query!r}")
    names = np.array([called[word.strip().lower()] for word in words])
    return names[values[starts].astype(np.int64)]


def _values(table: RankingTable, column: str | int, what: str) -> npt.NDArray[np.float64]:
    values = table.column(column).astype(np.float64)
    if np.isnan(values).any():
        row = int(np.flatnonzero(np.isnan(values))[0])
        raise ValueError(f"`{what}` must have no gaps, {column!r} has one in document {row}")
    return values
