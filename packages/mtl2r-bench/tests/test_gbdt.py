"""Boosted trees: how labels become one, when boosting stops, and that their runs are runs."""

import json
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr_data import write_svmrank
from ltr_data.datasets import synthetic
from ltr_losses import listnet_loss
from mtl2r_bench.analysis.select import choose
from mtl2r_bench.config import EvaluationConfig, GBDTConfig, StudyConfig, validate
from mtl2r_bench.data.splits import load_splits
from mtl2r_bench.distributed import ALONE
from mtl2r_bench.evaluation.evaluate import evaluate
from mtl2r_bench.evaluation.predict import load_ranker, predict
from mtl2r_bench.navigate import open_run
from mtl2r_bench.progress import TreeProgress
from mtl2r_bench.report import write_report
from mtl2r_bench.study.plan import plan
from mtl2r_bench.study.sweep import sweep
from mtl2r_bench.training.boosting import Boosting, aggregated_gains
from mtl2r_bench.training.build import build_loss
from mtl2r_bench.training.distillation import training_data
from mtl2r_bench.training.epoch import Engine
from mtl2r_bench.training.learners import estimate
from mtl2r_bench.training.run import train
from mtl2r_bench.training.start import initial_state

lightgbm = pytest.importorskip("lightgbm", reason="needs mtl2r-bench[gbdt]")

SMALL = {"rounds": 30, "patience": 10, "min_documents": 5, "num_leaves": 4}
labels_of_two = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=20
).map(lambda rows: np.array(rows, dtype=np.float32).T)


@given(labels=labels_of_two, weight=st.floats(0, 1), gain=st.sampled_from(["exp2", "linear"]))
def test_the_scalarised_gain_is_the_weighted_sum_of_the_tasks(labels, weight, gain):
    def gains(preference):
        return aggregated_gains(labels, preference, gain=gain, aggregation="scalarised", seed=0)

    first, second = gains((1.0, 0.0)), gains((0.0, 1.0))
    np.testing.assert_allclose(
        gains((weight, 1 - weight)), weight * first + (1 - weight) * second, atol=1e-12
    )
    for task, alone in enumerate((first, second)):
        raw = 2.0 ** labels[task] - 1 if gain == "exp2" else labels[task]
        np.testing.assert_allclose(alone * max(raw.max(), 1e-9), raw, atol=1e-6)
        assert 0 <= alone.min() <= alone.max() <= 1


def test_stochastic_gains_are_one_tasks_each_and_the_scalarised_in_expectation():
    labels = np.array([[4, 0, 2], [0, 3, 1]], dtype=np.float32)
    many = np.tile(labels, 20_000)
    drawn = aggregated_gains(many, (0.3, 0.7), gain="exp2", aggregation="stochastic", seed=1)
    first, second = (
        aggregated_gains(many, one, gain="exp2", aggregation="scalarised", seed=0)
        for one in ((1.0, 0.0), (0.0, 1.0))
    )
    assert ((drawn == first) | (drawn == second)).all()
    expected = aggregated_gains(labels, (0.3, 0.7), gain="exp2", aggregation="scalarised", seed=0)
    np.testing.assert_allclose(drawn.reshape(-1, 3).mean(0), expected, atol=0.02)
    again = aggregated_gains(many, (0.3, 0.7), gain="exp2", aggregation="stochastic", seed=2)
    assert (drawn != again).any()


@pytest.mark.parametrize("preference", [(0.5, 0.6), (1.5, -0.5), (1.0,)])
def test_a_bad_preference_is_named(preference):
    with pytest.raises(
        ValueError, match="`preference` must be 2 non-negative weights that sum to 1"
    ):
        aggregated_gains(
            np.zeros((2, 3), np.float32), preference, gain="exp2", aggregation="scalarised", seed=0
        )


def fitted(splits, weights=(1.0, 0.0), **options):
    boosting = Boosting(GBDTConfig(**{**SMALL, **options}), EvaluationConfig(), seed=3)
    return boosting.fit(
        splits.train, splits.validation, preference=(0.5, 0.5), weights=np.array(weights)
    )


