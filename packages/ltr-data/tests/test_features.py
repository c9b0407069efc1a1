"""Transforms carry the training statistics, and act alike on arrays and tensors."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import ltr_data
from ltr_data import FeatureTransform, LogStandardize, Standardize

IDS = (3, 5, 8)
TRAIN = np.float32([[0, -1, 7], [9.99, 0, 7], [99.99, 4, 7], [0.5, -3, 7]])


@pytest.mark.parametrize("kind", [Standardize, LogStandardize])
def test_training_columns_have_mean_0_and_deviation_1(kind):
    features = np.random.default_rng(0).gamma(1, 100, (40_000, 3)).astype(np.float32)
    features[:, 1] += 1e6  # far from zero: single precision sums would be wrong
    result = kind.fit(features, IDS).transform(features).astype(np.float64)
    assert np.allclose(result.mean(axis=0), 0, atol=0.01)
    assert np.allclose(result.std(axis=0), 1, atol=0.01)


def test_log_standardize_formula():
    transform = LogStandardize.fit(TRAIN, IDS)
    assert transform.log_columns.tolist() == [True, False, True]
    logs = np.log(TRAIN[:, 0].astype(np.float64) + 0.01)
    expected = (logs - logs.mean()) / logs.std()
    assert np.allclose(transform.transform(TRAIN)[:, 0], expected, atol=1e-6)
    expected = (TRAIN[:, 1] - TRAIN[:, 1].mean()) / TRAIN[:, 1].std()
    assert np.allclose(transform.transform(TRAIN)[:, 1], expected, atol=1e-6)


def test_values_unseen_in_training_stay_finite():
    transform = LogStandardize.fit(TRAIN, IDS)
    assert np.isfinite(transform.transform(np.float32([[-5, -1e9, -5], [1e30, 1e9, 1e30]]))).all()


@pytest.mark.parametrize("kind", [Standardize, LogStandardize])
def test_constant_columns_are_reported_and_zero(kind):
    features = np.float32([[0.1, 1], [0.1, 2], [0.1, 3]])
    transform = kind.fit(features, (7, 9))
    assert transform.constant_columns == (7,)
    assert not transform.transform(np.float32([[5, 1]]))[:, 0].any()


@given(
    features=arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 20), st.just(3)),
        elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
    )
)
@example(features=np.float32([[-1.1754944e-38, 0, 0]] + [[0, 0, 0]] * 19))
def test_arrays_and_tensors_alike(features):
    transform = LogStandardize.fit(features, IDS)
    tensor = transform(torch.from_numpy(features).reshape(1, -1, 3))
    assert tensor.shape == (1, *features.shape)
    assert tensor.dtype == torch.float32
    assert np.array_equal(tensor[0], transform.transform(features))
    assert torch.isfinite(tensor).all()


@pytest.mark.parametrize("kind", [Standardize, LogStandardize])
def test_config_and_state_rebuild_it(kind):
    transform = kind.fit(TRAIN, IDS)
    twin = FeatureTransform.from_config(json.loads(json.dumps(transform.config())))
    twin.load_state_dict(transform.state_dict())
    assert type(twin) is kind
    assert twin.feature_ids == IDS
    assert twin.constant_columns == transform.constant_columns == (8,)
    assert np.array_equal(twin.transform(TRAIN), transform.transform(TRAIN))


def test_no_gradients_are_needed_but_inputs_may_have_them():
    transform = LogStandardize.fit(TRAIN, IDS)
    assert not list(transform.parameters())
    inputs = torch.from_numpy(TRAIN).requires_grad_()
    transform(inputs).sum().backward()
    assert torch.isfinite(inputs.grad).all()


@pytest.mark.parametrize("kind", [Standardize, LogStandardize])
def test_wrong_number_of_features(kind):
    transform = kind.fit(TRAIN, IDS)
    for features in (TRAIN[:, :2], TRAIN[:0, :2]):
        with pytest.raises(ValueError, match=r"`features` must have 3 features \(3, 5, 8\).*got 2"):
            transform.transform(features)
    with pytest.raises(ValueError, match=r"`features`.*shape"):
        kind.fit(TRAIN[:, :2], IDS)
    with pytest.raises(ValueError, match=r"`features`.*shape"):
        kind.fit(TRAIN[:0], IDS)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_names_column_and_row(value):
    features = TRAIN.copy()
    features[2, 1] = value
    with pytest.raises(ValueError, match=f"got {value} in feature 5, row 2"):
        LogStandardize.fit(features, IDS)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`eps`"):
        LogStandardize.fit(TRAIN, IDS, eps=0)
    with pytest.raises(ValueError, match=r"`name`.*'LogStandard', did you mean 'LogStandardize'"):
        FeatureTransform.from_config({"name": "LogStandard", "feature_ids": [1]})
    with pytest.raises(ValueError, match=r"`Standardize`.*parameters.*eps"):
        FeatureTransform.from_config({"name": "Standardize", "feature_ids": [1], "eps": 1})


RANGES = [ltr_data.ClipOutliers, ltr_data.MinMaxScale, ltr_data.QuantileTransform]


@pytest.mark.parametrize("kind", RANGES)
def test_ranges_rebuild_and_name_constant_columns(kind):
    features = np.random.default_rng(0).gamma(1, 100, (5000, 3)).astype(np.float32)
    features[:, 2] = 7
    transform = kind.fit(features, IDS)
    assert transform.constant_columns == (8,)
    twin = FeatureTransform.from_config(json.loads(json.dumps(transform.config())))
    twin.load_state_dict(transform.state_dict())
    assert np.array_equal(twin.transform(features), transform.transform(features))
    for column in range(2):  # none changes the order
        order = np.argsort(features[:, column])
        assert (np.diff(transform.transform(features)[order, column]) >= 0).all()
    assert np.isfinite(transform.transform(np.float32([[-1e30, 1e30, 0]]))).all()
    with pytest.raises(ValueError, match=r"`features` must be finite, got nan in feature 5, row 0"):
        kind.fit(np.float32([[1, np.nan, 0]]), IDS)
    with pytest.raises(ValueError, match="`features` must have 3 features"):
        transform.transform(features[:, :2])


def test_quantiles_are_even():
    features = np.random.default_rng(0).gamma(1, 100, (5000, 1)).astype(np.float32)
    shares = ltr_data.QuantileTransform.fit(features, (1,)).transform(features).ravel()
    assert abs(np.sort(shares) - (np.arange(5000) + 0.5) / 5000).max() < 0.002
    clipped = ltr_data.ClipOutliers.fit(features, (1,), high=0.9).transform(features)
    assert clipped.max() == np.quantile(features, 0.9, method="nearest")


def test_ranges_wrong_arguments():
    with pytest.raises(ValueError, match="`low` and `high`"):
        ltr_data.ClipOutliers(IDS, low=0.5, high=0.5)
    with pytest.raises(ValueError, match="`num_quantiles`"):
        ltr_data.QuantileTransform(IDS, num_quantiles=1)


def chain(features=TRAIN):
    steps = [
        partial(ltr_data.ClipOutliers.fit, low=0.0, high=0.7),
        LogStandardize.fit,
        partial(ltr_data.QuantileTransform.fit, num_quantiles=4),
    ]
    return ltr_data.ComposeFeatures.fit(features, IDS, steps)


def test_each_step_is_fitted_to_what_the_one_before_gives():
    clip = ltr_data.ClipOutliers.fit(TRAIN, IDS, low=0.0, high=0.7)
    clipped = clip.transform(TRAIN)
    log = LogStandardize.fit(clipped, IDS)
    quantiles = ltr_data.QuantileTransform.fit(log.transform(clipped), IDS, num_quantiles=4)
    expected = quantiles.transform(log.transform(clipped))
    assert np.array_equal(chain().transform(TRAIN), expected)
    assert not np.array_equal(LogStandardize.fit(TRAIN, IDS).mean, log.mean)


def test_a_chain_is_saved_with_its_parts():
    transform = chain()
    assert transform.constant_columns == (8,)
    twin = FeatureTransform.from_config(json.loads(json.dumps(transform.config())))
    twin.load_state_dict(transform.state_dict())
    assert [type(part) for part in twin.transforms] == [type(p) for p in transform.transforms]
    assert twin.constant_columns == (8,)
    new = np.float32([[1e3, -7, 7], [3, 2, 9]])
    assert np.array_equal(twin.transform(new), transform.transform(new))
    with torch.no_grad():
        assert np.array_equal(twin(torch.from_numpy(new)), transform.transform(new))


def test_a_chain_is_fitted_to_rows_in_chunks(monkeypatch):
    features = np.random.default_rng(0).gamma(1, 9, (50, 3)).astype(np.float32)
    whole = chain(features)
    monkeypatch.setattr("ltr_data._columns._CHUNK_ROWS", 7)
    assert np.allclose(chain(features).transform(features), whole.transform(features), atol=1e-6)


def test_wrong_chains():
    with pytest.raises(ValueError, match="`transforms` must hold at least one"):
        ltr_data.ComposeFeatures.fit(TRAIN, IDS, [])
    other = Standardize.fit(TRAIN, (1, 2, 3))
    with pytest.raises(ValueError, match=r"`transforms` must be of the features \(3, 5, 8\)"):
        ltr_data.ComposeFeatures(IDS, [other])
