"""`RankingMetric`: the function of all lists at once, however they come."""

import copy
import functools
import inspect
import os
import pickle
import subprocess
import sys

import pytest
import torch

from ltr_losses import arp, exposure_gap, lambda_loss, metrics, mrr, ndcg
from ltr_losses.testing._problems import problem

torchmetrics = pytest.importorskip("torchmetrics")

from ltr_losses.torchmetrics import RankingMetric  # noqa: E402  after the skip

WORKER = """
import sys
import torch
from ltr_losses import arp, ndcg
from ltr_losses.torchmetrics import RankingMetric

rank, store = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group(
    "gloo", init_method=f"file://{store}", rank=rank, world_size=2
)
generator = torch.Generator().manual_seed(0)
scores = torch.randn(12, 5, generator=generator)
labels = torch.randint(0, 2, (3, 12, 5), generator=generator).float()
labels[:, 7] = 0.0  # a list without a value
for function in (ndcg, arp):
    metric = RankingMetric(function)
    for part in ([0, 1], [2]) if rank == 0 else ([3], [4, 5, 6, 7, 8, 9, 10, 11]):
        metric.update(scores[part], labels[:, part])
    whole = function(scores.double(), labels)
    torch.testing.assert_close(metric.compute(), whole, rtol=1e-6, atol=0)
    # Afterwards each process goes on with its own.
    assert int(metric.count[0]) < 11 and metric.count.shape == (3,)
torch.distributed.destroy_process_group()
"""


def parts(metric, scores, labels, *, mask, weights, sizes=(1, 3, 1)):
    """Update by batches of these sizes; return what `forward` gave for each."""
    split = [x.split(sizes, -2) for x in (scores, labels, mask, weights)]
    return [metric(s, y, mask=m, weights=w) for s, y, m, w in zip(*split, strict=True)]


@pytest.fixture
def lists():
    """Scores (batch, list), labels (task, batch, list), mask and weights; some have no value."""
    scores, labels, mask = problem()
    labels = torch.where(labels > 2, labels, 0.0)
    labels[1, 2] = 0.0
    return {"scores": scores, "labels": labels, "mask": mask, "weights": 1.0 + labels[0]}


@pytest.mark.parametrize("name", metrics.__all__)
def test_batches_of_any_size_are_all_lists_at_once(name, lists):
    def at_once(scores, labels, **others):
        return function(scores, labels, **others)  # which may call the labels `group`

    function = getattr(metrics, name)
    metric = RankingMetric(function)
    given = parts(metric, **lists)
    whole = at_once(**lists)
    assert whole.shape == (3,)
    torch.testing.assert_close(metric.compute(), whole, rtol=1e-12, atol=0)
    # `forward` is the batch's own value.
    own = at_once(**{name: x[..., 1:4, :] for name, x in lists.items()})
    torch.testing.assert_close(given[1], own, rtol=1e-12, atol=0, equal_nan=True)
    metric.reset()
    parts(metric, **lists, sizes=(5,))
    torch.testing.assert_close(metric.compute(), whole, rtol=1e-12, atol=0)


def test_jagged_rows_and_other_leading_axes(lists):
    scores, labels, mask = lists["scores"], lists["labels"], lists["mask"]
    offsets = torch.tensor([0, *mask.sum(-1).tolist()]).cumsum(0)
    metric = RankingMetric(ndcg, k=3)
    metric.update(scores[mask], labels[:, mask], offsets=offsets)
    torch.testing.assert_close(metric.compute(), ndcg(scores, labels, mask=mask, k=3))
    seeds = torch.stack([scores, -scores])[:, None]
    more = RankingMetric(ndcg, k=3)
    parts(more, seeds, labels, mask=mask, weights=torch.ones(5, 1))
    assert more.compute().shape == (2, 3)
    torch.testing.assert_close(more.compute(), ndcg(seeds, labels, mask=mask, k=3))
    one = RankingMetric(ndcg, k=3)  # lists without a batch axis
    for i in range(5):
        one.update(scores[i], labels[0, i], mask=mask[i])
    torch.testing.assert_close(one.compute(), ndcg(scores, labels[0], mask=mask, k=3))


def test_sums_are_float64():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3_000, 4, generator=generator)
    labels = torch.randint(0, 3, (3_000, 4), generator=generator).float()
    metric = RankingMetric(ndcg)
    for s, y in zip(scores.split(30), labels.split(30), strict=True):
        metric.update(s, y)
    expected = ndcg(scores, labels, reduction="none").double().nanmean()
    torch.testing.assert_close(metric.compute(), expected, rtol=1e-12, atol=0)
    assert metric.half().compute().dtype == torch.float64


