"""Generated data have the shape, the labels and the conflicts that are declared."""

import dataclasses

import numpy as np
import pytest

import ltr_data
from ltr_data.datasets import _synthetic_model, mslr, synthetic

TABLE = synthetic.generate(200, seed=0)
TASKS = list(mslr.tasks("strict").values())
DATASET = ltr_data.RankingDataset.from_table(TABLE, TASKS)


def test_deterministic_by_seed():
    small = [synthetic.generate(5, seed=s, mean_length=10) for s in (1, 1, 2)]
    assert small[0].features.tobytes() == small[1].features.tobytes()
    assert small[0].labels.tobytes() == small[1].labels.tobytes()
    assert small[0].features.tobytes() != small[2].features.tobytes()


def test_shape_and_lengths():
    assert TABLE.features.shape[1] == 136
    assert np.isfinite(TABLE.features).all()
    lengths = synthetic.generate(1000, seed=0, num_features=35).lengths
    assert lengths.min() >= 1
    assert abs(lengths.mean() - 120) < 6
    assert abs(lengths.std() - 74) < 6


def test_label_shares():
    shares = [np.mean(TABLE.labels == grade) for grade in range(5)]
    assert np.allclose(shares, synthetic.RELEVANCE_SHARES, atol=0.01)
    zeros = [np.mean(TABLE.column(c) == 0) for c in (134, 135, 136)]
    assert np.allclose(zeros, [0.96, 0.73, 0.735], atol=0.015)
    for column in (132, 133):
        assert TABLE.column(column).min() == 1
        assert TABLE.column(column).max() <= 254


def test_the_specs_of_mslr_read_them():
    assert DATASET.tasks == mslr.TASKS
    assert set(np.unique(DATASET.labels)) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_utilities_have_the_declared_correlation(noise):
    mixing = _synthetic_model.square_root(synthetic.CORRELATION)
    _, u = _synthetic_model.draw_documents(np.random.default_rng(0), 100_000, mixing, noise)
    assert np.allclose(np.corrcoef(u[:, :5].T), synthetic.CORRELATION, atol=0.02)
    assert np.allclose(u[:, :5].std(axis=0), 1, atol=0.02)


def test_labels_agree_and_conflict_as_declared():
    # 255 - 132 and 255 - 133 are fine-grained; the others are coarse, so weaker but of one sign.
    rank = np.argsort(np.argsort(DATASET.labels[1:3] + 0.0, axis=1, kind="stable"), axis=1)
    assert np.corrcoef(rank)[0, 1] > 0.25
    found = np.corrcoef(DATASET.labels[[0, 1, 2, 3, 5]])
    declared = np.array(synthetic.CORRELATION)
    strong = np.abs(declared) >= 0.2
    assert (np.sign(found[strong]) == np.sign(declared[strong])).all()
    assert found[0, 1] < -0.4  # relevance and quality
    assert found[0, 3] > 0.2  # relevance and click


def test_url_click_is_a_correlate_of_click():
    clicked = DATASET.labels[3] > 0
    url = DATASET.labels[4] > 0
    assert url[clicked].mean() > 2 * url.mean()


def test_every_task_is_learnable_within_queries():
    """A linear model of log features orders documents of new queries better than chance."""
    parts = synthetic.splits((150, 60, 1), seed=4)
    train = ltr_data.RankingDataset.from_table(parts["train"], TASKS)
    vali = ltr_data.RankingDataset.from_table(parts["vali"], train.label_specs)
    transform = ltr_data.LogStandardize.fit(train.features, train.feature_ids)
    assert transform.constant_columns == (40, 80, 120)
    x, y = transform.transform(train.features), train.labels
    weights = np.linalg.lstsq(x, (y - y.mean(axis=1, keepdims=True)).T, rcond=None)[0]
    scores = (transform.transform(vali.features) @ weights).T
    for task, name in enumerate(vali.tasks):
        right = total = 0
        for start, stop in zip(vali.offsets[:-1], vali.offsets[1:], strict=True):
            label, score = vali.labels[task, start:stop], scores[task, start:stop]
            better = label[:, None] > label
            right += (better & (score[:, None] > score)).sum()
            total += better.sum()
        assert right / total > 0.75, name


def test_splits_share_the_functions_but_no_query():
    parts = synthetic.splits((8, 4, 2), seed=0)
    ids = [query_id for table in parts.values() for query_id in table.query_ids]
    assert len(set(ids)) == 14
    assert parts["train"].features[0, 0] != parts["vali"].features[0, 0]


def test_correlation_is_an_argument():
    correlation = np.eye(5)
    correlation[0, 1] = correlation[1, 0] = -1.0  # singular, and still a correlation matrix
    table = synthetic.generate(100, seed=0, correlation=correlation, noise=0.0)
    dataset = ltr_data.RankingDataset.from_table(table, TASKS)
    assert np.corrcoef(dataset.labels)[0, 1] < -0.75
    assert abs(np.corrcoef(dataset.labels)[0, 3]) < 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_queries": 0}, "`num_queries`"),
        ({"num_features": 34}, "`num_features` must be at least 35, got 34"),
        ({"mean_length": 0.5}, "`mean_length`"),
        ({"noise": 1.5}, "`noise`"),
        ({"correlation": np.eye(4)}, "`correlation`.*shape"),
        ({"correlation": np.triu(np.ones((5, 5)))}, "`correlation`.*symmetric"),
        ({"correlation": 1.9 * np.eye(5) - 0.9}, "`correlation`.*semi-definite"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthetic.generate(**{"num_queries": 1, "seed": 0, **arguments})
    with pytest.raises(ValueError, match="`num_queries` must be three"):
        synthetic.splits((1, 2), seed=0)


def test_smaller_tables_keep_labels_in_the_last_columns():
    table = synthetic.generate(50, seed=0, num_features=40)
    assert [table.column(c).min() for c in (36, 37, 38)] == [1, 1, 0]
    assert dataclasses.replace(table).num_queries == 50
