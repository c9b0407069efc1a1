"""Gaps are filled, marked and never spread; words are codes of the training split's words."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import ltr_data
from ltr_data import (
    FeatureTransform,
    LogStandardize,
    RankingDataset,
    Standardize,
    TableTransform,
    fit_words,
)

WORDS = ("red", "blue", "green")
IDS = (3, 5, 7, 9)


@st.composite
def matrices(draw):
    """Return features of two columns of numbers, one of words, and one of numbers, with gaps."""
    n = draw(st.integers(2, 30))
    value = st.one_of(st.just(np.nan), st.floats(-1e4, 1e4, width=32))
    numbers = draw(npst.arrays(np.float32, (n, 4), elements=value))
    codes = st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan])
    numbers[:, 2] = draw(npst.arrays(np.float32, n, elements=codes))
    return numbers


@given(matrices(), matrices(), st.sampled_from([None, Standardize.fit, LogStandardize.fit]))
@settings(max_examples=60, deadline=None)
def test_the_formula(train, other, numbers):
    transform = TableTransform.fit(train, IDS, words={7: WORDS}, numbers=numbers)
    columns = [0, 1, 3]
    gaps = [j for j in columns if np.isnan(train[:, j]).any()]
    assert transform.gaps == tuple(IDS[j] for j in gaps)
    assert transform.width == 3 + len(gaps) + 1
    assert transform.word_sizes == (len(WORDS) + 2,)
    fill = np.array(
        [0 if np.isnan(c).all() else np.nanmedian(c) for c in train[:, columns].T], np.float32
    )

    def filled(x):
        return np.where(np.isnan(x[:, columns]), fill, x[:, columns])

    ids = tuple(IDS[j] for j in columns)
    inner = None if numbers is None else numbers(filled(train), ids)
    for features in (train, other):
        expected = filled(features) if inner is None else inner.transform(filled(features))
        codes = np.where(np.isnan(features[:, 2]), 4, np.minimum(features[:, 2], 3))
        parts = [expected, np.isnan(features[:, gaps]), codes[:, None]]
        found = transform.transform(features)
        np.testing.assert_array_equal(found, np.concatenate(parts, axis=1, dtype=np.float32))
        assert np.isfinite(found).all()
        order = np.random.default_rng(0).permutation(len(features))
        np.testing.assert_array_equal(transform.transform(features[order]), found[order])
    twin = FeatureTransform.from_config(transform.config())
    twin.load_state_dict(transform.state_dict())
    np.testing.assert_array_equal(twin.transform(other), transform.transform(other))
    assert twin.config() == transform.config()


def test_it_is_exported():
    train = np.array([[1, np.nan, 0, 2], [4, 5, np.nan, 3], [2, 7, 1, 8]], dtype=np.float32)
    transform = TableTransform.fit(train, IDS, words={7: WORDS}, numbers=LogStandardize.fit)
    x = torch.from_numpy(train)[None]
    program = torch.export.export(transform, (x,)).module()
    torch.testing.assert_close(program(x), transform(x))


def test_columns_by_name_are_what_the_reader_makes(tmp_path):
    path = tmp_path / "x.csv"
    text = 'qid,price,room,beds\n1,$5,red,2\n1,,blue,N/A\n2,"$1,000",,3\n2,$7,?,1\n'
    path.write_text(text)
    table = ltr_data.read(path, columns=ltr_data.Columns(infer=True))
    dataset = RankingDataset.from_table(table, [ltr_data.LabelSpec("beds", "beds", missing="mask")])
    transform = TableTransform.fit(
        dataset.features,
        dataset.feature_ids,
        words=dataset.words,
        names=dataset.input_names,
        kinds=dataset.kinds,
    )
    columns = {
        "room": ["red", "blue", None, "?"],
        "price": ["$5", "", "$1,000", "$7"],
        "more": [1, 2, 3, 4],
    }
    np.testing.assert_array_equal(transform.encode(columns), np.asarray(dataset.features))
    columns["price"] = np.array([5, np.nan, 1000, 7])
    np.testing.assert_array_equal(transform.encode(columns), np.asarray(dataset.features))
    assert transform.encode({"room": ["pink"], "price": [1]})[0, 1] == 2
    with pytest.raises(ValueError, match=r"'price', did you mean 'prices'\?"):
        transform.encode({"room": ["red"], "prices": [1]})
    with pytest.raises(ValueError, match="kind 'money' in 'price', got 'five' in row 0"):
        transform.encode({"room": ["red"], "price": ["five"]})


def test_wrong_arguments():
    fit = partial(TableTransform.fit, feature_ids=(1, 2))
    with pytest.raises(ValueError, match="must not be infinite, got infinity in 2"):
        fit(np.array([[1, np.inf]], dtype=np.float32))
    with pytest.raises(ValueError, match=r"must be of the columns \(1, 2\), got \[3\]"):
        TableTransform((1, 2), words={3: ("a",)})
    with pytest.raises(ValueError, match="at least one document"):
        fit(np.zeros((0, 2), dtype=np.float32))
    with pytest.raises(ValueError, match=r"`numbers` must be of the columns \(1,\)"):
        TableTransform((1, 2), words={2: ("a",)}, numbers=Standardize((1, 2)))


def words_of(codes, own):
    features = np.array(codes, dtype=np.float32)[:, None]
    return RankingDataset(
        features=features,
        labels=np.zeros((1, len(features)), dtype=np.float32),
        offsets=np.array([0, len(features)]),
        query_ids=("1",),
        feature_ids=(4,),
        label_specs=(ltr_data.LabelSpec("relevance"),),
        words={4: tuple(own)},
    )


@given(
    st.lists(st.one_of(st.integers(0, 4), st.none()), min_size=1, max_size=40),
    st.integers(1, 3),
    st.integers(1, 5),
)
def test_words_of_the_training_split(codes, min_count, max_words):
    own = ["e", "d", "c", "b", "a"]
    dataset = words_of([np.nan if c is None else c for c in codes], own)
    found = fit_words(dataset, min_count=min_count, max_words=max_words)[4]
    counts = {word: codes.count(i) for i, word in enumerate(own)}
    kept = sorted((w for w in own if counts[w] >= min_count), key=lambda w: (-counts[w], w))
    assert list(found) == kept[:max_words]
    recoded = dataset.recoded({4: found})
    for code, value in zip(codes, recoded.features[:].ravel(), strict=True):
        if code is None:
            assert np.isnan(value)
        elif own[code] in found:
            assert found[int(value)] == own[code]
        else:
            assert value == len(found)
    # Other words stay so when codes change again.
    twice = recoded.recoded({4: (*found, "new")})
    assert (twice.features[:] == len(found) + 1).sum() == (recoded.features[:] == len(found)).sum()


def test_recoded_wants_the_same_columns():
    with pytest.raises(ValueError, match="`words` must be of the columns of words, 4, got 5"):
        words_of([0], ["a"]).recoded({5: ("a",)})