def test_what_has_no_value_is_nan():
    metric = RankingMetric(mrr)
    scores, none = torch.zeros(2, 3), torch.zeros(2, 3)
    metric.update(scores, none)
    assert metric.compute().isnan()
    metric.update(scores, torch.ones(2, 3))
    assert metric.compute() == 1.0
    metric.update(scores * float("nan"), torch.ones(2, 3))
    assert metric.compute().isnan()


def test_a_loss_is_a_mean_over_lists_too(lists):
    metric = RankingMetric(lambda_loss, scheme="lambdarank", k=3)
    scores = lists.pop("scores").requires_grad_()
    parts(metric, scores, **lists)
    torch.testing.assert_close(
        metric.compute(), lambda_loss(scores.detach(), **lists, scheme="lambdarank", k=3)
    )
    assert not metric.total.requires_grad


def test_it_is_pickled_copied_and_shown():
    metric = RankingMetric(ndcg, k=2, gain="linear")
    assert repr(metric) == "RankingMetric(ndcg, k=2, gain='linear')"
    metric.update(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0]]))
    for other in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric), metric.clone()):  # noqa: S301
        other.update(torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 0.0]]))
        assert other.count == 2
        assert other.compute() > metric.compute()
        assert repr(other) == repr(metric)
    assert metric.count == 1


def test_options_are_those_of_the_function():
    with pytest.raises(ValueError, match=r"`options` .* got 'gian'; did you mean 'gain'"):
        RankingMetric(ndcg, gian="linear")
    for name in ("mask", "offsets", "ranks", "reduction", "scores"):
        with pytest.raises(ValueError, match=f"`options` must be one of .* got '{name}'"):
            RankingMetric(ndcg, **{name: None})
    with pytest.raises(ValueError, match="got 'group'"):
        RankingMetric(exposure_gap, group=torch.zeros(2))
    with pytest.raises(TypeError, match="`function` must be a metric, got str"):
        RankingMetric("ndcg")


def test_a_collection_keeps_metrics_apart_that_begin_alike():
    options = {"ndcg@1": {"k": 1}, "ndcg@2": {"k": 2}, "ndcg": {}}
    collection = torchmetrics.MetricCollection(
        {name: RankingMetric(ndcg, **given) for name, given in options.items()}
        | {"mrr": RankingMetric(mrr)}
    )
    scores = torch.tensor([[3.0, 2.0, 1.0]])
    labels = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]])
    for y in labels[:, None]:  # all of them are 1 for the first batch
        collection.update(scores, y)
    found, both = collection.compute(), scores.double().expand(2, 3)
    for name, given in options.items():
        torch.testing.assert_close(found[name], ndcg(both, labels, **given))
    torch.testing.assert_close(found["mrr"], mrr(both, labels))


def test_in_the_epochs_of_a_training(lists):
    """As an attribute of a module, which is moved, saved and asked at the end of each epoch."""

    class Ranker(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))
            self.ndcg = RankingMetric(ndcg, k=3)

    ranker = Ranker().double().to("cpu")
    assert list(ranker.state_dict()) == ["weight"]
    expected = ndcg(lists["scores"], lists["labels"], mask=lists["mask"], k=3)
    for sign in (1.0, -1.0):
        for i in range(5):
            ranker.ndcg.update(
                sign * ranker.weight * lists["scores"][i : i + 1],
                lists["labels"][:, i : i + 1],
                mask=lists["mask"][i : i + 1],
            )
        if sign > 0:
            torch.testing.assert_close(ranker.ndcg.compute(), expected)
        ranker.ndcg.reset()
    assert ranker.ndcg.total == 0


@pytest.mark.parametrize("name", metrics.__all__)
def test_which_way_is_better_is_what_the_docstring_says(name):
    function = getattr(metrics, name)
    first = inspect.getdoc(function).partition("\n")[0]
    said = {"higher is better": True, "lower is better": False, "0 is parity": None}
    (expected,) = [better for words, better in said.items() if words in first]
    assert RankingMetric(function).higher_is_better is expected
    assert RankingMetric(functools.partial(function)).higher_is_better is None


def test_a_tracker_knows_the_best():
    metric = RankingMetric(arp)
    tracker = torchmetrics.MetricTracker(metric, maximize=metric.higher_is_better)
    for labels in ([[0.0, 1.0]], [[1.0, 0.0]], [[0.0, 1.0]]):
        tracker.increment()
        tracker.update(torch.tensor([[2.0, 1.0]]), torch.tensor(labels))
    assert tracker.best_metric() == 1.0


def test_two_processes_sum_theirs(tmp_path):
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(tmp_path / "store")],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
