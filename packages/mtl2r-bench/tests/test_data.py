"""From files to splits: what is refused, and what is fitted on what."""

import numpy as np
import pytest

from ltr_data import write_svmrank
from ltr_data.datasets import synthetic
from mtl2r_bench.config import StudyConfig, validate
from mtl2r_bench.data.splits import load_splits

LINES = ["2 qid:1 1:1 2:5", "0 qid:1 1:2 2:7", "1 qid:2 1:4 2:6", "0 qid:2 1:8 2:8"]


def load(**tables):
    study = validate(StudyConfig, tables)
    return load_splits(study.data, study.evaluation)


def test_generated_and_written_data_are_the_same(tables, tmp_path):
    generated = load(**tables)
    folder = tmp_path / "letor"
    folder.mkdir()
    numbers = tables["data"]["synthetic"]
    made = synthetic.splits((24, 10, 10), seed=0, mean_length=numbers["mean_length"])
    for name, table in made.items():
        write_svmrank(folder / f"{name}.txt.gz", table)
    read = load(data={"tasks": ["relevance", "quality"], "path": str(folder)})
    for name, split in generated.items().items():
        assert read.items()[name].checksum() == split.checksum()


def test_transform_is_fitted_on_training_lists_only(letor):
    folder = letor(train=LINES, vali=["1 qid:3 1:100 2:100", "0 qid:3 1:1 2:1"])
    splits = load(data={"path": str(folder), "tasks": ["relevance"], "transform": "standardize"})
    train = splits.transform.transform(splits.train.features)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(axis=0), 1, rtol=1e-5)
    assert splits.transform.transform(splits.validation.features).max() > 10
    assert splits.test is None


def test_transform_none_leaves_features_alone(letor):
    folder = letor(train=LINES, vali=LINES)
    splits = load(data={"path": str(folder), "tasks": ["relevance"], "transform": "none"})
    assert splits.transform is None
    np.testing.assert_array_equal(splits.train.features[:, 1], [5, 7, 6, 8])


def test_a_label_column_leaves_the_inputs(letor):
    folder = letor(train=LINES, vali=LINES)
    splits = load(data={"path": str(folder), "tasks": ["relevance", "feature:2"]})
    assert splits.train.feature_ids == (1,)
    np.testing.assert_array_equal(splits.train.labels[1], [5, 7, 6, 8])


def test_a_task_among_the_inputs_is_refused(letor):
    folder = letor(train=LINES, vali=LINES)
    with pytest.raises(ValueError, match=r"feature 2 is the source of task 'feature:2'"):
        load(data={"path": str(folder), "tasks": ["relevance", "feature:2"], "inputs": [1, 2]})


def test_a_sparse_split_gets_the_width_of_training(letor):
    folder = letor(train=LINES, vali=["1 qid:3 1:3", "0 qid:3 1:1"])
    splits = load(data={"path": str(folder), "tasks": ["relevance"], "transform": "none"})
    assert splits.validation.features.shape == (2, 2)


def test_labels_the_gain_cannot_hold(letor):
    folder = letor(train=["200 qid:1 1:1 2:1", "0 qid:1 1:2 2:2"], vali=LINES)
    with pytest.raises(ValueError, match=r"task 'relevance' reach 200 in the train split.*log1p"):
        load(data={"path": str(folder), "tasks": ["relevance"]})
    load(data={"path": str(folder), "tasks": ["relevance"]}, evaluation={"gain": "linear"})


def test_a_task_may_bring_its_own_transform(letor):
    folder = letor(train=["200 qid:1 1:1 2:1", "0 qid:1 1:2 2:2"], vali=["0 qid:2 1:1"])
    spec = {"name": "visits", "source": "label", "transform": {"type": "Log1p"}, "correlates": []}
    splits = load(data={"path": str(folder), "tasks": [spec]})
    np.testing.assert_allclose(splits.train.labels[0], np.log1p([200, 0]), rtol=1e-6)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (["relevanse"], "did you mean 'relevance'"),
        (["feature:9"], "'feature:9'"),
        (["relevance", "relevance"], "twice"),
    ],
)
def test_unknown_tasks(letor, tasks, message):
    folder = letor(train=LINES, vali=LINES)
    with pytest.raises(ValueError, match=message):
        load(data={"path": str(folder), "tasks": tasks})


def test_folds(letor, tmp_path):
    for fold in (1, 2):
        letor(f"root/Fold{fold}", train=LINES[: 2 * fold], vali=LINES)
    root = str(tmp_path / "root")
    assert len(load(data={"path": root, "tasks": ["relevance"]}).train) == 1
    assert len(load(data={"path": root, "tasks": ["relevance"], "fold": 2}).train) == 2
    with pytest.raises(FileNotFoundError, match="Fold3"):
        load(data={"path": root, "tasks": ["relevance"], "fold": 3})


def test_missing_validation(letor):
    with pytest.raises(FileNotFoundError, match=r"expected vali\.txt"):
        load(data={"path": str(letor(train=LINES)), "tasks": ["relevance"]})
