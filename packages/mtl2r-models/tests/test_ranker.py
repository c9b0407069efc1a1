"""Rankers on disk and in use."""

import json

import numpy as np
import pytest
import torch

from ltr_data import LogStandardize
from mtl2r_models import ListTransformer, Ranker


@pytest.fixture
def ranker():
    values = np.random.default_rng(0).exponential(size=(50, 4)).astype(np.float32)
    transform = LogStandardize.fit(values, (1, 2, 3, 7))
    model = ListTransformer(
        4, hidden=8, layers=1, heads=2, generator=torch.Generator().manual_seed(0)
    )
    return Ranker(
        model,
        transform=transform,
        feature_ids=(1, 2, 3, 7),
        tasks=("relevance", "click"),
        metadata={"epoch": 3},
    )


@pytest.fixture
def documents():
    return np.random.default_rng(1).exponential(size=(6, 4)).astype(np.float32)


def test_what_was_saved_ranks_alike_bit_for_bit(ranker, documents, tmp_path):
    ranker.save(tmp_path / "ranker")
    loaded = Ranker.load(tmp_path / "ranker")
    assert torch.equal(loaded.scores(documents), ranker.scores(documents))
    assert loaded.feature_ids == (1, 2, 3, 7)
    assert loaded.tasks == ("relevance", "click")
    assert loaded.metadata == {"epoch": 3}
    assert not loaded.training


def test_a_ranker_without_a_transform(documents, tmp_path):
    ranker = Ranker(ListTransformer(4, hidden=8, layers=1, heads=2), feature_ids=range(1, 5))
    ranker.save(tmp_path / "ranker")
    loaded = Ranker.load(tmp_path / "ranker")
    assert loaded.transform is None
    assert torch.equal(loaded.scores(documents), ranker.scores(documents))


def test_saving_replaces_the_older_one(ranker, documents, tmp_path):
    ranker.save(tmp_path / "ranker")
    with torch.no_grad():
        next(ranker.parameters()).add_(1)
    ranker.save(tmp_path / "ranker")
    assert torch.equal(Ranker.load(tmp_path / "ranker").scores(documents), ranker.scores(documents))
    assert [path.name for path in tmp_path.iterdir()] == ["ranker"]


def test_the_transform_is_part_of_the_ranker(ranker, documents):
    transformed = ranker.transform(torch.from_numpy(documents))
    ranker.eval()
    with torch.no_grad():
        expected = ranker.model(transformed[None])[0]
    torch.testing.assert_close(ranker.scores(documents), expected)


def test_rank_orders_by_score_and_keeps_the_mode(ranker, documents):
    ranker.train()
    order = ranker.rank(documents)
    assert ranker.training
    scores = ranker.scores(documents)
    assert torch.equal(scores[order], scores.sort(descending=True).values)


def test_documents_that_do_not_fit_are_refused(ranker, documents):
    with pytest.raises(ValueError, match=r"`features` must be \(document, 4\), got \(6, 3\)"):
        ranker.scores(documents[:, :3])
    documents[2, 3] = np.nan
    with pytest.raises(ValueError, match="got nan for feature 7 of document 2"):
        ranker.scores(documents)
    with pytest.raises(ValueError, match="`feature_ids` must name the model's 4 inputs, got 2"):
        Ranker(ranker.model, feature_ids=(1, 2))


def edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").write_text("{"), "damaged, not JSON"),
        (lambda f: (f / "config.json").write_text("[1]"), "expected the format 'mtl2r-ranker'"),
        (lambda f: edit(f, format="other"), "expected the format 'mtl2r-ranker', found 'other'"),
        (lambda f: edit(f, format_version=9), "reads format version 1, found 9"),
        (lambda f: edit(f, architecture="os.system"), "expected one of ListTransformer"),
        (lambda f: edit(f, model={"num_features": 4, "depth": 2}), "incomplete or damaged"),
        (lambda f: edit(f, model={"num_features": 5}), "must name the model's 5 inputs"),
        (lambda f: edit(f, model={"num_features": 4, "hidden": 16}), "does not fit its config"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x"), "damaged, its SHA-256 is"),
    ],
)
def test_damaged_and_foreign_folders_are_refused(ranker, tmp_path, damage, message):
    folder = tmp_path / "ranker"
    ranker.save(folder)
    damage(folder)
    with pytest.raises(ValueError, match=message):
        Ranker.load(folder)


def test_missing_files_are_named(ranker, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no config\.json"):
        Ranker.load(tmp_path / "nothing")
    ranker.save(tmp_path / "ranker")
    (tmp_path / "ranker" / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"found no model\.safetensors"):
        Ranker.load(tmp_path / "ranker")


def test_a_model_no_table_lists_cannot_be_saved(tmp_path):
    ranker = Ranker(torch.nn.Linear(4, 1), feature_ids=range(1, 5))
    with pytest.raises(
        TypeError, match="`model` must be one of ListTransformer, MLPScorer, got Linear"
    ):
        ranker.save(tmp_path / "ranker")
    assert list(tmp_path.iterdir()) == []
