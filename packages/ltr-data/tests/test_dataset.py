"""Batches hold what the data set holds, and nothing else."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

import ltr_data
from ltr_data import LabelSpec, RankingBatch, RankingDataset, RankingTable
from ltr_data.datasets import synthetic

TABLE = synthetic.generate(12, seed=3, num_features=35, mean_length=7)
DATASET = RankingDataset.from_table(TABLE, [LabelSpec("relevance"), LabelSpec("click", source=33)])


@pytest.fixture
def masked():
    known = np.random.default_rng(0).random(DATASET.labels.shape) < 0.5
    return dataclasses.replace(DATASET, label_mask=known)


def same(batch, other):
    return (
        torch.equal(batch.features, other.features)
        and torch.equal(batch.labels, other.labels)
        and torch.equal(batch.mask, other.mask)
        and batch.query_ids == other.query_ids
        and (batch.label_mask is None) == (other.label_mask is None)
        and (batch.label_mask is None or torch.equal(batch.label_mask, other.label_mask))
    )


@given(indices=st.lists(st.integers(0, 11), min_size=1, max_size=8))
def test_batch_holds_each_list_and_zeros(indices):
    batch = DATASET.batch(indices)
    assert batch.features.shape == (len(indices), DATASET.lengths[indices].max(), 34)
    assert batch.labels.shape == (2, *batch.features.shape[:2])
    assert batch.mask.dtype == torch.bool
    assert batch.query_ids == tuple(DATASET.query_ids[i] for i in indices)
    assert batch.num_documents == DATASET.lengths[indices].sum()
    for row, i in enumerate(indices):
        documents = slice(DATASET.offsets[i], DATASET.offsets[i + 1])
        length = DATASET.lengths[i]
        assert batch.mask[row].tolist() == [j < length for j in range(batch.mask.shape[1])]
        assert np.array_equal(batch.features[row, :length], DATASET.features[documents])
        assert np.array_equal(batch.labels[:, row, :length], DATASET.labels[:, documents])
        assert not batch.features[row, length:].any()
        assert not batch.labels[:, row, length:].any()


def test_negative_indices_count_from_the_end():
    assert same(DATASET.batch([-1]), DATASET.batch([11]))
    assert same(DATASET[-12], DATASET[0])


@pytest.mark.parametrize("index", [12, -13])
def test_no_such_query(index):
    with pytest.raises(IndexError, match=f"`indices`.* 12 queries, got {index}"):
        DATASET[index]


def test_no_indices():
    with pytest.raises(ValueError, match="`indices`"):
        DATASET.batch([])


def test_iteration_ends():
    assert len(list(DATASET)) == len(DATASET) == 12


def test_label_mask_travels(masked):
    batch = masked.batch([4, 1])
    assert batch.label_mask.shape == batch.labels.shape
    assert not (batch.label_mask & ~batch.mask).any()
    documents = slice(DATASET.offsets[4], DATASET.offsets[5])
    assert np.array_equal(
        batch.label_mask[:, 0, : DATASET.lengths[4]], masked.label_mask[:, documents]
    )
    assert same(masked.subset([4, 1]).batch([0, 1]), batch)
    assert same(ltr_data.collate([masked[4], masked[1]]), batch)


def test_collate_of_single_lists_is_the_batch():
    indices = [3, 0, 7]
    assert same(ltr_data.collate([DATASET[i] for i in indices]), DATASET.batch(indices))


def test_collate_with_and_without_label_mask(masked):
    batch = ltr_data.collate([DATASET[3], masked[0]])
    assert torch.equal(batch.label_mask[:, 0], batch.mask[0].expand(2, -1))


def test_collate_needs_like_batches():
    other = RankingDataset.from_table(TABLE)
    with pytest.raises(ValueError, match="`batches` must agree"):
        ltr_data.collate([DATASET[0], other[0]])
    with pytest.raises(ValueError, match="`batches`"):
        ltr_data.collate([])


@pytest.mark.parametrize("workers", [0, 2])
def test_data_loader(workers):
    sampler = ltr_data.BucketBatchSampler(DATASET.lengths, batch_size=5, seed=2)
    loader = DataLoader(
        DATASET, batch_sampler=sampler, collate_fn=ltr_data.collate, num_workers=workers
    )
    plain = ltr_data.batches(DATASET, sampler)
    assert all(same(a, b) for a, b in zip(loader, plain, strict=True))


def test_to_device():
    batch = DATASET.batch([0, 1]).to("meta")
    assert {t.device.type for t in (batch.features, batch.labels, batch.mask)} == {"meta"}
    assert batch.query_ids == DATASET.query_ids[:2]


def test_subset():
    part = DATASET.subset([5, 2])
    assert len(part) == 2
    assert same(part.batch([0, 1]), DATASET.batch([5, 2]))
    assert part.label_specs == DATASET.label_specs


def test_checksum_tells_any_change(masked):
    checksum = DATASET.checksum()
    assert len(checksum) == 64
    assert RankingDataset.from_table(TABLE, DATASET.label_specs).checksum() == checksum
    features = DATASET.features.copy()
    features[0, 0] += 1
    others = [
        dataclasses.replace(DATASET, features=features),
        dataclasses.replace(DATASET, labels=DATASET.labels + 1),
        dataclasses.replace(DATASET, query_ids=tuple("abcdefghijkl")),
        DATASET.subset(range(11)),
        masked,
    ]
    assert len({checksum, *(other.checksum() for other in others)}) == 6


def test_transformed():
    transform = ltr_data.LogStandardize.fit(DATASET.features, DATASET.feature_ids)
    dataset = DATASET.transformed(transform)
    assert np.array_equal(dataset.features, transform.transform(DATASET.features))
    assert dataset.labels is DATASET.labels
    with pytest.raises(ValueError, match="`transform` must be fitted to the features"):
        RankingDataset.from_table(TABLE).transformed(transform)


def test_open(tmp_path):
    ltr_data.write_svmrank(tmp_path / "x.txt.gz", TABLE)
    dataset = ltr_data.open(tmp_path / "x.txt.gz", labels=DATASET.label_specs)
    assert dataset.checksum() == DATASET.checksum()
    assert ltr_data.open(tmp_path / "x.txt.gz", inputs=[2, 1]).feature_ids == (1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": TABLE.features.astype(np.float64)}, "`features`"),
        ({"feature_ids": (1,)}, "`feature_ids`"),
        ({"feature_ids": (1,) * 35}, "`feature_ids`"),
        ({"labels": TABLE.labels[1:]}, "`labels`"),
        ({"offsets": TABLE.offsets[1:]}, "`offsets`"),
        ({"offsets": np.zeros_like(TABLE.offsets)}, "`offsets`"),
    ],
)
def test_tables_must_agree(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TABLE, **change)


def test_dataset_must_agree():
    with pytest.raises(ValueError, match="`labels`"):
        dataclasses.replace(DATASET, labels=DATASET.labels[:1])
    with pytest.raises(ValueError, match="`label_mask`"):
        dataclasses.replace(DATASET, label_mask=np.ones((1, 1), dtype=bool))


def test_column():
    assert np.array_equal(TABLE.column(33), TABLE.features[:, 32])
    with pytest.raises(ValueError, match=r"`feature_id`.* 1..35, got 36"):
        TABLE.column(36)


def test_types_are_exported():
    assert isinstance(DATASET[0], RankingBatch)
    assert isinstance(TABLE, RankingTable)
    assert sorted(ltr_data.__all__) == ltr_data.__all__
