"""Shards, static shapes, shortened lists, prefetch: every query once, in the order declared."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ltr_data
from ltr_data import BucketBatchSampler, LabelSpec, Loader, LongLists, StaticBatchSampler
from ltr_data.datasets import synthetic

TABLE = synthetic.generate(30, seed=3, num_features=35, mean_length=9)
DATASET = ltr_data.RankingDataset.from_table(
    TABLE, [LabelSpec("relevance"), LabelSpec("click", source=33)]
)
SHAPES = ltr_data.static_lengths(DATASET.lengths, 3, multiple=4)

many_lengths = st.lists(st.integers(1, 40), min_size=4, max_size=60)


@given(
    lengths=many_lengths, replicas=st.integers(1, 4), epoch=st.integers(0, 3), static=st.booleans()
)
def test_shards_are_even_and_hold_every_query_once(lengths, replicas, epoch, static):
    shards = []
    for rank in range(replicas):
        common = {"max_tokens": 160, "num_replicas": replicas, "rank": rank}
        sampler = (
            StaticBatchSampler(lengths, list_lengths=[8, 40], **common)
            if static
            else BucketBatchSampler(lengths, **common)
        )
        sampler.set_epoch(epoch)
        shards.append(list(sampler))
        assert len(shards[-1]) == len(sampler)
    assert len({len(shard) for shard in shards}) == 1
    queries = itertools.chain.from_iterable(itertools.chain.from_iterable(shards))
    assert sorted(queries) == list(range(len(lengths)))


def test_replicas_that_cannot_be_even():
    with pytest.raises(ValueError, match="`num_replicas` must divide the 3 batches"):
        list(BucketBatchSampler([1, 2, 3], batch_size=1, num_replicas=2))
    for arguments in ({"num_replicas": 0}, {"num_replicas": 9}, {"num_replicas": 2, "rank": 2}):
        with pytest.raises(ValueError, match=r"`num_replicas`|`rank`"):
            BucketBatchSampler([1, 2, 3], batch_size=1, **arguments)


def test_state_is_common_to_the_processes():
    samplers = [
        BucketBatchSampler(DATASET.lengths, batch_size=4, num_replicas=2, rank=rank)
        for rank in range(2)
    ]
    wholes = [list(sampler) for sampler in samplers]
    list(itertools.islice(samplers[0], 2))
    state = samplers[0].state_dict()
    for sampler, whole in zip(samplers, wholes, strict=True):
        sampler.load_state_dict(state)
        assert list(sampler) == whole[2:]
    state.pop("num_replicas")  # as states were before
    with pytest.raises(ValueError, match="num_replicas 2, got 1"):
        samplers[0].load_state_dict(state)


@given(lengths=many_lengths, count=st.integers(1, 4), multiple=st.sampled_from([1, 8]))
@settings(max_examples=50)
def test_static_lengths_are_the_best(lengths, count, multiple):
    found = ltr_data.static_lengths(lengths, count, multiple=multiple)

    def positions(shapes):
        return sum(min(s for s in shapes if s >= length) for length in lengths)

    assert len(found) <= count
    assert all(length % multiple == 0 for length in found)
    assert found == sorted(set(found))
    candidates = sorted({-(-length // multiple) * multiple for length in lengths})
    if len(candidates) < 14:
        best = min(
            positions([*shapes, candidates[-1]])
            for shapes in itertools.combinations(candidates, min(count, len(candidates)) - 1)
        )
        assert positions(found) == best


def test_static_lengths_of_web30k():
    lengths = np.random.default_rng(0).gamma(2.6, 120 / 2.6, 19_000).round().clip(1).astype(int)
    shapes = ltr_data.static_lengths(lengths, 10)
    sampler = StaticBatchSampler(lengths, list_lengths=shapes, max_tokens=16_384)
    assert sampler.token_utilization() > 0.83
    assert len({sampler.shape_of(batch) for batch in sampler}) <= 10


def test_static_arguments():
    for arguments, message in (
        ({"list_lengths": [8], "max_tokens": 100}, "`list_lengths` must hold the longest list, 9"),
        ({"list_lengths": [], "max_tokens": 100}, "`list_lengths` must be numbers"),
        ({"list_lengths": [16], "max_tokens": 9}, "`max_tokens` must hold the longest list, 16"),
    ):
        with pytest.raises(ValueError, match=message):
            StaticBatchSampler([9, 3], **arguments)
    for arguments in ({"num_shapes": 0}, {"num_shapes": 1, "multiple": 0}):
        with pytest.raises(ValueError, match=r"`num_shapes`|`multiple`"):
            ltr_data.static_lengths([1], **arguments)


def test_padding_to_a_static_shape():
    batch = DATASET.batch([0, 1], pad_to=(4, 60))
    plain = DATASET.batch([0, 1])
    length = plain.mask.shape[1]
    assert batch.features.shape == (4, 60, 34)
    assert batch.labels.shape == (2, 4, 60)
    assert batch.query_ids == (*plain.query_ids, "", "")
    assert torch.equal(batch.features[:2, :length], plain.features)
    assert torch.equal(batch.labels[:, :2, :length], plain.labels)
    assert batch.num_documents == plain.num_documents
    assert not batch.features[~batch.mask].any()
    with pytest.raises(ValueError, match=r"`pad_to` must hold 2 lists"):
        DATASET.batch([0, 1], pad_to=(1, 60))


@given(
    labels=st.lists(st.sampled_from([0.0, 0.0, 0.0, 2.0]), min_size=1, max_size=20),
    length=st.integers(1, 8),
    policy=st.sampled_from(["sample", "truncate"]),
    epoch=st.integers(0, 3),
)
def test_shortened_lists(labels, length, policy, epoch):
    labels = np.array(labels)
    chosen = LongLists(length, policy, keep_relevant="click").choose(labels, 5, epoch)
    assert len(chosen) == min(length, len(labels))
    assert (np.diff(chosen) > 0).all()
    assert (labels[chosen] > 0).any() == (labels > 0).any()
    again = LongLists(length, policy, keep_relevant="click").choose(labels, 5, epoch)
    assert np.array_equal(chosen, again)
    if policy == "truncate":
        assert chosen[:-1].tolist() == list(range(len(chosen) - 1))


def test_samples_are_even_and_differ_by_epoch():
    policy = LongLists(3)
    counts = np.zeros(10)
    for epoch in range(2000):
        counts[policy.choose(np.zeros(10), 1, epoch)] += 1
    assert abs(counts / 2000 - 0.3).max() < 0.05


def test_batches_of_shortened_lists():
    policy = LongLists(5, keep_relevant="click")
    batch = DATASET.batch(range(30), long_lists=policy, epoch=1)
    assert batch.mask.sum(dim=1).tolist() == DATASET.lengths.clip(max=5).tolist()
    clicked = np.logical_or.reduceat(DATASET.labels[1] > 0, DATASET.offsets[:-1])
    assert (batch.labels[1] > 0).any(dim=1).tolist() == clicked.tolist()


def test_long_lists_arguments():
    for arguments, message in (
        ({"length": 0}, "`length`"),
        ({"length": 1, "policy": "cut"}, "`policy` must be one of sample, truncate, got 'cut'"),
    ):
        with pytest.raises(ValueError, match=message):
            LongLists(**arguments)
    with pytest.raises(ValueError, match=r"`keep_relevant`.*relevance, click, got 'clicks'"):
        DATASET.batch([0], long_lists=LongLists(1, keep_relevant="clicks"))


def same(batch, other):
    return (
        torch.equal(batch.features, other.features)
        and torch.equal(batch.labels, other.labels)
        and torch.equal(batch.mask, other.mask)
        and batch.query_ids == other.query_ids
    )


@pytest.mark.parametrize("prefetch", [0, 1, 3, 50])
@pytest.mark.parametrize("static", [True, False])
def test_loader_gives_the_batches_and_resumes(prefetch, static):
    def make():
        lists = LongLists(12, keep_relevant="relevance")
        lengths = DATASET.lengths.clip(max=12)
        sampler = (
            StaticBatchSampler(lengths, list_lengths=[4, 12], max_tokens=24)
            if static
            else BucketBatchSampler(lengths, batch_size=4)
        )
        return Loader(DATASET, sampler, long_lists=lists, prefetch=prefetch, workers=2)

    loader = make()
    loader.set_epoch(1)
    whole = list(loader)
    assert len(whole) == len(loader)
    assert sum(len([q for q in batch.query_ids if q]) for batch in whole) == 30
    assert all(same(a, b) for a, b in zip(loader, whole, strict=True))  # the same epoch again
    if static:
        assert {b.mask.shape for b in whole} <= {(6, 4), (2, 12)}

    used = list(itertools.islice(loader, 3))
    assert all(same(a, b) for a, b in zip(used, whole, strict=False))
    state = loader.state_dict()
    assert state["position"] == 3  # not what was made ahead
    twin = make()
    twin.load_state_dict(state)
    assert twin.state_dict() == state
    assert all(same(a, b) for a, b in zip(twin, whole[3:], strict=True))
    twin.set_epoch(2)
    assert twin.state_dict()["position"] == 0


def test_loader_passes_errors_on():
    sampler = BucketBatchSampler([*DATASET.lengths], batch_size=4)
    loader = Loader(DATASET, sampler)
    object.__setattr__(loader, "_make", lambda indices: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(loader)


def test_loader_arguments():
    sampler = BucketBatchSampler(DATASET.lengths, batch_size=4)
    for arguments, message in (
        ({"long_lists": LongLists(3)}, "`sampler` must be made from .* shortened"),
        ({"prefetch": -1}, "`prefetch`"),
        ({"workers": 0}, "`workers`"),
    ):
        with pytest.raises(ValueError, match=message):
            Loader(DATASET, sampler, **arguments)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU to pin memory for")
def test_pinned_batches():
    sampler = BucketBatchSampler(DATASET.lengths, batch_size=4)
    for batch, plain in zip(
        Loader(DATASET, sampler, pin_memory=True), ltr_data.batches(DATASET, sampler), strict=True
    ):
        assert batch.features.is_pinned()
        assert same(batch.to("cuda", non_blocking=True).to("cpu"), plain)
