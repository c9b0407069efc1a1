"""Folders and columns of the public data sets."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltr_data
from ltr_data.datasets import letor, mslr, resolve_inputs, resolve_tasks, synthetic

DATA = Path(__file__).parent / "../../../../shared/data"
MSLR = range(1, 137)


def make(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_plain_folder(tmp_path):
    make(tmp_path, "train.txt", "train.txt.gz", "vali.txt.gz", "test.txt", "readme.md")
    found = letor.find_splits(tmp_path)
    assert list(found) == ["train", "vali", "test"]
    assert [p.name for p in found.values()] == ["train.txt", "vali.txt.gz", "test.txt"]


def test_test_split_may_be_missing(tmp_path):
    make(tmp_path, "train.txt", "vali.txt")
    assert list(letor.find_splits(tmp_path)) == ["train", "vali"]


def test_folds(tmp_path):
    for fold in (1, 2):
        make(tmp_path / f"Fold{fold}", "train.txt", "vali.txt", "test.txt")
    assert letor.find_splits(tmp_path)["train"] == tmp_path / "Fold1" / "train.txt"
    assert letor.find_splits(tmp_path, fold=2)["test"] == tmp_path / "Fold2" / "test.txt"
    with pytest.raises(FileNotFoundError, match=r"`fold`.*Fold1, Fold2.*got Fold3"):
        letor.find_splits(tmp_path, fold=3)


def test_clear_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`root`.*there is no .*absent"):
        letor.find_splits(tmp_path / "absent")
    with pytest.raises(
        FileNotFoundError, match=r"expected train.txt or train.txt.gz, found nothing"
    ):
        letor.find_splits(tmp_path)
    make(tmp_path, "train.txt", "valdi.txt")
    with pytest.raises(
        FileNotFoundError,
        match=r"expected vali.txt or vali.txt.gz, found.*valdi.*valid, validation, dev.*"
        r"without vali needs `required=\(\"train\",\)`",
    ):
        letor.find_splits(tmp_path)
    assert list(letor.find_splits(tmp_path, required=("train",))) == ["train"]
    with pytest.raises(NotADirectoryError, match="`root`"):
        letor.find_splits(tmp_path / "train.txt")
    with pytest.raises(ValueError, match="`fold`"):
        letor.find_splits(tmp_path, fold=1)
    with pytest.raises(ValueError, match=r"`required`.*'valid'"):
        letor.find_splits(tmp_path, required=("valid",))


STEMS = {
    "train": ["train", "Train", "TRAININGSET"],
    "vali": ["vali", "valid", "Validation", "dev", "validationset"],
    "test": ["test", "TestSet"],
}
SUFFIXES = [*letor.FORMATS, ".TXT", ".txt.gz", ".csv.zst", ".jsonl.bz2", ".svm.xz"]
names = st.fixed_dictionaries(
    {
        split: st.builds(str.__add__, st.sampled_from(stems), st.sampled_from(SUFFIXES))
        for split, stems in STEMS.items()
    }
)
PLACES = ["", "Fold2", "fold2"]


@given(files=names, place=st.sampled_from(PLACES), top=st.sampled_from(["", "MSLR/"]))
@settings(max_examples=60, deadline=None)
def test_any_name_in_any_place(tmp_path_factory, files, place, top):
    root = tmp_path_factory.mktemp("data")
    folder = root / place
    make(folder, *files.values(), "readme.md", "train.txt.safetensors", ".train.csv", "traind.txt")
    fold = 2 if place else None
    assert letor.find_splits(root, fold=fold) == {s: folder / name for s, name in files.items()}
    with zipfile.ZipFile(root / "x.zip", "w") as archive:
        for name in (*files.values(), "readme.md"):
            archive.writestr(f"{top}{place}/{name}".lstrip("/"), "")
        archive.writestr("__MACOSX/train.txt", "")
    found = letor.find_splits(root / "x.zip", fold=fold)
    assert found == {s: root / "x.zip" / top / place / name for s, name in files.items()}


def test_a_split_that_is_there_twice(tmp_path):
    make(tmp_path, "train.csv.gz", "train.csv.zst", "train.csv", "vali.txt.zst", "vali.txt.gz")
    found = letor.find_splits(tmp_path)
    assert [path.name for path in found.values()] == ["train.csv", "vali.txt.gz"]
    for other in ("train.txt", "Train.csv", "trainingset.csv"):
        make(tmp_path, other)
        with pytest.raises(ValueError, match=r"the split train once, found .*[Tt]rain.* and train"):
            letor.find_splits(tmp_path)
        (tmp_path / other).unlink()
    make(tmp_path / "train", "part-0.csv")
    with pytest.raises(ValueError, match=r"the split train once, found train.csv and train/"):
        letor.find_splits(tmp_path)


def test_a_folder_of_parts(tmp_path):
    make(tmp_path / "Train", "part-1.csv", "part-0.csv.gz", "part-0.csv", "_SUCCESS", ".x.csv")
    make(tmp_path / "valid", "only.csv", "_metadata.csv")
    make(tmp_path / "test", "readme.md")
    found = letor.find_splits(tmp_path)
    assert found == {
        "train": [tmp_path / "Train" / name for name in ("part-0.csv", "part-1.csv")],
        "vali": tmp_path / "valid" / "only.csv",
    }
    for path in (*found["train"], found["vali"]):
        path.write_text(f"qid,label,a\n{path.stem},1,2\n")
    assert ltr_data.open(found["train"]).query_ids == ("part-0", "part-1")


def test_yahoo(tmp_path):
    files = [f"set{part}.{split}.txt" for part in (1, 2) for split in ("train", "valid", "test")]
    make(tmp_path, *files)
    assert [p.name for p in letor.find_splits(tmp_path).values()] == files[:3]
    assert [p.name for p in letor.find_splits(tmp_path, part=2).values()] == files[3:]
    assert [p.name for p in ltr_data.datasets.yahoo(tmp_path, 2).values()] == files[3:]
    make(tmp_path, "train.txt", "vali.txt")  # what somebody has made of them
    assert [p.name for p in letor.find_splits(tmp_path).values()] == ["train.txt", "vali.txt"]


def test_a_zip_is_read_where_it_is(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for fold in (1, 2):
            archive.writestr(f"MQ/Fold{fold}/train.txt", f"0 qid:{fold} 1:1\n")
    for fold in (1, 2):
        paths = letor.find_splits(tmp_path / "x.zip", fold=fold, required=("train",))
        assert ltr_data.open(paths["train"]).query_ids == (str(fold),)
    with pytest.raises(FileNotFoundError, match=r"must be one of Fold1, Fold2 in .*x.zip.*Fold3"):
        letor.find_splits(tmp_path / "x.zip", fold=3)
    with pytest.raises(FileNotFoundError, match=r"x.zip/MQ/Fold1.*: expected vali.txt"):
        letor.find_splits(tmp_path / "x.zip")
    (tmp_path / "y.zip").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"y.zip: not a zip archive"):
        letor.find_splits(tmp_path / "y.zip")


def test_true_sources():
    sources = {name: spec.source for name, spec in mslr.tasks().items()}
    assert sources == {
        "relevance": "label",
        "quality": 132,
        "quality2": 133,
        "click": 134,
        "url_click": 135,
        "dwell": 136,
    }


def test_aliases_are_columns_counted_from_0():
    for alias, name in mslr.ALIASES.items():
        assert mslr.tasks()[name].source == int(alias) + 1


@pytest.mark.parametrize(("preset", "count"), [("paper", 132), ("strict", 131), ("all", 136)])
def test_presets(preset, count):
    specs = resolve_tasks(["relevance"], MSLR, preset=preset)
    assert len(resolve_inputs(preset, specs, MSLR)) == count
    table = synthetic.generate(2, seed=0, mean_length=3)
    assert len(ltr_data.RankingDataset.from_table(table, specs).feature_ids) == count


def test_preset_and_task_together():
    specs = resolve_tasks(["url_click"], MSLR, preset="paper")
    assert len(resolve_inputs("paper", specs, MSLR)) == 131
    specs = resolve_tasks(["click"], MSLR, preset="all")
    assert set(MSLR) - set(resolve_inputs("all", specs, MSLR)) == {134}


def test_a_preset_refuses_the_inputs_of_a_laxer_one():
    table = synthetic.generate(2, seed=0, mean_length=3)
    specs = resolve_tasks(["relevance"], MSLR, preset="strict")
    with pytest.raises(ValueError, match="feature 135 is the correlate of task 'relevance'"):
        ltr_data.RankingDataset.from_table(table, specs, inputs=mslr.inputs(preset="paper"))


def test_names_and_aliases():
    specs = resolve_tasks(["131", "132", "133", "135", "relevance", "feature:7"], MSLR)
    names = ["quality", "quality2", "click", "dwell", "relevance", "feature:7"]
    assert [s.name for s in specs] == names
    assert specs[-1].excluded == (7, 132, 133, 134, 136)


def test_other_data_has_relevance_and_features():
    specs = resolve_tasks(["relevance", "feature:3"], range(1, 47))
    assert specs == (ltr_data.LabelSpec("relevance"), ltr_data.LabelSpec("feature:3", source=3))
    assert len(resolve_inputs("paper", specs, range(1, 47))) == 45


@pytest.mark.parametrize(
    ("names", "feature_ids", "message"),
    [
        (["relevence"], MSLR, "'relevence', did you mean 'relevance'"),
        (["qualty2"], MSLR, "did you mean 'quality2'"),
        (["xyz"], MSLR, r"'xyz'. Known are relevance, quality, .*131.*feature:<id>"),
        (["click"], range(1, 47), "'click'.* Known are relevance, feature:<id>"),
        (["133"], range(1, 47), "'133'"),
        (["feature:47"], range(1, 47), "46 features, got 'feature:47'"),
        (["feature:x"], range(1, 47), "got 'feature:x'"),
        (["click", "133"], MSLR, "'click' twice"),
        ([], MSLR, "`names`"),
    ],
)
def test_wrong_names(names, feature_ids, message):
    with pytest.raises(ValueError, match=message):
        resolve_tasks(names, feature_ids)


def test_unknown_preset():
    for call in (mslr.tasks, lambda preset: mslr.inputs(preset=preset)):
        with pytest.raises(ValueError, match="`preset` must be one of paper, strict, all"):
            call("papers")


def test_real_data_gives_grades():
    if not (DATA / "mslr-sample").exists():
        pytest.skip("needs the real data mslr-sample, which is not part of the repository")
    splits = letor.find_splits(DATA / "mslr-sample")
    train = ltr_data.open(splits["train"], labels=list(mslr.tasks().values()))
    assert train.labels.min() == 0
    assert train.labels.max(axis=1).tolist() == [4, 4, 4, 4, 4, 4]
    assert len(train.feature_ids) == 131
    vali = ltr_data.open(splits["vali"], labels=train.label_specs)
    assert vali.label_specs == train.label_specs
    # Quality is inverted: the worst page has the lowest grade.
    table = ltr_data.read_svmrank(splits["train"])
    worst = table.column(133) == table.column(133).max()
    assert np.all(train.labels[train.tasks.index("quality2"), worst] == 0)
