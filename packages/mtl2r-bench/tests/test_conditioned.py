"""A conditioned ranker in a study: one training for all preferences, and a run for each."""

import json
import shutil

import pytest

from mtl2r_bench.config import EvaluationConfig, StudyConfig, validate
from mtl2r_bench.data.splits import load_splits
from mtl2r_bench.navigate import open_run
from mtl2r_bench.report import write_report
from mtl2r_bench.runs.study_folder import StudyFolder
from mtl2r_bench.study.plan import plan
from mtl2r_bench.study.status import seconds_left, study_status
from mtl2r_bench.study.sweep import sweep
from mtl2r_bench.training.learners import trainings
from mtl2r_bench.training.run import train
from mtl2r_models import ListTransformer, PreferenceConditioned, Ranker


def weights(folder):
    return (folder / "ranker" / "model.safetensors").read_bytes()


def shared(runs):
    (found,) = runs.glob("conditioned-" + "[0-9a-f]" * 12)
    return found


def test_the_runs_of_all_preferences_are_one_training(run_config, splits, tmp_path):
    records = []
    for first in (0.2, 0.5, 0.8):
        config = run_config("conditioned", preference=(first, 1 - first))
        records.append(train(config, splits, tmp_path / f"r{first}"))
        stored = json.loads((tmp_path / f"r{first}" / "record.json").read_text())
        assert stored == records[-1]
        ranker = Ranker.load(tmp_path / f"r{first}" / "ranker")
        assert isinstance(ranker.model, ListTransformer)
        whole = Ranker.load(shared(tmp_path) / "ranker")
        assert isinstance(whole.model, PreferenceConditioned)
        assert weights(shared(tmp_path)) == weights(shared(tmp_path))
        trunk = whole.model.at((first, 1 - first)).state_dict()
        assert all(trunk[name].equal(value) for name, value in ranker.model.state_dict().items())
    assert len((shared(tmp_path) / "log.jsonl").read_text().splitlines()) == 3
    assert [record["position"] for record in records] == [0.2, 0.5, 0.8]
    assert len({json.dumps(record["metrics"]) for record in records}) > 1
    assert len({record["parameters"] for record in records}) == 1
    assert not (shared(tmp_path) / "record.json").exists()


def test_a_seed_and_other_options_are_trainings_of_their_own(run_config, splits, tmp_path):
    for seed, options in ((0, {}), (1, {}), (0, {"rank": 0, "passes": 2})):
        config = run_config("conditioned", preference=(0.5, 0.5), seed=seed, options=options)
        train(config, splits, tmp_path / f"run{seed}{len(options)}")
    found = sorted(
        len((path / "log.jsonl").read_text().splitlines())
        for path in tmp_path.glob("conditioned-*")
    )
    assert found == [3, 3, 6]


@pytest.mark.parametrize("seconds", [0.0, 300.0], ids=["from the batch", "from the epoch"])
def test_an_interrupted_training_goes_on_to_the_same_ranker(run_config, splits, tmp_path, seconds):
    config = run_config(
        "conditioned", preference=(0.3, 0.7), train={"checkpoint_seconds": seconds, "ema": 0.9}
    )
    train(config, splits, tmp_path / "whole" / "run")

    def stop(progress):
        if progress.epoch == 2 and progress.batch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, splits, tmp_path / "parts" / "run", stop)
    seen = []
    train(config, splits, tmp_path / "parts" / "run", lambda p: seen.append((p.epoch, p.batch)))
    assert seen[0] == ((2, 3) if seconds == 0.0 else (2, 1))
    assert weights(tmp_path / "whole" / "run") == weights(tmp_path / "parts" / "run")


