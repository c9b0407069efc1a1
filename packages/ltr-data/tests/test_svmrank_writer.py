"""What is written reads back equal, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import ltr_data
from ltr_data.datasets import synthetic

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def table_of(features, labels=None, query_ids=("1",)):
    features = np.asarray(features, dtype=np.float32)
    return ltr_data.RankingTable(
        features=features,
        feature_ids=tuple(range(1, features.shape[1] + 1)),
        labels=np.zeros(len(features), np.float32) if labels is None else np.float32(labels),
        offsets=np.array([*range(len(query_ids)), len(features)]),
        query_ids=query_ids,
    )


@given(
    features=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=finite
    )
)
@settings(max_examples=60)
def test_round_trip_is_exact(tmp_path_factory, features):
    path = tmp_path_factory.getbasetemp() / "round.txt"
    ltr_data.write_svmrank(path, table_of(features))
    back = ltr_data.read_svmrank(path).features
    assert back.tobytes() == features.tobytes()


@pytest.mark.parametrize("name", ["train.txt", "train.txt.gz"])
def test_generated_table_round_trips(tmp_path, name):
    table = synthetic.generate(30, seed=1)
    ltr_data.write_svmrank(tmp_path / name, table)
    back = ltr_data.read_svmrank(tmp_path / name)
    assert np.array_equal(back.features, table.features)
    assert np.array_equal(back.labels, table.labels)
    assert np.array_equal(back.offsets, table.offsets)
    assert back.query_ids == table.query_ids
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_progress_rises_to_the_bytes_of_the_features(tmp_path):
    table = synthetic.generate(60, seed=1)
    seen = []
    ltr_data.write_svmrank(
        tmp_path / "x.txt", table, progress=lambda done, total: seen.append((done, total))
    )
    assert {total for _, total in seen} == {table.features.nbytes}
    done = [count for count, _ in seen]
    assert len(done) > 1
    assert done == sorted(set(done))
    assert done[-1] == table.features.nbytes


def test_equal_tables_give_equal_files(tmp_path):
    for name in ("a.txt.gz", "b.txt.gz"):
        ltr_data.write_svmrank(tmp_path / name, synthetic.generate(3, seed=1))
    assert (tmp_path / "a.txt.gz").read_bytes() == (tmp_path / "b.txt.gz").read_bytes()


@pytest.mark.parametrize("query_id", ["a b", "a#b", "", "a\n"])
def test_query_id_that_cannot_be_written(tmp_path, query_id):
    with pytest.raises(ValueError, match="`query_ids`"):
        ltr_data.write_svmrank(tmp_path / "x.txt", table_of([[1]], query_ids=(query_id,)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_cannot_be_written(tmp_path, value):
    with pytest.raises(ValueError, match="`features` must be finite"):
        ltr_data.write_svmrank(tmp_path / "x.txt", table_of([[value]]))
    with pytest.raises(ValueError, match="`labels` must be finite"):
        ltr_data.write_svmrank(tmp_path / "x.txt", table_of([[1]], labels=[value]))


def with_ids(ids):
    return replace(table_of(np.arange(len(ids))[:, None]), document_ids=ltr_data.Strings.of(ids))


@given(ids=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), min_size=1))
@settings(max_examples=100)
def test_ids_round_trip_or_are_refused(tmp_path_factory, ids):
    path = tmp_path_factory.getbasetemp() / "ids.txt"
    if any(set(" \t\n\r\f\v") & set(name) for name in ids):
        with pytest.raises(ValueError, match="`document_ids` must be text without blanks"):
            ltr_data.write_svmrank(path, with_ids(ids))
        return
    ltr_data.write_svmrank(path, with_ids(ids))
    assert list(ltr_data.read_svmrank(path).document_ids) == ids


def test_an_empty_id_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="`document_ids` must be text without blanks, got ''"):
        ltr_data.write_svmrank(tmp_path / "x.txt", with_ids(["a", ""]))
