"""What "finished" means is decided in one place: status, sweep, report and select agree on it."""

import json
import shutil
from io import StringIO

import pytest
from rich.console import Console

from mtl2r_bench.analysis.select import choose
from mtl2r_bench.cli import app as cli
from mtl2r_bench.config import StudyConfig, validate
from mtl2r_bench.report import study_report
from mtl2r_bench.runs.files import DamagedError
from mtl2r_bench.runs.run_folder import RunFolder
from mtl2r_bench.study.status import study_status
from mtl2r_bench.study.sweep import StudyFolder, sweep

RUN = "ls-r0.5_0.5-s42"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished study."""
    study = validate(
        StudyConfig,
        {
            "methods": ["ls"],
            "preferences": [[0.5, 0.5], [0.25, 0.75]],
            "data": {
                "tasks": ["relevance", "quality"],
                "synthetic": {"train_queries": 16, "validation_queries": 8, "mean_length": 8},
            },
            "model": {"hidden": 8, "layers": 1, "heads": 2, "feedforward": 8},
            "train": {"epochs": 2, "batch_size": 8},
            "baselines": False,
        },
    )
    path = tmp_path_factory.mktemp("whole")
    sweep(study, path, jobs=1, console=Console(quiet=True))
    return study, path


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copytree(whole[1], tmp_path / "study")
    return whole[0], StudyFolder(tmp_path / "study"), RunFolder(tmp_path / "study" / "runs" / RUN)


def changed(key, value):
    """Changes an entry of the record."""

    def change(run):
        record = {**json.loads(run.record.read_text()), key: value}
        run.record.write_text(json.dumps(record))

    return change


DAMAGE = [
    pytest.param(lambda run: run.record.write_text('{"labels": ["rel'), "not JSON", id="cut short"),
    pytest.param(lambda run: run.record.write_bytes(b"\xff\x00"), "not JSON", id="bytes"),
    pytest.param(lambda run: run.record.write_text("{}"), "an object with labels", id="empty"),
    pytest.param(changed("tasks", ["relevance", "click"]), "not among the labels", id="tasks"),
    pytest.param(changed("metrics", {}), "no values on validation", id="no metrics"),
    pytest.param(changed("metrics", [1]), "metrics: Input should be", id="no table"),
    pytest.param(
        changed("metrics", {"validation": {"ndcg@10": {"relevance": 0.5}}}),
        "ndcg@10 on validation is of",
        id="a label less",
    ),
    pytest.param(changed("seed", 7), "seed is 7, 42 in config.toml", id="of another run"),
    pytest.param(lambda run: run.queries.unlink(), "queries.parquet is not beside", id="queries"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_a_run_with_a_damaged_record_is_not_finished_anywhere(copy, damage, message):
    study, folder, run = copy
    before = json.loads(run.record.read_text())
    damage(run)
    states = {status.name: status for status in study_status(folder.path)}
    assert states.pop(RUN).state == "damaged"
    assert {status.state for status in states.values()} == {"finished"}
    for look in (study_report, choose):
        with pytest.raises(DamagedError) as found:
            look(folder.path)
        assert str(run.record) in str(found.value)
        assert message in str(found.value)
        assert "run the same command again: it rebuilds the record" in str(found.value)
    said = StringIO()
    outcomes = sweep(study, folder.path, jobs=1, console=Console(file=said, width=500))
    assert f"damaged   {RUN}: {run.record}: damaged" in said.getvalue()
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert {status.state for status in study_status(folder.path)} == {"finished"}
    # Nothing was trained anew: the record is the one that was, but for what it was made with.
    after = json.loads(run.record.read_text())
    assert {**after, "environment": None} == {**before, "environment": None}
    assert (run.path / "record.json.damaged").is_file()


def test_status_names_the_damaged_file_and_what_to_do(copy, monkeypatch, capsys):
    _, folder, run = copy
    run.record.write_text("not a record")
    monkeypatch.setattr("sys.argv", ["mtl2r-bench", "status", str(folder.path)])
    with pytest.raises(SystemExit):
        cli.main()
    shown = capsys.readouterr().out
    assert "1 finished, 1 damaged of 2 runs" in shown
    assert f"{run.record}: damaged, not JSON" in shown
    assert "run the same command again: it rebuilds the record" in shown


@pytest.mark.parametrize("name", ["log.jsonl", "error.json"])
def test_other_damaged_files_are_named_and_do_not_hide_the_other_runs(copy, name):
    _, folder, run = copy
    run.record.unlink()
    (run.path / name).write_text("{]\n")
    states = {status.name: status for status in study_status(folder.path)}
    assert states[RUN].state == "damaged"
    assert str(run.path / name) in states[RUN].error
    assert {s.state for s in states.values() if s.name != RUN} == {"finished"}


def test_vectors_are_not_added_to_a_study_with_a_damaged_record(copy):
    study, folder, run = copy
    growing = study.model_copy(update={"adaptive": 1})
    sweep(growing, folder.path, jobs=1, console=Console(quiet=True))
    names = {status.name for status in study_status(folder.path)}
    run.record.write_text("")
    damaged = {status.name: status.state for status in study_status(folder.path)}
    assert damaged.pop(RUN) == "damaged"
    sweep(growing, folder.path, jobs=1, console=Console(quiet=True))
    assert {status.name for status in study_status(folder.path)} == names


def test_a_choice_between_runs_of_one_ranker_says_so(copy):
    _, folder, _ = copy
    first = choose(folder.path)
    assert "By the wish it leads" in first.verdict
    twin = folder.runs / "twin"
    shutil.copytree(first.result.folder.path, twin)
    again = choose(folder.path)
    assert {again.result.name, again.runner_up.name} == {first.result.name, "twin"}
    assert again.probability == first.probability
    assert again.verdict.endswith("serves the wish exactly as well on validation.")
