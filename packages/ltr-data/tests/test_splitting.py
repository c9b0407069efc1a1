"""One table as splits: every query in one of them, and where it was before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltr_data
from ltr_data import RankingTable, from_numpy


def table_of(queries, **changes):
    table = from_numpy(
        np.arange(2.0 * len(queries)).reshape(-1, 2), np.zeros(len(queries)), queries
    )
    return RankingTable(**{**vars(table), **changes})


@given(st.integers(30, 80), st.integers(0, 5))
def test_by_hash(count, seed):
    queries = np.repeat(np.arange(count), 2)
    whole = table_of(queries)
    parts = ltr_data.split(whole, (0.5, 0.25, 0.25), seed=seed)
    assert sorted(q for part in parts.values() for q in part.query_ids) == sorted(whole.query_ids)
    for part in parts.values():
        for query, start in zip(part.query_ids, part.offsets[:-1], strict=True):
            np.testing.assert_array_equal(part.features[start], whole.features[2 * int(query)])
    # Other queries come in another order, and the old ones stay where they are.
    more = table_of(np.repeat(np.arange(count + 20)[::-1], 2))
    for name, part in ltr_data.split(more, (0.5, 0.25, 0.25), seed=seed).items():
        old = {q for q in part.query_ids if int(q) < count}
        assert old == set(parts[name].query_ids)


def test_shares_are_kept_in_large():
    whole = table_of(np.arange(20_000))
    parts = ltr_data.split(whole, (0.7, 0.2, 0.1))
    for name, share in zip(parts, (0.7, 0.2, 0.1), strict=True):
        # Three standard deviations of a binomial.
        error = 3 * (share * (1 - share) / 20_000) ** 0.5
        assert abs(parts[name].num_queries / 20_000 - share) < error


def test_in_order_and_by_column():
    words = {"kinds": {2: "words"}, "words": {2: ("2026-02", "2025-11", "2026-01")}}
    features = np.array([[0, 0], [1, 1], [1, 2], [2, 2]], dtype=np.float32)
    whole = table_of([1, 2, 2, 3], features=features, **words)
    shares = (0.34, 0.33, 0.33)
    in_order = ltr_data.split(whole, shares, order=2)
    assert [part.query_ids for part in in_order.values()] == [("2",), ("3",), ("1",)]
    said = {"kinds": {2: "words"}, "words": {2: ("Dev", "TRAIN", "test")}}
    by = table_of([1, 2, 3, 3], features=features[:, [0, 1]], **said)
    assert ltr_data.split(by, column=2)["train"].query_ids == ("2",)
    assert ltr_data.split(by, column=2)["vali"].query_ids == ("1",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shares": (0.5, 0.6)}, "`shares`"),
        ({"shares": (1.0,)}, "`shares`"),
        ({"shares": (0.5, 0.5, 0.0)}, "`shares`"),
        ({"column": 1, "order": 2}, "exclude one another"),
        ({"column": 1}, "must hold words like train, vali and test, 1 holds numbers like 0"),
        ({"column": "2"}, "'2' holds numbers"),
        ({"column": 9}, "`feature_id` must be a column of the table"),
        ({"order": "nine"}, "`column` must be one of the table's columns, which have no names"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        ltr_data.split(table_of([1, 2, 3]), **options)


def test_what_cannot_be_split():
    with pytest.raises(ValueError, match="a query for each split, train got none of the 1"):
        ltr_data.split(table_of([1, 1]), (0.9, 0.1))
    gaps = table_of([1, 2], features=np.array([[1, np.nan], [2, 2]], np.float32), nullable=(2,))
    with pytest.raises(ValueError, match="`order` must have no gaps, 2 has one in document 0"):
        ltr_data.split(gaps, order=2)
    said = {"kinds": {2: "words"}, "words": {2: ("train", "test")}}
    mixed = table_of([1, 1], features=np.array([[1, 0], [2, 1]], np.float32), **said)
    with pytest.raises(ValueError, match="one split per query, 2 has two for '1'"):
        ltr_data.split(mixed, column=2)
    other = {"kinds": {2: "words"}, "words": {2: ("train", "holdout")}}
    wrong = table_of([1, 2], features=np.array([[1, 0], [2, 1]], np.float32), **other)
    with pytest.raises(ValueError, match="2 holds 'holdout'"):
        ltr_data.split(wrong, column=2)
