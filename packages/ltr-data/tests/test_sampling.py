"""Each query once per epoch, within the bounds, in an order that seed and epoch determine."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltr_data
from ltr_data import BucketBatchSampler

lengths_of = st.lists(st.integers(1, 50), min_size=1, max_size=300)
WEB30K = np.maximum(1, np.rint(np.random.default_rng(0).gamma(2.6, 120 / 2.6, 19_000))).astype(int)


@given(
    lengths=lengths_of,
    batch_size=st.none() | st.integers(1, 20),
    max_tokens=st.none() | st.integers(50, 400),
    shuffle=st.booleans(),
    epoch=st.integers(0, 3),
    pool=st.integers(1, 5),
)
def test_each_query_once_within_the_bounds(lengths, batch_size, max_tokens, shuffle, epoch, pool):
    if batch_size is None and max_tokens is None:
        batch_size = 8
    sampler = BucketBatchSampler(
        lengths, batch_size=batch_size, max_tokens=max_tokens, shuffle=shuffle, pool=pool
    )
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(q for batch in batches for q in batch) == list(range(len(lengths)))
    assert len(batches) == len(sampler)
    for batch in batches:
        assert batch
        assert batch_size is None or len(batch) <= batch_size
        assert max_tokens is None or len(batch) * max(lengths[q] for q in batch) <= max_tokens


@given(lengths=lengths_of, stop=st.integers(0, 300), epoch=st.integers(0, 3))
def test_resumes_to_the_same_sequence(lengths, stop, epoch):
    sampler = BucketBatchSampler(lengths, batch_size=4, seed=5)
    sampler.set_epoch(epoch)
    whole = list(sampler)
    stop = min(stop, len(whole))
    iterator = iter(sampler)
    begun = [next(iterator) for _ in range(stop)]
    state = json.loads(json.dumps(sampler.state_dict()))
    if stop == 0:  # an iterator that was not asked yet has not begun
        state["position"] = 0
    resumed = BucketBatchSampler(lengths, batch_size=4, seed=5)
    resumed.load_state_dict(state)
    resumed.set_epoch(epoch)
    assert begun + list(resumed) == whole
    assert list(resumed) == whole  # only the first epoch after loading is shorter
    resumed.set_epoch(epoch + 1)
    sampler.set_epoch(epoch + 1)
    assert list(resumed) == list(sampler)


def test_seed_and_epoch_determine_the_order():
    def order(seed, epoch):
        sampler = BucketBatchSampler(WEB30K[:1000], batch_size=16, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


def test_without_shuffle_sorted_by_length():
    batches = list(BucketBatchSampler([5, 1, 5, 2], batch_size=3, shuffle=False))
    assert batches == [[1, 3, 0], [2]]


@pytest.mark.parametrize("bound", [{"batch_size": 64}, {"max_tokens": 8192}])
def test_utilization_at_web30k_lengths(bound):
    assert BucketBatchSampler(WEB30K, **bound).token_utilization() > 0.9


def test_utilization_is_a_share():
    sampler = BucketBatchSampler([2, 4], batch_size=2)
    assert sampler.token_utilization() == 6 / 8


def test_state_of_another_sampler():
    state = BucketBatchSampler([1, 2], batch_size=1).state_dict()
    with pytest.raises(ValueError, match=r"`state`.*seed 1, got 0"):
        BucketBatchSampler([1, 2], batch_size=1, seed=1).load_state_dict(state)
    with pytest.raises(ValueError, match=r"`state`.*num_queries 3, got 2"):
        BucketBatchSampler([1, 2, 3], batch_size=1).load_state_dict(state)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lengths": [1]}, "`batch_size` or `max_tokens`"),
        ({"lengths": [1], "batch_size": 0}, "`batch_size`.*got 0"),
        ({"lengths": [1], "batch_size": 1, "pool": 0}, "`pool`.*got 0"),
        ({"lengths": [], "batch_size": 1}, "`lengths`"),
        ({"lengths": [0], "batch_size": 1}, "`lengths`"),
        ({"lengths": [3, 9], "max_tokens": 8}, r"`max_tokens`.* 9 documents \(query 1\), got 8"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BucketBatchSampler(**arguments)
    with pytest.raises(ValueError, match="`epoch`"):
        BucketBatchSampler([1], batch_size=1).set_epoch(-1)


def test_batches_follow_the_sampler():
    table = ltr_data.datasets.synthetic.generate(9, seed=0, num_features=35, mean_length=5)
    dataset = ltr_data.RankingDataset.from_table(table)
    sampler = BucketBatchSampler(dataset.lengths, batch_size=4)
    ids = [batch.query_ids for batch in ltr_data.batches(dataset, sampler)]
    assert ids == [tuple(table.query_ids[q] for q in batch) for batch in sampler]
