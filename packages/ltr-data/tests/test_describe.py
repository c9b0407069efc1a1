"""A description counts what is there."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pytest

import ltr_data
from ltr_data import Columns, describe
from ltr_data.datasets import mslr, synthetic

TABLE = synthetic.generate(100, seed=0)
TASKS = [mslr.tasks()[name] for name in ("relevance", "quality", "click")]
DATASET = ltr_data.RankingDataset.from_table(TABLE, TASKS)


def test_table():
    found = ltr_data.describe(TABLE)
    assert (found.num_documents, found.num_queries) == (TABLE.num_documents, 100)
    assert sum(k * n for k, n in found.lengths.items()) == TABLE.num_documents
    assert found.labels["label"] == {k: (TABLE.labels == k).sum() for k in range(5)}
    assert found.constant_columns == (40, 80, 120)


def test_dataset_text_and_json():
    found = ltr_data.describe(DATASET)
    assert found.tasks == ("relevance", "quality", "click")
    assert np.allclose(found.correlation, np.corrcoef(DATASET.labels), atol=1e-6)
    lists = np.split(DATASET.labels[2], DATASET.offsets[1:-1])
    assert found.signal["click"] == np.mean([labels.min() < labels.max() for labels in lists])
    text = str(found)
    assert "100 queries, 132 features" in text
    assert "task click: " in text
    assert "correlation of labels:\n  relevance +1.00 -0." in text
    assert json.loads(json.dumps(found.to_dict()))["tasks"] == list(found.tasks)


def test_many_values_and_missing_labels():
    raw = ltr_data.RankingDataset.from_table(TABLE, [ltr_data.LabelSpec("dwell", source=136)])
    known = np.random.default_rng(0).random(raw.labels.shape) < 0.5
    masked = dataclasses.replace(raw, label_mask=known)
    found = ltr_data.describe(masked)
    assert found.known["dwell"] == known.sum() == sum(found.labels["dwell"].values())
    assert f"{(~known).sum():,} documents without a label" in str(found)
    assert "different from 0 to" in str(found)


def test_constant_labels_have_no_correlation():
    labels = np.zeros_like(DATASET.labels)
    found = ltr_data.describe(dataclasses.replace(DATASET, labels=labels))
    assert np.isnan(found.correlation).all()
    assert found.to_dict()["correlation"][0][0] is None
    assert set(found.signal.values()) == {0.0}


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    for data in (TABLE, DATASET):
        ltr_data.describe(data).plot().savefig(tmp_path / "x.png")
        assert (tmp_path / "x.png").stat().st_size > 10_000


def test_columns_with_names():
    table = ltr_data.from_arrow(
        pa.table(
            {
                "qid": [1, 1, 1],
                "beds": [2, None, 4],
                "rate": ["9%", "10%", ""],
                "room": ["flat", "N/A", "house"],
                "same": [1, 1, 1],
                "none": pa.nulls(3),
            }
        ),
        Columns(infer=True),
    )
    described = describe(table)
    assert described.constant_columns == (4, 5)
    found = {c.name: (c.kind, round(3 * c.gaps), str(c)) for c in described.columns}
    assert found == {
        "beds": ("number", 1, "2 to 4"),
        "rate": ("percent", 1, "9 to 10"),
        "room": ("words", 1, "2 words: flat, house"),
        "same": ("number", 0, "1 to 1"),
        "none": ("number", 3, "nothing"),
    }
    text = str(described)
    assert "constant features: same, none" in text
    assert "  room words    33.3 %  2 words: flat, house" in text
    assert json.loads(json.dumps(described.to_dict()))["columns"][2]["words"] == ["flat", "house"]
