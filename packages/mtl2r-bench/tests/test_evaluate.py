"""Measuring: against the definition, query by query."""

import math

import numpy as np
import pytest
import torch

from mtl2r_bench.config import EvaluationConfig
from mtl2r_bench.evaluation import evaluate as module
from mtl2r_bench.evaluation.evaluate import evaluate, evaluation_batches, query_table
from mtl2r_bench.evaluation.reference_rankers import best_single_features, random_order


def first_feature(batch):
    return batch.features[..., 0]


def ndcg_by_definition(scores, labels, k):
    gains = 2.0 ** np.asarray(labels, dtype=float) - 1
    discount = 1 / np.log2(np.arange(2, len(gains) + 2))
    discount[k:] = 0
    ideal = np.sort(gains)[::-1] @ discount
    order = np.argsort(-np.asarray(scores), kind="stable")
    return gains[order] @ discount / ideal if ideal > 0 else math.nan


def test_values_are_the_definition_per_query(splits):
    config = EvaluationConfig()
    dataset = splits.test
    result = evaluate(first_feature, dataset, config)
    for q in range(len(dataset)):
        rows = slice(dataset.offsets[q], dataset.offsets[q + 1])
        for t in range(2):
            for i, k in enumerate(config.cutoffs):
                expected = ndcg_by_definition(dataset.features[rows, 0], dataset.labels[t, rows], k)
                np.testing.assert_allclose(result.values[i, t, q], expected, rtol=1e-5)


def test_the_size_of_batches_does_not_matter(splits, monkeypatch):
    config = EvaluationConfig()
    expected = evaluate(first_feature, splits.test, config).values
    monkeypatch.setattr(module, "EVALUATION_TOKENS", 1)
    batches = list(evaluation_batches(splits.test, max_tokens=1))
    assert len(batches) > 1
    assert sorted(np.concatenate([indices for indices, _ in batches])) == list(range(10))
    np.testing.assert_array_equal(evaluate(first_feature, splits.test, config).values, expected)


@pytest.mark.parametrize("empty", ["skip", 0.0, 1.0])
def test_lists_without_a_relevant_document(splits, empty):
    dataset = splits.test
    labels = dataset.labels.copy()
    labels[0, dataset.offsets[3] : dataset.offsets[4]] = 0
    emptied = type(dataset)(
        features=dataset.features,
        labels=labels,
        offsets=dataset.offsets,
        query_ids=dataset.query_ids,
        feature_ids=dataset.feature_ids,
        label_specs=dataset.label_specs,
    )
    result = evaluate(first_feature, emptied, EvaluationConfig(empty=empty))
    values = result.values[0, 0]
    assert math.isnan(values[3])
    counted = values.copy()
    if empty != "skip":
        counted[np.isnan(counted)] = empty
    assert result.means()[0, 0] == pytest.approx(np.nanmean(counted))
    expected = np.nanstd(counted, ddof=1) / np.sqrt(np.sum(~np.isnan(counted)))
    assert result.standard_errors()[0, 0] == pytest.approx(expected)


def test_a_score_that_is_not_finite_is_an_error(splits):
    def broken(batch):
        scores = torch.zeros(batch.mask.shape)
        scores[0, 0] = float("nan")
        return scores

    with pytest.raises(ValueError, match=r"a score of query '.+' is not finite"):
        evaluate(broken, splits.test, EvaluationConfig())


def test_query_table_is_long_and_null_where_nothing_counts(splits):
    result = evaluate(first_feature, splits.test, EvaluationConfig())
    table = query_table({"test": result})
    assert table.column_names == ["split", "query", "task", "metric", "value"]
    assert table.num_rows == result.values.size
    assert table["value"].null_count == int(np.isnan(result.values).sum())
    row = table.slice(result.values[0, 0].size + 2, 1).to_pylist()[0]
    assert row["task"] == "quality"
    assert row["metric"] == "ndcg@1"
    assert row["query"] == splits.test.query_ids[2]


def test_random_order_is_the_mean_over_random_orders(splits):
    config = EvaluationConfig(cutoffs=(5,), select_cutoff=5)
    exact = random_order(splits.test, config).means()
    generator = torch.Generator().manual_seed(0)
    draws = [
        evaluate(lambda b: torch.rand(b.mask.shape, generator=generator), splits.test, config)
        for _ in range(400)
    ]
    means = np.stack([draw.means() for draw in draws])
    error = means.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(means.mean(axis=0) - exact) < 4 * error).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_best_single_feature_is_found_with_its_sign(splits, sign):
    train = splits.train
    features = train.features.copy()
    features[:, 5] = sign * train.labels[1]
    planted = type(train)(
        features=features,
        labels=train.labels,
        offsets=train.offsets,
        query_ids=train.query_ids,
        feature_ids=train.feature_ids,
        label_specs=train.label_specs,
    )
    best = best_single_features(planted, EvaluationConfig())[1]
    assert (best.index, best.feature_id, best.sign) == (5, train.feature_ids[5], sign)