def test_boosting_stops_at_the_best_validation_metric(splits):
    trees = fitted(splits)
    config = EvaluationConfig()

    def value(count):
        def score(batch):
            scores = trees(batch)
            predicted = trees.booster.predict(
                batch.features[batch.mask].numpy(), num_iteration=count
            )
            scores[batch.mask] = scores.new_tensor(predicted)
            return scores

        return evaluate(score, splits.validation, config).at(10)[0]

    values = [value(count) for count in range(1, trees.booster.current_iteration() + 1)]
    assert values[trees.count - 1] == max(values)
    assert len(set(values)) > 1
    assert evaluate(trees, splits.validation, config).at(10)[0] == max(values)


def test_trees_repeat_and_count_their_numbers(splits):
    first, second = fitted(splits), fitted(splits)
    np.testing.assert_array_equal(first.predict(splits.test), second.predict(splits.test))
    kept = lightgbm.Booster(model_str=first.text)
    assert kept.current_iteration() == first.count
    assert first.parameters <= first.count * (3 * SMALL["num_leaves"] - 2)


def test_a_run_of_trees_has_the_files_of_a_run(run_config, splits, tmp_path):
    config = run_config("gbdt_ls", preference=(0.3, 0.7), options=SMALL)
    record = train(config, splits, tmp_path / "run")
    stored = json.loads((tmp_path / "run" / "record.json").read_text())
    network = train(run_config("ls", preference=(0.3, 0.7)), splits, tmp_path / "network")
    assert stored == record
    missing = set(network) - set(record)
    assert missing <= {"certificate", "bounds", "added"}
    assert record["loss"] == {}
    assert record["position"] == network["position"] == 0.3
    assert record["metrics"].keys() == network["metrics"].keys()
    ours = pq.read_table(tmp_path / "run" / "queries.parquet")
    theirs = pq.read_table(tmp_path / "network" / "queries.parquet")
    assert ours.drop(["value"]) == theirs.drop(["value"])
    kept = lightgbm.Booster(model_file=tmp_path / "run" / "trees.txt")
    assert kept.current_iteration() == record["epoch"]
    (tmp_path / "run" / "trees.txt").unlink()
    assert train(config, splits, tmp_path / "run") == record  # nothing is done again
    assert not (tmp_path / "run" / "trees.txt").exists()


def test_trees_follow_the_preference(run_config, tables, tmp_path):
    tables["data"]["synthetic"] |= {"train_queries": 80, "mean_length": 20}
    splits = load_splits(validate(StudyConfig, tables).data, EvaluationConfig())
    found = []
    for preference in ((1.0, 0.0), (0.0, 1.0)):
        config = run_config("gbdt_sla", preference=preference, options=SMALL)
        record = train(config, splits, tmp_path / str(preference[0]))
        found.append(record["metrics"]["validation"]["ndcg@10"])
    assert found[0]["relevance"] > found[1]["relevance"]
    assert found[0]["quality"] < found[1]["quality"]


def test_a_study_lists_trees_beside_networks(tables, tmp_path):
    methods = ["ls", {"name": "gbdt_ls", "options": SMALL}]
    study = validate(StudyConfig, {**tables, "methods": methods, "preferences": 2})
    outcomes = sweep(study, tmp_path, jobs=1)
    assert all(outcome.error is None for outcome in outcomes)
    assert sum("gbdt_ls" in outcome.name for outcome in outcomes) == 2
    choice = choose(tmp_path, prefer={"relevance": 1.0})
    assert choice.candidates == len(outcomes)
    write_report(tmp_path, resamples=20)
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert any(line.startswith("| gbdt_ls") for line in report.splitlines())


def test_chosen_trees_are_exported(tables, tmp_path):
    methods = [{"name": "gbdt_ls", "options": SMALL}]
    study = {**tables, "methods": methods, "preferences": 2, "baselines": False}
    sweep(validate(StudyConfig, study), tmp_path / "study", jobs=1)
    choose(tmp_path / "study").export(tmp_path / "out")
    assert lightgbm.Booster(model_file=tmp_path / "out" / "trees.txt").num_trees() > 0


