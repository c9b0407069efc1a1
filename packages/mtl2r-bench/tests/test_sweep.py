"""A study from its config to its report."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from io import StringIO

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from mtl2r_bench.analysis.select import choose, parse_bound
from mtl2r_bench.config import StudyConfig, to_toml, validate
from mtl2r_bench.distributed import ALONE
from mtl2r_bench.report import study_report, write_report
from mtl2r_bench.runs.run_folder import RunFolder
from mtl2r_bench.study import sweep as module
from mtl2r_bench.study.backends import gpu_share
from mtl2r_bench.study.plan import plan
from mtl2r_bench.study.status import seconds_left, status_table, study_status
from mtl2r_bench.study.sweep import StudyFolder, sweep
from mtl2r_bench.training.epoch import TrainingError
from mtl2r_bench.training.learners import estimate
from mtl2r_bench.training.run import train
from mtl2r_models import Ranker


@pytest.fixture(scope="module")
def quiet():
    return Console(quiet=True)


@pytest.fixture
def mgda_fails(monkeypatch):
    """The runs of MGDA leave their folder and an error."""

    def failing(config, splits, folder):
        if config.method.name == "mgda":
            with RunFolder(folder).training("", ALONE):
                raise TrainingError("a loss is nan")
        return train(config, splits, folder)

    monkeypatch.setattr(module, "train", failing)


def files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("record.json"))}


def test_a_study_end_to_end(study, tmp_path, quiet):
    outcomes = sweep(study, tmp_path, jobs=1, console=quiet)
    assert [outcome.name for outcome in outcomes] == list(plan(study, ("relevance", "quality")))
    assert all(outcome.error is None for outcome in outcomes)
    (section,) = write_report(tmp_path).sections
    analysis = section.analysis
    folder = StudyFolder(tmp_path)

    results = pq.read_table(folder.results).to_pandas()
    assert set(results["run"]) == {outcome.name for outcome in outcomes}
    assert set(results["split"]) == {"validation", "test"}
    assert set(results["metric"]) == {"ndcg@1", "ndcg@5", "ndcg@10", "ndcg@30"}
    record = outcomes[2].record
    here = results[(results["run"] == outcomes[2].name) & (results["split"] == "test")]
    for row in here.itertuples():
        assert row.value == record["metrics"]["test"][row.metric][row.task]

    # Every reference vector trains the same network (a peer's grew with the vector's number).
    assert len({outcome.record["parameters"] for outcome in outcomes}) == 1

    report = folder.report.read_text()
    for name in ("front", "losses", "validation", "delta_m", "curves"):
        assert f"figures/{name}.png" in report
        assert (folder.figures / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert analysis.split == "test"
    rows = section.tables[1].plain()
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


def test_a_folder_of_runs_on_other_lists_is_refused_and_stays_as_it_is(tables, tmp_path, quiet):
    study = validate(StudyConfig, {**tables, "methods": ["mgda"]})
    sweep(study, tmp_path, jobs=1, console=quiet)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    synthetic = study.data.synthetic.model_copy(update={"seed": 7})
    data = study.data.model_copy(update={"synthetic": synthetic})
    other = study.model_copy(update={"data": data})
    with pytest.raises(ValueError, match=r"expected a new folder .* seed 7.* seed "):
        sweep(other, tmp_path, jobs=1, console=quiet)
    assert {path: path.read_bytes() for path in before} == before
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(before)


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


def test_the_status_of_a_study(study, tmp_path, quiet, mgda_fails):
    with pytest.raises(FileNotFoundError, match="expected a study that was begun"):
        study_status(tmp_path)

    sweep(study, tmp_path, jobs=1, console=quiet)
    runs = {run.name: run for run in study_status(tmp_path)}
    assert runs["mgda-s42"].state == "failed"
    assert runs["mgda-s42"].error == "TrainingError: a loss is nan"
    others = [run for run in runs.values() if run.name != "mgda-s42"]
    assert {(run.state, run.epoch, run.remaining) for run in others} == {("finished", 3, 0)}
    assert seconds_left(list(runs.values()), 1) == pytest.approx(
        sum(run.seconds for run in others) / len(others)
    )


def test_a_killed_worker_loses_no_run(study, tmp_path):
    longer = study.model_copy(
        update={"train": study.train.model_copy(update={"epochs": 15}), "baselines": False}
    )
    (tmp_path / "study.toml").write_text(to_toml(longer))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "mtl2r_bench", "sweep", str(tmp_path / "study.toml")]
    process = subprocess.Popen(
        [*command, "--out", str(out), "--jobs", "2"], stdout=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 90
        while not list(out.glob("runs/*/log.jsonl")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        found = subprocess.run(
            ["ps", "-ww", "--ppid", str(process.pid), "-o", "pid=,args="],
            capture_output=True,
            text=True,
            check=True,
        )
        workers = [line.split()[0] for line in found.stdout.splitlines() if "popen_loky" in line]
        os.kill(int(workers[-1]), signal.SIGKILL)
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert process.returncode == 0, output
    assert "a process was killed" in output
    assert {run.state for run in study_status(out)} == {"finished"}


def test_a_choice_keeps_the_bounds_and_serves_the_wish(study, tmp_path, quiet):
    outcomes = sweep(study, tmp_path, jobs=1, console=quiet)
    values = {
        o.name: [o.record["metrics"]["validation"]["ndcg@10"][t] for t in o.record["labels"]]
        for o in outcomes
    }
    chosen = choose(tmp_path, {"relevance": 7, "quality": 3})
    wish = {name: 0.7 * a + 0.3 * b for name, (a, b) in values.items()}
    first, second = sorted(wish.values(), reverse=True)[:2]
    assert wish[chosen.result.name] == pytest.approx(first)
    assert chosen.value.value == pytest.approx(first)
    assert chosen.value.low < first < chosen.value.high
    assert chosen.lead.value == pytest.approx(first - second)
    assert 0 < chosen.probability <= 1
    for i, task in enumerate(chosen.tasks):
        test = [o.record["metrics"]["test"]["ndcg@10"][task] for o in outcomes]
        here = [o.name for o in outcomes].index(chosen.result.name)
        assert chosen.reported[i].value == pytest.approx(test[here])
        assert chosen.change[i].value == pytest.approx(100 * (test[here] / test[i] - 1))
    least = sorted(b for _, b in values.values())[2]
    chosen = choose(tmp_path, bounds={"quality": least})
    kept = {name: a for name, (a, b) in values.items() if b >= least}
    assert kept[chosen.result.name] == max(kept.values())
    assert chosen.candidates == len(kept)
    chosen.export(tmp_path / "mine")
    assert Ranker.load(tmp_path / "mine").tasks == ("relevance", "quality")
    with pytest.raises(ValueError, match="no run keeps the bounds; the nearest is"):
        choose(tmp_path, bounds={"quality": 1.1})
    with pytest.raises(ValueError, match="unknown task 'clicks'"):
        choose(tmp_path, {"clicks": 1.0})
    with pytest.raises(ValueError, match="`fold` must be left out, the study has no folds; got 3"):
        choose(tmp_path, fold=3)
    with pytest.raises(ValueError, match=r"like click>=0\.3, got 'click>0\.3'"):
        parse_bound("click>0.3")


def test_the_estimate_of_a_study_is_of_its_runs(study, splits):
    run = plan(study, splits.tasks)["mgda-s42"]
    found = estimate(run, splits)
    assert found.steps == 3
    assert found.seconds == pytest.approx(
        3 * (found.steps * found.step_seconds + found.evaluation_seconds)
    )
    assert 0 < found.step_seconds < 60


def test_a_broken_disk_ends_the_sweep(study, tmp_path, quiet, monkeypatch):
    def full(config, splits, folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "train", full)
    with pytest.raises(OSError, match="No space left"):
        sweep(study, tmp_path, jobs=1, console=quiet)


def test_seeds_are_averaged(tables, tmp_path, quiet):
    study = validate(StudyConfig, {**tables, "methods": ["mgda"], "seeds": [1, 2]})
    outcomes = sweep(study, tmp_path, jobs=1, console=quiet)
    analysis = study_report(tmp_path).sections[0].analysis
    point = next(point for point in analysis.points if point.method == "mgda")
    values = [
        outcome.record["metrics"]["test"]["ndcg@10"]["quality"]
        for outcome in outcomes
        if outcome.name.startswith("mgda")
    ]
    assert len(point.runs) == len(values) == 2
    assert point.values[1] == pytest.approx(sum(values) / 2)


def test_a_method_with_a_model_of_its_own_stands_in_the_same_tables(tables, tmp_path, quiet):
    mlp = {"architecture": "mlp", "hidden": [6], "dropout": 0.0}
    methods = ["ls", {"name": "ls", "model": mlp, "variant": "mlp"}]
    study = validate(StudyConfig, {**tables, "methods": methods, "preferences": 2, "adaptive": 1})
    outcomes = {o.name: o for o in sweep(study, tmp_path, jobs=1, console=quiet)}
    assert [o.error for o in outcomes.values()] == [None] * len(outcomes)
    assert {status.state for status in study_status(tmp_path)} == {"finished"}
    sizes = {}
    for name, outcome in outcomes.items():
        folder = StudyFolder(tmp_path).runs / name
        own = name.startswith("ls-mlp")
        assert Ranker.load(folder / "ranker").model.config().get("hidden") == ([6] if own else 8)
        sizes.setdefault(own, set()).add(outcome.record["parameters"])
        residual = outcome.record["certificate"]["kkt_residual"]
        assert residual >= 0
    (network,), (perceptron,) = sizes[False], sizes[True]

    (section,) = write_report(tmp_path).sections
    assert {row.method for row in section.analysis.methods} == {"ls", "ls (mlp)"}
    report = StudyFolder(tmp_path).report.read_text()
    assert f"inputs; {network:,} parameters; {perceptron:,} parameters (mlp)." in report
    assert "baselines are of the study's model (transformer, hidden=8" in report
    assert re.search(r"^\| ls \(mlp\) ", report, flags=re.MULTILINE)

    best = max(
        (o for name, o in outcomes.items()),
        key=lambda o: o.record["metrics"]["validation"]["ndcg@10"]["quality"],
    )
    assert choose(tmp_path, {"quality": 1.0}).result.record["metrics"] == best.record["metrics"]


def test_one_task_has_a_report_without_a_front(tables, tmp_path, quiet):
    tables["data"]["tasks"] = ["relevance"]
    sweep(validate(StudyConfig, tables), tmp_path, jobs=1, console=quiet)
    (section,) = write_report(tmp_path).sections
    analysis = section.analysis
    folder = StudyFolder(tmp_path)
    assert {path.name for path in folder.figures.iterdir()} == {"curves.png", "curves.pdf"}
    assert [point.method for point in analysis.points] == ["stl relevance"]


def test_references_follow_the_data(tables, study, tmp_path, quiet):
    sweep(study, tmp_path, jobs=1, console=quiet)
    references = json.loads(StudyFolder(tmp_path).references_of(None).read_text())
    assert references["data"]["queries"] == {"train": 24, "validation": 10, "test": 10}
    values = references["random"]["test"]["ndcg@10"]
    assert set(values) == {"relevance", "quality"}
    assert all(0 < value < 1 for value in values.values())


def test_nothing_to_report(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no study\.toml"):
        write_report(tmp_path)


@pytest.fixture
def pairs(tables):
    """Three labels in two folds, every pair of them."""
    tables["data"]["tasks"] = ["relevance", "quality", "click"]
    return validate(
        StudyConfig,
        {**tables, "task_sets": "pairs", "folds": [1, 2], "methods": ["ls"], "preferences": 1},
    )


def test_task_sets_and_folds_share_baselines_and_inputs(pairs, tmp_path, quiet):
    outcomes = sweep(pairs, tmp_path, jobs=1, console=quiet)
    assert [outcome.error for outcome in outcomes] == [None] * (2 * 3 + 2 * 3)
    records = [outcome.record for outcome in outcomes]
    labels = ["relevance", "quality", "click"]
    assert {(r["fold"], *r["tasks"]) for r in records} == {
        (fold, *tasks)
        for fold in (1, 2)
        for tasks in [(a,) for a in labels]
        + [("relevance", "quality"), ("relevance", "click")]
        + [("quality", "click")]
    }
    for record in records:
        assert record["labels"] == labels
        assert set(record["loss"]) == set(record["tasks"])
        assert set(record["metrics"]["test"]["ndcg@10"]) == set(labels)
    # Nothing that a run sees depends on its tasks: the baselines serve every set.
    assert len({record["parameters"] for record in records}) == 1
    inputs = {RunFolder(tmp_path / "runs" / o.name).path / "ranker" for o in outcomes}
    assert len({Ranker.load(path).feature_ids for path in inputs}) == 1
    folds = [{r["data"]["train"] for r in records if r["fold"] == fold} for fold in (1, 2)]
    assert [len(fold) for fold in folds] == [1, 1]
    assert folds[0] != folds[1]
    assert {run.state for run in study_status(tmp_path)} == {"finished"}
    assert StudyFolder(tmp_path).references_of(2).is_file()


def test_a_task_set_is_trained_as_a_study_of_its_own(tables, tmp_path, quiet):
    """What the other labels are changes the inputs of MSLR-shaped data only by its presets."""
    small = {**tables, "methods": ["mgda"], "baselines": False}
    alone = validate(StudyConfig, small)
    within = validate(
        StudyConfig,
        {
            **small,
            "data": {**tables["data"], "tasks": ["click", "quality", "relevance"]},
            "task_sets": [["relevance", "quality"]],
        },
    )
    (a,) = sweep(alone, tmp_path / "alone", jobs=1, console=quiet)
    (b,) = sweep(within, tmp_path / "within", jobs=1, console=quiet)
    assert b.name == "relevance+quality-mgda-s42"
    for split, metrics in a.record["metrics"].items():
        for metric, values in metrics.items():
            for task, value in values.items():
                assert b.record["metrics"][split][metric][task] == value
    assert a.record["loss"] == b.record["loss"]


def test_a_score_per_task_is_of_the_tasks_that_are_trained(tables, tmp_path, quiet):
    tables["model"]["head"] = "per_task"
    tables["data"]["tasks"] = ["relevance", "quality", "click"]
    study = validate(
        StudyConfig, {**tables, "task_sets": [["click", "relevance"]], "methods": ["mgda"]}
    )
    outcomes = {o.name: o for o in sweep(study, tmp_path, jobs=1, console=quiet)}
    assert set(outcomes) == {"stl-click-s42", "stl-relevance-s42", "click+relevance-mgda-s42"}
    ranker = Ranker.load(StudyFolder(tmp_path).runs / "click+relevance-mgda-s42" / "ranker")
    assert ranker.tasks == ("click", "relevance")


def test_derived_bounds_come_from_the_baselines(tables, tmp_path, quiet):
    study = validate(StudyConfig, {**tables, "methods": ["ec"], "preferences": 2})
    outcomes = {o.name: o.record for o in sweep(study, tmp_path, jobs=1, console=quiet)}
    best, worst = (
        outcomes[f"stl-{task}-s42"]["certificate"]["training_losses"]["quality"]
        for task in ("quality", "relevance")
    )
    for share in (0.05, 0.95):
        record = outcomes[f"ec-r{share}_{round(1 - share, 2)}-s42"]
        assert record["bounds"] == {
            "rule": "payoff",
            "values": {"quality": pytest.approx(best + share * (worst - best))},
        }
        assert record["position"] == share
        assert record["label"] == "ec"


def test_a_run_whose_baseline_failed_says_so(tables, tmp_path, quiet, monkeypatch):
    def failing(config, splits, folder):
        if config.method.name == "stl":
            raise TrainingError("a loss is nan")
        return train(config, splits, folder)

    monkeypatch.setattr(module, "train", failing)
    study = validate(StudyConfig, {**tables, "methods": ["ec", "mgda"], "preferences": 1})
    errors = {o.name: o.error for o in sweep(study, tmp_path, jobs=1, console=quiet)}
    assert errors["mgda-s42"] is None
    assert "need the run stl-relevance-s42, which failed" in errors["ec-r0.5_0.5-s42"]


@pytest.mark.parametrize(("failures", "error"), [(2, None), (3, "RuntimeError: out of memory")])
def test_a_run_that_fails_is_begun_again_a_named_number_of_times(
    study, tmp_path, quiet, monkeypatch, failures, error
):
    attempts = []

    def failing(config, splits, folder):
        if config.method.name == "mgda":
            attempts.append(config)
            if len(attempts) <= failures:
                raise RuntimeError("out of memory")
        return train(config, splits, folder)

    monkeypatch.setattr(module, "train", failing)
    outcomes = {o.name: o for o in sweep(study, tmp_path, jobs=1, console=quiet)}
    assert study.retries == 2
    assert len(attempts) == 3
    assert outcomes["mgda-s42"].error == error


def test_vectors_are_added_in_the_largest_gap_and_found_again(tables, tmp_path, quiet):
    study = validate(
        StudyConfig, {**tables, "methods": ["ls"], "preferences": 3, "adaptive": 2, "seeds": [1, 2]}
    )
    outcomes = sweep(study, tmp_path, jobs=1, console=quiet)
    planned = plan(study, ("relevance", "quality"))
    added = [o for o in outcomes if o.name not in planned]
    assert len(added) in (2, 4)  # a second gap need not be there
    assert {o.record["seed"] for o in added} == {1, 2}
    first = added[0].record["method"]["preference"]
    vectors = [(0.05, 0.95), (0.5, 0.5), (0.95, 0.05)]
    middles = {((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a in vectors for b in vectors if a != b}
    assert any(first == pytest.approx(middle, abs=1e-5) for middle in middles)
    before = files(tmp_path)
    again = sweep(study, tmp_path, jobs=1, console=quiet)
    assert [o.name for o in again] == [o.name for o in outcomes]
    assert files(tmp_path) == before
    assert {run.name for run in study_status(tmp_path)} == {o.name for o in outcomes}


def test_a_folder_is_one_sweeps_and_a_run_is_one_processs(study, tmp_path, quiet, monkeypatch):
    held = StudyFolder(tmp_path)
    assert held.lock.acquire()
    with pytest.raises(ValueError, match="another sweep is at work"):
        sweep(study, tmp_path, jobs=1, console=quiet)
    held.lock.release()
    run = RunFolder(tmp_path / "run")
    monkeypatch.setattr("mtl2r_bench.runs.run_folder._PATIENCE", 1)
    with run.training("", ALONE):
        assert RunFolder(tmp_path / "run").lock.taken()
        with (
            pytest.raises(ValueError, match="another process trains"),
            RunFolder(tmp_path / "run").training("", ALONE),
        ):
            pass
    assert not run.lock.taken()


def test_places_on_gpus_go_to_the_one_with_most_left(tmp_path):
    with ExitStack() as stack:
        taken = [stack.enter_context(gpu_share(2, 2, tmp_path)) for _ in range(4)]
        assert taken == [0, 1, 0, 1]
    with gpu_share(2, 2, tmp_path) as gpu:
        assert gpu == 0
    with gpu_share(0, 1, tmp_path) as gpu:
        assert gpu is None


def test_the_table_of_a_study_says_what_runs_and_what_failed(study, tmp_path, quiet, mgda_fails):
    sweep(study, tmp_path, jobs=1, console=quiet)
    run = RunFolder(tmp_path / "runs" / "ls-r0.05_0.95-s42")
    run.record.unlink()
    console = Console(width=200, file=StringIO())
    with run.training(run.config.read_text(), ALONE):
        console.print(status_table(study_status(tmp_path), 2))
    text = console.file.getvalue()
    assert re.search(r"ls-r0.05_0.95-s42 .*running .*3/3 .*relevance \d", text)
    assert re.search(r"mgda-s42 .*failed .*TrainingError: a loss is nan", text)
    assert "3 finished, 1 running, 1 failed of 5 runs" in text


def test_a_choice_is_made_within_a_task_set(pairs, tmp_path, quiet):
    sweep(pairs, tmp_path, jobs=1, console=quiet)
    found = choose(tmp_path, {"relevance": 0.7, "click": 0.3})
    assert found.tasks == ("relevance", "click")
    assert (found.result.fold, found.candidates) == (1, 3)  # two baselines among them
    assert choose(tmp_path, {"relevance": 0.7, "click": 0.3}, fold=2).result.fold == 2
    with pytest.raises(ValueError, match="in fold 4; folds with one: 1, 2"):
        choose(tmp_path, {"relevance": 0.7, "click": 0.3}, fold=4)
    assert choose(tmp_path, tasks=["click", "quality"]).tasks == ("quality", "click")
    with pytest.raises(ValueError, match=r"several task sets fit.*relevance,quality; relevance,cl"):
        choose(tmp_path, {"relevance": 1.0})
    with pytest.raises(ValueError, match=r"`tasks` must be one of .*got \['click'\]"):
        choose(tmp_path, tasks=["click"])
