"""A study from its config to its report."""

import json

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from mtl2r_bench import sweep as module
from mtl2r_bench.config import StudyConfig, validate
from mtl2r_bench.report import write_report
from mtl2r_bench.study import plan
from mtl2r_bench.sweep import StudyFolder, sweep
from mtl2r_bench.train import TrainingError, train


@pytest.fixture(scope="module")
def quiet():
    return Console(quiet=True)


def files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("record.json"))}


def test_a_study_end_to_end(study, tmp_path, quiet):
    outcomes = sweep(study, tmp_path, jobs=1, console=quiet)
    assert [outcome.name for outcome in outcomes] == list(plan(study, ("relevance", "quality")))
    assert all(outcome.error is None for outcome in outcomes)
    analysis, rows = write_report(tmp_path)
    folder = StudyFolder(tmp_path)

    results = pq.read_table(folder.results).to_pandas()
    assert set(results["run"]) == {outcome.name for outcome in outcomes}
    assert set(results["split"]) == {"validation", "test"}
    assert set(results["metric"]) == {"ndcg@1", "ndcg@5", "ndcg@10", "ndcg@30"}
    record = outcomes[2].record
    here = results[(results["run"] == outcomes[2].name) & (results["split"] == "test")]
    for row in here.itertuples():
        assert row.value == record["metrics"]["test"][row.metric][row.task]

    report = folder.report.read_text()
    for name in ("front", "losses", "curves"):
        assert f"figures/{name}.png" in report
        assert (folder.figures / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert analysis.split == "test"
    assert len(rows) == 1 + 2 + len(analysis.points)
    for row in rows[1:]:
        assert row[0] in report

    before = files(tmp_path)
    again = sweep(study, tmp_path, jobs=1, console=quiet)
    assert [o.record for o in again] == [o.record for o in outcomes]
    assert files(tmp_path) == before


def test_processes_do_not_change_results(study, tmp_path, quiet):
    sweep(study, tmp_path / "one", jobs=1, console=quiet)
    sweep(study, tmp_path / "two", jobs=2, console=quiet)
    for path in (tmp_path / "one").rglob("model.safetensors"):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes()


def test_a_study_may_grow(tables, tmp_path, quiet):
    small = validate(StudyConfig, {**tables, "methods": ["mgda"]})
    sweep(small, tmp_path, jobs=1, console=quiet)
    before = files(tmp_path)
    sweep(small.model_copy(update={"methods": ("mgda", "pcgrad")}), tmp_path, jobs=1, console=quiet)
    after = files(tmp_path)
    assert set(before.items()) < set(after.items())
    assert len(after) == len(before) + 1


def test_a_run_that_fails_is_reported_and_the_others_go_on(study, tmp_path, quiet, monkeypatch):
    def failing(config, splits, folder):
        if config.method.name == "mgda":
            raise TrainingError("the loss of task 'quality' is nan at epoch 1")
        return train(config, splits, folder)

    monkeypatch.setattr(module, "train", failing)
    outcomes = sweep(study, tmp_path, jobs=1, console=quiet)
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    assert [outcome.name for outcome in failed] == ["mgda-s42"]
    assert "is nan at epoch 1" in failed[0].error
    write_report(tmp_path)
    text = StudyFolder(tmp_path).report.read_text()
    assert f"1 of {len(outcomes)} runs are not finished" in text


def test_a_broken_disk_ends_the_sweep(study, tmp_path, quiet, monkeypatch):
    def full(config, splits, folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "train", full)
    with pytest.raises(OSError, match="No space left"):
        sweep(study, tmp_path, jobs=1, console=quiet)


def test_seeds_are_averaged(tables, tmp_path, quiet):
    study = validate(StudyConfig, {**tables, "methods": ["mgda"], "seeds": [1, 2]})
    outcomes = sweep(study, tmp_path, jobs=1, console=quiet)
    analysis, _ = write_report(tmp_path)
    point = next(point for point in analysis.points if point.method == "mgda")
    values = [
        outcome.record["metrics"]["test"]["ndcg@10"]["quality"]
        for outcome in outcomes
        if outcome.name.startswith("mgda")
    ]
    assert point.seeds == len(values) == 2
    assert point.values[1] == pytest.approx(sum(values) / 2)


def test_one_task_has_a_report_without_a_front(tables, tmp_path, quiet):
    tables["data"]["tasks"] = ["relevance"]
    sweep(validate(StudyConfig, tables), tmp_path, jobs=1, console=quiet)
    analysis, _ = write_report(tmp_path)
    folder = StudyFolder(tmp_path)
    assert [path.name for path in folder.figures.iterdir()] == ["curves.png"]
    assert [point.method for point in analysis.points] == ["stl relevance"]


def test_references_follow_the_data(tables, study, tmp_path, quiet):
    sweep(study, tmp_path, jobs=1, console=quiet)
    references = json.loads(StudyFolder(tmp_path).references.read_text())
    assert references["data"]["queries"] == {"train": 24, "validation": 10, "test": 10}
    values = references["random"]["test"]["ndcg@10"]
    assert set(values) == {"relevance", "quality"}
    assert all(0 < value < 1 for value in values.values())


def test_nothing_to_report(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no study\.toml"):
        write_report(tmp_path)