def test_trees_score_a_file_by_its_columns(run_config, splits, tmp_path):
    train(run_config("gbdt_ls", preference=(0.3, 0.7), options=SMALL), splits, tmp_path / "run")
    table = synthetic.generate(12, seed=5, mean_length=6)
    write_svmrank(tmp_path / "data.txt", table)
    count = predict(tmp_path / "run", tmp_path / "data.txt", tmp_path / "scores")
    columns = [table.feature_ids.index(number) for number in splits.train.feature_ids]
    booster = lightgbm.Booster(model_file=tmp_path / "run" / "trees.txt")
    assert booster.feature_name() == [f"feature_{number}" for number in splits.train.feature_ids]
    expected = booster.predict(table.features[:, columns])
    assert count == len(expected)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "scores"), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="`task` must be left out: trees have one score"):
        predict(tmp_path / "run", tmp_path / "data.txt", tmp_path / "scores", task="quality")


def test_what_trees_cannot_do_is_said_with_what_they_can(run_config, splits, tmp_path):
    run = tmp_path / "run"
    train(run_config("gbdt_ls", preference=(0.3, 0.7), options=SMALL), splits, run)
    with pytest.raises(ValueError, match=r"boosted trees.*lightgbm\.Booster.*`predict`"):
        load_ranker(run)
    with pytest.raises(ValueError, match=r"boosted trees.*network's run; `predict`"):
        open_run(run)
    text = (run / "trees.txt").read_text()
    (run / "trees.txt").write_text(text.replace("feature_names=feature_", "feature_names=Column_"))
    with pytest.raises(ValueError, match=r"do not say which columns.*found Column_"):
        predict(run, tmp_path, tmp_path / "scores")
    (run / "trees.txt").write_text("nothing")
    with pytest.raises(ValueError, match=r"trees\.txt: damaged"):
        predict(run, tmp_path, tmp_path / "scores")


def test_with_one_task_trees_are_trained_once_per_seed(tables):
    tables["data"]["tasks"] = ["relevance"]
    study = validate(StudyConfig, {**tables, "methods": ["ls", "gbdt_ls"], "seeds": [0, 1]})
    assert list(plan(study, ("relevance",))) == [
        "stl-relevance-s0",
        "gbdt_ls-r1-s0",
        "stl-relevance-s1",
        "gbdt_ls-r1-s1",
    ]


def test_the_estimate_of_a_distilled_training_has_whole_teachers(run_config, splits):
    plain = estimate(run_config("ls", preference=(0.5, 0.5)), splits)
    trees = {"rounds": 100_000, "num_leaves": 4}
    settings = {"distillation": {**DISTILLATION, "trees": trees}}
    distilled = estimate(run_config("ls", preference=(0.5, 0.5), train=settings), splits)
    assert distilled.seconds > 10 * plain.seconds


def test_trees_are_estimated(run_config, splits):
    found = estimate(run_config("gbdt_ls", preference=(0.5, 0.5), options=SMALL), splits)
    # The first tree waits for the features to be binned.
    assert found.seconds > 29 * found.step_seconds > 0


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"name": "gbdt_ls", "options": {"leaves": 3}}, "unknown key `leaves`; did you mean"),
        ({"name": "gbdt_lss"}, "unknown method 'gbdt_lss'; did you mean 'gbdt_ls'"),
    ],
)
def test_mistakes_end_a_study_before_it_begins(tables, method, message):
    study = validate(StudyConfig, {**tables, "methods": [method], "preferences": 2})
    with pytest.raises(ValueError, match=message):
        plan(study, ("relevance", "quality"))


