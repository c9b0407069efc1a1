"""Per-query tables: the values of the metrics, with their names."""

from functools import partial

import numpy as np
import pytest
import torch

from ltr_losses import exposure_gap, mrr, ndcg
from ltr_losses.frames import per_query
from ltr_losses.testing._problems import problem

pytest.importorskip("pandas")

METRICS = {"ndcg@3": partial(ndcg, k=3), "mrr": mrr}


def lists():
    scores, labels, mask = problem(dtype=torch.float32)
    labels[1, 2] = 0.0  # no value for the second task
    return scores, labels, mask


def test_a_row_per_task_and_query():
    scores, labels, mask = lists()
    weights = 1.0 + torch.arange(7.0)
    frame = per_query(
        METRICS, scores, labels, mask=mask, weights=weights, queries=list("abcde"), tasks="xyz"
    )
    assert list(frame.columns) == ["task", "query", "ndcg@3", "mrr"]
    assert list(frame["task"]) == list("xxxxxyyyyyzzzzz")
    assert list(frame["query"]) == list("abcde" * 3)
    for name, metric in METRICS.items():
        values = metric(scores, labels, mask=mask, weights=weights, reduction="none")
        np.testing.assert_array_equal(frame[name], values.double().flatten())
        assert frame[name].dtype == np.float64
    (row,) = frame.index[frame["mrr"].isna()]
    assert (frame["task"][row], frame["query"][row]) == ("y", "c")
    # The mean by task is the metric.
    means = frame.groupby("task")["mrr"].mean()
    np.testing.assert_allclose(means, mrr(scores, labels, mask=mask, weights=weights), rtol=1e-6)


def test_a_row_per_query():
    scores, labels, mask = lists()
    frame = per_query(METRICS, scores.requires_grad_(), labels[0], mask=mask)
    assert list(frame.columns) == ["query", "ndcg@3", "mrr"]
    assert list(frame["query"]) == [0, 1, 2, 3, 4]
    with_axis = per_query(METRICS, scores, labels[:1], mask=mask)
    assert list(with_axis["task"]) == [0] * 5


def test_jagged_rows():
    scores, labels, mask = lists()
    offsets = torch.tensor([0, *mask.sum(-1).tolist()]).cumsum(0)
    padded = per_query(METRICS, scores, labels, mask=mask)
    assert per_query(METRICS, scores[mask], labels[:, mask], offsets=offsets).equals(padded)


def test_names_and_shapes_are_checked():
    scores, labels, mask = lists()
    with pytest.raises(ValueError, match="`queries` must be 5 names, got 4"):
        per_query(METRICS, scores, labels, mask=mask, queries=list("abcd"))
    with pytest.raises(ValueError, match="`tasks` must be 3 names, got 0"):
        per_query(METRICS, scores, labels, mask=mask, tasks=[])
    with pytest.raises(TypeError, match="`maks` must be an argument of ndcg"):
        per_query({"ndcg": ndcg}, scores, labels, maks=mask)

    def several(scores, labels, **options):
        return torch.stack([ndcg(scores, labels, k=k, **options) for k in (1, 3)])

    # Cut-offs must not pass for tasks.
    with pytest.raises(ValueError, match=r"got shape \(2, 5\) by 'ndcg' for lists \(5,\)"):
        per_query({"ndcg": several}, scores, labels[0], mask=mask)
    for extra in (scores[0], scores.expand(2, 3, 5, 7)):
        with pytest.raises(ValueError, match=r"one value per list, \(batch,\) or \(task, batch\)"):
            per_query({"ndcg": ndcg}, extra, extra.round())


def test_any_metric_with_two_tensors():
    scores, _, mask = lists()
    group = torch.arange(7).expand(5, 7) % 2
    frame = per_query({"gap": exposure_gap}, scores, group, mask=mask)
    np.testing.assert_array_equal(
        frame["gap"], exposure_gap(scores, group, mask=mask, reduction="none").double()
    )