def test_the_status_shows_the_training_that_runs_share(tables, tmp_path):
    method = {"name": "conditioned", "options": {"passes": 2}}
    study = validate(
        StudyConfig, {**tables, "methods": [method], "preferences": 3, "baselines": False}
    )
    sweep(study, tmp_path, jobs=1)
    runs = study_status(tmp_path)
    assert {(run.state, run.epoch, run.epochs) for run in runs} == {("finished", 6, 6)}
    folder = StudyFolder(tmp_path)
    for run in runs:
        shutil.rmtree(folder.runs / run.name)
    log = shared(folder.runs) / "log.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:4]))
    runs = study_status(tmp_path)
    assert {(run.state, run.epoch, run.epochs) for run in runs} == {("waiting", 4, 6)}
    assert seconds_left(runs, jobs=1) == pytest.approx(2 * runs[0].seconds / 4)


def test_the_card_says_what_the_ranker_was_trained_on(run_config, splits, tmp_path):
    config = run_config("conditioned", preference=(0.3, 0.7))
    record = train(config, splits, tmp_path / "run")
    metadata = Ranker.load(tmp_path / "run" / "ranker").metadata
    assert metadata["training"]["method"]["preference"] == [0.3, 0.7]
    assert metadata["training"]["columns"] == splits.width
    assert metadata["metrics"]["ndcg@10, test"] == record["metrics"]["test"]["ndcg@10"]


def test_it_follows_the_preference(run_config, tables, tmp_path):
    tables["data"]["synthetic"] |= {"train_queries": 60, "mean_length": 16}
    splits = load_splits(validate(StudyConfig, tables).data, EvaluationConfig())
    losses = []
    for first in (0.05, 0.5, 0.95):
        config = run_config(
            "conditioned",
            preference=(first, 1 - first),
            options={"passes": 5},
            train={"learning_rate": 0.01},
        )
        record = train(config, splits, tmp_path / f"r{first}")
        losses.append(record["certificate"]["losses"])
    relevance = [loss["relevance"] for loss in losses]
    quality = [loss["quality"] for loss in losses]
    assert relevance == sorted(relevance, reverse=True)
    assert quality == sorted(quality)


def test_a_study_reports_it_as_one_more_method(tables, tmp_path):
    study = validate(StudyConfig, {**tables, "methods": ["conditioned"], "preferences": 3})
    outcomes = sweep(study, tmp_path, jobs=1)
    assert all(outcome.error is None for outcome in outcomes)
    write_report(tmp_path, resamples=20)
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert any(line.startswith("| conditioned | 3 |") for line in report.splitlines())
    weights = report.partition("The weight of relevance")[2].partition("\n#")[0]
    assert not any(line.startswith("| conditioned") for line in weights.splitlines())
    left_out = "conditioned is left out: it is trained at preferences that are drawn for every step"
    assert left_out in weights
    runs = StudyFolder(tmp_path).runs
    with pytest.raises(FileNotFoundError, match=r"share, no run itself.*conditioned-r0"):
        open_run(shared(runs))


def test_preferences_that_share_a_training_are_counted_once_a_seed(tables):
    methods = [{"name": "conditioned", "options": {"passes": 2}}, "ls"]
    tables |= {"methods": methods, "preferences": 5, "seeds": [0, 1, 2]}
    runs = plan(validate(StudyConfig, tables), ("relevance", "quality"))
    kinds = {
        method: {name: run for name, run in runs.items() if run.method.name == method}
        for method in ("conditioned", "ls")
    }
    assert {name: len(found) for name, found in kinds.items()} == {"conditioned": 15, "ls": 15}
    assert trainings(kinds["conditioned"]) == 3 * 2
    assert trainings(kinds["ls"]) == 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"passes": 0}, "`passes` must be at least 1, got 0"),
        ({"rank": -1}, "`rank` must be at least 0, got -1"),
        ({"width": 3}, "unknown option 'width' of method 'conditioned'"),
    ],
)
def test_mistakes_end_a_study_before_it_begins(tables, options, message):
    method = {"name": "conditioned", "options": options}
    study = validate(StudyConfig, {**tables, "methods": [method], "preferences": 2})
    with pytest.raises(ValueError, match=message):
        plan(study, ("relevance", "quality"))