def test_without_lightgbm_the_message_says_how_to_install_it(tables, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    study = validate(StudyConfig, {**tables, "methods": ["gbdt_ls"], "preferences": 2})
    with pytest.raises(ImportError, match=r'pip install "mtl2r-bench\[gbdt\]"'):
        plan(study, ("relevance", "quality"))


DISTILLATION = {"weight": 0.25, "temperature": 2.0, "trees": SMALL}


def test_the_teachers_scores_are_further_labels(run_config, splits):
    config = run_config("ls", preference=(0.5, 0.5), train={"distillation": DISTILLATION})
    learned = training_data(config, splits, [1, 0])
    assert learned.tasks[2:] == ("quality (teacher)", "relevance (teacher)")
    np.testing.assert_array_equal(learned.labels[:2], splits.train.labels)
    teacher = Boosting(GBDTConfig(**SMALL), config.evaluation, config.seed).fit(
        splits.train, splits.validation, preference=(0.0, 1.0), weights=np.array([0.0, 1.0])
    )
    scores = teacher.predict(splits.train)
    assert np.corrcoef(scores, learned.labels[2])[0, 1] == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(learned.labels[2:].std(axis=1), 1 / 2.0, rtol=1e-5)
    np.testing.assert_allclose(learned.labels[2:].mean(axis=1), 0.0, atol=1e-5)


def test_without_a_teacher_the_training_lists_are_those_of_the_data(run_config, splits):
    assert training_data(run_config("mgda"), splits, [0, 1]) is splits.train


@pytest.mark.parametrize("head", ["shared", "per_task"])
def test_the_loss_is_between_that_of_the_labels_and_that_of_the_teacher(run_config, splits, head):
    plain = run_config("mgda", train={"distillation": DISTILLATION})
    config = plain.model_copy(
        update={"model": plain.model.model_copy(update={"head": head, "dropout": 0.0})}
    )
    learned = training_data(config, splits, [0, 1])
    state = initial_state(config, splits, [0, 1], ALONE, learned)
    engine = Engine(config, learned, state, build_loss(config.loss), [0, 1])
    batch = learned.batch([0, 3, 5])
    losses, scores = engine.losses(batch)
    hard = build_loss(config.loss)(scores, batch.labels[:2], mask=batch.mask)
    soft = listnet_loss(scores, batch.labels[2:], mask=batch.mask)
    np.testing.assert_allclose(losses.detach(), (0.75 * hard + 0.25 * soft).detach(), rtol=1e-5)


def test_a_distilled_run_is_a_run(run_config, splits, tmp_path):
    config = run_config("ls", preference=(0.5, 0.5), train={"distillation": DISTILLATION})
    record = train(config, splits, tmp_path)
    assert list(record["loss"]) == ["relevance", "quality"]
    assert record["data"] == splits.checksums


@pytest.mark.parametrize("method", ["ls", "conditioned"])
def test_a_finished_training_needs_no_teacher(method, run_config, splits, tmp_path, monkeypatch):
    config = run_config(method, preference=(0.5, 0.5), train={"distillation": DISTILLATION})
    taught = []

    fit_one_task = Boosting.fit_one_task

    def teach(*arguments, **options):
        taught.append(arguments[3])
        return fit_one_task(*arguments, **options)

    monkeypatch.setattr(Boosting, "fit_one_task", teach)
    record = train(config, splits, tmp_path / "run")
    assert train(config, splits, tmp_path / "run") == record
    if method == "conditioned":  # another run of the same training
        other = config.method.model_copy(update={"preference": (0.2, 0.8)})
        train(config.model_copy(update={"method": other}), splits, tmp_path / "other")
    assert taught == [0, 1]


def test_every_tree_of_a_teacher_is_told(run_config, splits, tmp_path):
    config = run_config("ls", preference=(0.5, 0.5), train={"distillation": DISTILLATION})
    told = []
    train(config, splits, tmp_path, told.append)
    trees = [at for at in told if isinstance(at, TreeProgress)]
    for task in splits.tasks:
        own = [at for at in trees if at.what == f"teacher of {task}"]
        assert [at.tree for at in own] == list(range(1, len(own) + 1))
        assert all(at.metric == "ndcg@10" and 0 < at.value <= 1 for at in own)
    assert len(trees) > 2
    assert told[: len(trees)] == trees  # the teachers come first
