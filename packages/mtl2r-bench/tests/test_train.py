"""One training: what it computes, that it repeats, and that it survives."""

import contextlib
import dataclasses
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from ltr_data import BucketBatchSampler, LabelSpec, RankingDataset, batches
from ltr_data.datasets import resolve_tasks, synthetic
from mtl2r_bench.config import LossConfig, RunConfig, to_toml, validate
from mtl2r_bench.data.splits import Splits
from mtl2r_bench.distributed import ALONE, ProcessGroup
from mtl2r_bench.runs.files import DamagedError
from mtl2r_bench.runs.run_folder import RunFolder
from mtl2r_bench.table import METHODS as METHOD_TABLE
from mtl2r_bench.training.build import build_loss
from mtl2r_bench.training.epoch import Engine, TrainingError
from mtl2r_bench.training.learners import learner_of, network
from mtl2r_bench.training.run import train
from mtl2r_bench.training.start import initial_state
from mtl2r_models import ARCHITECTURES as NETWORKS
from mtl2r_models import ListTransformer, Ranker
from mtl2r_models.cpu import _attention as attention_kernels
from mtl2r_models.cpu import _products as products
from mtl_optim import MGDA, backward


def weights(folder):
    return (folder / "ranker" / "model.safetensors").read_bytes()


def timeless(record):
    return {key: value for key, value in record.items() if key not in ("seconds", "environment")}


METHOD_NAMES = [name for name, row in METHOD_TABLE.items() if row.has_network]

# Without state, with a generator, with held weights, with a second look, with learned parameters,
# with two batches, with epochs, with tracked gradients; and a single task.
METHODS = [
    ("ls", {"preference": (0.3, 0.7)}),
    ("mgda", {}),
    ("pcgrad", {}),
    ("nashmtl", {"options": {"update_every": 2}}),
    ("famo", {}),
    ("uw", {}),
    ("sdmgrad", {}),
    ("dwa", {}),
    ("graddrop", {}),
    ("moco", {}),
    ("stl", {"task": "quality"}),
]


@pytest.mark.parametrize(("name", "options"), METHODS)
def test_same_seed_same_weights_bit_for_bit(run_config, splits, tmp_path, name, options):
    config = run_config(name, **options)
    first = train(config, splits, tmp_path / "a")
    second = train(config, splits, tmp_path / "b")
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert timeless(first) == timeless(second)


def test_another_seed_gives_other_weights(run_config, splits, tmp_path):
    train(run_config("mgda", seed=0), splits, tmp_path / "a")
    train(run_config("mgda", seed=1), splits, tmp_path / "b")
    assert weights(tmp_path / "a") != weights(tmp_path / "b")


class KilledError(Exception):
    pass


@pytest.mark.parametrize(("name", "options"), METHODS)
@pytest.mark.parametrize("after", [1, 5])
def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(
    run_config, splits, tmp_path, name, options, after
):
    config = run_config(name, **options)
    expected = train(config, splits, tmp_path / "whole")
    steps = 0

    def kill(_):
        nonlocal steps
        steps += 1
        if steps == after:
            raise KilledError

    with pytest.raises(KilledError):
        train(config, splits, tmp_path / "cut", kill)
    torch.rand(7)  # whatever the process drew meanwhile
    resumed = train(config, splits, tmp_path / "cut")
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert timeless(resumed) == timeless(expected)
    log = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2, 3]


def test_a_log_line_cut_short_by_a_kill_is_dropped(run_config, splits, tmp_path):
    config = run_config("mgda")
    expected = train(config, splits, tmp_path / "whole")
    steps = iter(range(100))

    def kill(_):
        if next(steps) == 4:
            raise KilledError

    with pytest.raises(KilledError):
        train(config, splits, tmp_path / "cut", kill)
    with (tmp_path / "cut" / "log.jsonl").open("a") as log:
        log.write('{"epoch": 2, "lo')
    assert timeless(train(config, splits, tmp_path / "cut")) == timeless(expected)


def test_kill_minus_nine(run_config, splits, tmp_path):
    config = run_config("pcgrad", train={"epochs": 40})
    (tmp_path / "run.toml").write_text(to_toml(config))
    command = [sys.executable, "-m", "mtl2r_bench", "train", str(tmp_path / "run.toml")]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "cut")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    log = tmp_path / "cut" / "log.jsonl"
    deadline = time.monotonic() + 60
    while not (log.is_file() and log.read_bytes().count(b"\n") >= 2):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = train(config, splits, tmp_path / "cut")
    expected = train(config, splits, tmp_path / "whole")
    assert timeless(resumed) == timeless(expected)
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")


@pytest.mark.parametrize(
    ("name", "options", "settings"),
    [
        ("mgda", {}, {"ema": 0.9, "schedule": "cosine", "warmup": 1.5}),
        ("sdmgrad", {}, {"optimizer": "sgd", "max_tokens": 60}),
        ("famo", {}, {"precision": "bfloat16", "list_length": 6}),
        ("ls", {"preference": (0.3, 0.7)}, {"optimizer": "adamw", "weight_decay": 0.1}),
        ("dwa", {}, {"static_shapes": 2}),
    ],
)
def test_a_kill_within_an_epoch_loses_no_step(
    run_config, splits, tmp_path, monkeypatch, name, options, settings
):
    """Every process of this chain dies after its second step, which is in its checkpoint."""
    config = run_config(name, train={"checkpoint_seconds": 0, **settings}, **options)
    expected = train(config, splits, tmp_path / "whole")
    seen = []

    def kill(progress):
        seen.append((progress.epoch, progress.batch))
        if len(seen) % 2 == 0:
            raise KilledError

    resumed = None
    while resumed is None:
        torch.rand(7)
        with contextlib.suppress(KilledError):
            resumed = train(config, splits, tmp_path / "cut", kill)
    assert len(set(seen)) == len(seen)
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert {**timeless(resumed), "loss": None} == {**timeless(expected), "loss": None}
    assert resumed["loss"] == pytest.approx(expected["loss"], rel=1e-12)


@pytest.mark.parametrize("name", ["ls", "conditioned"])
def test_the_time_before_a_kill_counts(run_config, splits, tmp_path, monkeypatch, name):
    config = run_config(name, preference=(0.5, 0.5), train={"checkpoint_seconds": 0})

    def kill(progress):
        if progress.batch == 2:
            raise KilledError

    now = itertools.count(step=100.0)
    monkeypatch.setattr("mtl2r_bench.training.epoch.time.perf_counter", lambda: next(now))
    with pytest.raises(KilledError):
        train(config, splits, tmp_path, kill)
    monkeypatch.undo()
    assert train(config, splits, tmp_path)["seconds"] > 200  # two steps of 100 and more


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
def test_nor_does_a_kill_where_products_are_large(run_config, splits, tmp_path, monkeypatch):
    monkeypatch.setattr(products, "_ONEDNN", True)
    monkeypatch.setattr(products, "_LEAST", 0)
    test_a_kill_within_an_epoch_loses_no_step(
        run_config, splits, tmp_path, monkeypatch, "mgda", {}, {}
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "bfloat16"},
        {"precision": "float16"},
        pytest.param({"compile": True}, marks=pytest.mark.slow),  # a minute of compilation
    ],
)
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.filterwarnings(
    "ignore:.*should not be instantiated:DeprecationWarning"
)  # the compiler
@pytest.mark.parametrize("route", ["exact", "features"])
def test_precision_and_compilation_change_little(
    run_config, tables, splits, tmp_path, settings, route
):
    tables["model"]["dropout"] = 0.0  # each way draws its own noise
    plain = {"epochs": 2, "route": route, "optimizer": "sgd"}
    expected = train(run_config("mgda", train=plain), splits, tmp_path / "plain")
    found = train(run_config("mgda", train=plain | settings), splits, tmp_path / "other")
    for task, value in expected["loss"].items():
        exact = 1e-4 if "compile" in settings else 0.05
        assert found["loss"][task] == pytest.approx(value, rel=exact)


@pytest.mark.parametrize("route", ["exact", "features"])
@pytest.mark.parametrize(
    "model",
    [
        {"head": "per_task"},
        {"architecture": "mlp", "hidden": [8], "head": "per_task"},
        {"architecture": "mlp", "hidden": [8]},
        {"positions": "learned", "norm": "post"},
    ],
)
def test_every_architecture_trains(run_config, tables, splits, tmp_path, model, route):
    if "architecture" in model:
        tables["model"] = model
    else:
        tables["model"].update(model)
    if route == "features" and model.get("head") == "per_task":
        with pytest.raises(ValueError, match=r"`train.route` must be 'exact' where `model.head`"):
            run_config("mgda", train={"route": route})
        return
    for name, options in (("mgda", {}), ("stl", {"task": "quality"})):
        config = run_config(name, train={"epochs": 1, "route": route}, **options)
        record = train(config, splits, tmp_path / name)
        assert record["metrics"]["test"]["ndcg@10"].keys() == {"relevance", "quality"}
        assert type(Ranker.load(tmp_path / name / "ranker").model) in NETWORKS.values()


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_every_method_trains(run_config, splits, tmp_path, name):
    preference = (0.3, 0.7) if METHOD_TABLE[name].takes_preference else None
    options = {"bounds": {"quality": 5.0}} if name == "ec" else {}
    task = "quality" if METHOD_TABLE[name].is_baseline else None
    config = run_config(
        name, preference=preference, options=options, task=task, train={"epochs": 2}
    )
    record = train(config, splits, tmp_path / "run")
    assert all(np.isfinite(value) for value in record["loss"].values())


@pytest.mark.parametrize("name", ["famo", "uw", "dwa", "nashmtl", "rlw"])
def test_adaptive_methods_adapt(run_config, splits, tmp_path, name):
    """Peers have been seen to leave these at their start."""
    train(run_config(name, train={"epochs": 4, "learning_rate": 0.01}), splits, tmp_path / "run")
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    shares = [
        line["weight"]["quality"] / (line["weight"]["quality"] + line["weight"]["relevance"])
        for line in log
    ]
    assert max(shares) - min(shares) > 1e-4


def test_a_finished_run_is_not_done_again(run_config, splits, tmp_path, monkeypatch):
    config = run_config("mgda")
    record = train(config, splits, tmp_path / "run")
    monkeypatch.setattr(Engine, "run_epoch", None)
    assert train(config, splits, tmp_path / "run") == record


def test_a_folder_of_another_config_is_refused(run_config, splits, tmp_path):
    train(run_config("mgda"), splits, tmp_path / "run")
    other = r"holds a run of another config \(method\.name = 'mgda' there, 'pcgrad' here\)"
    with pytest.raises(ValueError, match=other):
        train(run_config("pcgrad"), splits, tmp_path / "run")
    config = tmp_path / "run" / "config.toml"
    config.write_text("# a word of the user's\n" + config.read_text())
    train(run_config("mgda"), splits, tmp_path / "run")
    config.write_bytes(b"\xff")
    with pytest.raises(DamagedError, match=r"config\.toml: damaged: "):
        train(run_config("mgda"), splits, tmp_path / "run")


def test_one_forward_per_batch_whatever_the_tasks(run_config, splits, tmp_path, monkeypatch):
    calls = []
    forward = ListTransformer.forward

    def counted(self, features, mask=None):
        if self.training:
            calls.append(len(features))
        return forward(self, features, mask)

    monkeypatch.setattr(ListTransformer, "forward", counted)
    # That of the trained ranker is no training.
    monkeypatch.setattr(network, "certificate", lambda *_: None)
    config = run_config("mgda")
    train(config, splits, tmp_path / "run")
    per_epoch = len(BucketBatchSampler(splits.train.lengths, batch_size=8))
    assert len(calls) == config.train.epochs * per_epoch
    assert sum(calls) == config.train.epochs * len(splits.train)


@pytest.mark.parametrize(("name", "passes"), [("ls", 1), ("mgda", 2)])
def test_as_many_backward_passes_as_gradients_are_needed(
    run_config, splits, tmp_path, monkeypatch, name, passes
):
    calls = []
    backward_pass = attention_kernels._Dropped.backward

    def counted(ctx, grad):
        calls.append(None)
        return backward_pass(ctx, grad)

    monkeypatch.setattr(attention_kernels._Dropped, "backward", counted)
    monkeypatch.setattr(network, "certificate", lambda *_: None)
    options = {"preference": (0.3, 0.7)} if name == "ls" else {}
    config = run_config(name, train={"epochs": 1}, **options)
    train(config, splits, tmp_path / "run")
    steps = len(BucketBatchSampler(splits.train.lengths, batch_size=8))
    assert len(calls) == passes * config.model.layers * steps


def test_single_task_training_computes_one_loss(run_config, splits, tmp_path):
    record = train(run_config("stl", task="quality"), splits, tmp_path / "run")
    assert list(record["loss"]) == ["quality"]
    assert list(record["metrics"]["test"]["ndcg@10"]) == ["relevance", "quality"]


def with_tasks(order):
    tables = synthetic.splits((24, 10, 10), seed=0, mean_length=8)
    specs = resolve_tasks(order, range(1, 137))
    made = {name: RankingDataset.from_table(table, specs) for name, table in tables.items()}
    return Splits(made["train"], made["vali"], made["test"], None, "test")


@pytest.mark.parametrize("name", ["mgda", "nashmtl"])
def test_the_order_of_the_tasks_does_not_matter(run_config, tmp_path, name):
    order = ("relevance", "quality", "click")
    for folder, tasks in (("a", order), ("b", order[::-1])):
        train(run_config(name, train={"epochs": 1}), with_tasks(tasks), tmp_path / folder)
    # Not the weights: a key's bias has no effect, and Adam walks along its gradient's rounding.
    documents = with_tasks(order).test.features
    one, two = (Ranker.load(tmp_path / folder / "ranker").scores(documents) for folder in "ab")
    assert float((one - two).abs().max()) < 0.02 * float(one.std())


def test_two_tasks_with_the_same_labels_agree(splits):
    twice = dataclasses.replace(
        splits.train,
        labels=splits.train.labels[[0, 0]],
        label_specs=(LabelSpec("one"), LabelSpec("two")),
    )
    torch.manual_seed(0)
    model = ListTransformer(132, hidden=8, layers=1, heads=2, dropout=0.3)
    batch = next(iter(batches(twice, BucketBatchSampler(twice.lengths, batch_size=8))))
    loss = build_loss(LossConfig())
    losses = loss(model(batch.features, batch.mask), batch.labels, mask=batch.mask)
    step = backward(losses, MGDA(), shared=list(model.shared_parameters()))
    assert float(step.cosines[0, 1]) == pytest.approx(1.0, abs=1e-6)


def test_the_feature_route_takes_the_same_losses(run_config, splits, tmp_path):
    exact = train(run_config("mgda", train={"epochs": 1}), splits, tmp_path / "a")
    near = train(
        run_config("mgda", train={"epochs": 1, "route": "features"}), splits, tmp_path / "b"
    )
    assert weights(tmp_path / "a") != weights(tmp_path / "b")
    for task, value in exact["loss"].items():
        assert near["loss"][task] == pytest.approx(value, rel=0.5)


def test_clipping_bounds_the_gradient_of_every_method(run_config, splits, tmp_path, monkeypatch):
    norms = []
    step = torch.optim.Adam.step

    def watched(self, closure=None):
        grads = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.cat([g.flatten() for g in grads if g is not None]).norm()))
        return step(self, closure)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    for name, options in METHODS:
        if name == "uw":
            continue  # the optimizer also holds the method's own parameters, which are not clipped
        config = run_config(name, train={"epochs": 1, "clip_norm": 1e-3}, **options)
        train(config, splits, tmp_path / name)
    assert len(norms) >= 6
    np.testing.assert_array_less(norms, 1e-3 * (1 + 1e-4))


def test_a_loss_that_is_not_finite_names_task_and_batch(run_config, splits, tmp_path):
    labels = splits.train.labels.copy()
    labels[1, splits.train.offsets[5]] = np.inf
    broken = dataclasses.replace(splits, train=dataclasses.replace(splits.train, labels=labels))
    with pytest.raises(
        TrainingError, match=r"loss of task 'quality' is nan at epoch 1, batch \d+ \(queries "
    ):
        train(run_config("mgda"), broken, tmp_path / "run")
    assert not (tmp_path / "run" / "record.json").exists()


def test_the_epoch_of_the_best_validation_metric_is_chosen(run_config, splits, tmp_path):
    config = run_config("ls", preference=(0.25, 0.75), train={"epochs": 6, "learning_rate": 0.02})
    record = train(config, splits, tmp_path / "run")
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    values = [
        0.25 * line["validation"]["ndcg@10"]["relevance"]
        + 0.75 * line["validation"]["ndcg@10"]["quality"]
        for line in log
    ]
    assert record["epoch"] == int(np.argmax(values)) + 1
    chosen = log[record["epoch"] - 1]
    assert record["metrics"]["validation"] == chosen["validation"]
    assert record["loss"] == chosen["loss"]


def test_the_record_and_the_queries_agree(run_config, splits, tmp_path):
    record = train(run_config("mgda"), splits, tmp_path / "run")
    queries = pq.read_table(tmp_path / "run" / "queries.parquet").to_pandas()
    means = queries.groupby(["split", "metric", "task"])["value"].mean()
    for split, metrics in record["metrics"].items():
        for metric, values in metrics.items():
            for task, value in values.items():
                assert value == pytest.approx(means[split, metric, task], rel=1e-6)
    assert set(record["data"]) == {"train", "validation", "test"}
    assert record["environment"]["versions"]["torch"] == torch.__version__


def test_the_saved_ranker_ranks_raw_features(run_config, splits, tmp_path):
    train(run_config("mgda"), splits, tmp_path / "run")
    ranker = Ranker.load(tmp_path / "run" / "ranker")
    raw = synthetic.splits((24, 10, 10), seed=0, mean_length=8)["test"]
    columns = [raw.feature_ids.index(i) for i in ranker.feature_ids]
    rows = slice(raw.offsets[2], raw.offsets[3])
    scores = ranker.scores(raw.features[rows][:, columns])
    with torch.inference_mode():
        raw_inputs = torch.from_numpy(np.asarray(splits.test.features[rows]))
        expected = ranker.model(splits.transform(raw_inputs)[None])[0]
    torch.testing.assert_close(scores, expected)
    assert ranker.tasks == ("relevance", "quality")
    card = (tmp_path / "run" / "ranker" / "README.md").read_text()
    for word in ("synthetic data, seed 0", "mgda", "ndcg@10, test", "quality"):
        assert word in card


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ls", {}, "method 'ls' needs a `preference`"),
        ("mgda", {"preference": (0.5, 0.5)}, "method 'mgda' takes no `preference`"),
        ("ls", {"preference": (1.0,)}, "an entry per task"),
        ("mgdaa", {}, "unknown method 'mgdaa'; did you mean 'mgda'"),
        ("nashmtl", {"options": {"update": 2}}, "unknown option 'update'.*'update_every'"),
        ("stl", {"task": "click"}, "`method.task` must be one of the data's tasks"),
        ("ls", {"preference": (0.5, 0.5), "task": "quality"}, "`method.task` is for 'stl'"),
    ],
)
def test_mistakes_end_a_run_before_it_leaves_a_folder(
    run_config, splits, tmp_path, name, options, message
):
    with pytest.raises(ValueError, match=message):
        train(run_config(name, **options), splits, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["mgda", "conditioned", "gbdt_ls"])
def test_a_mistake_that_the_data_reveal_leaves_no_folder_either(run_config, splits, tmp_path, name):
    if METHOD_TABLE[name].learner == "trees":
        pytest.importorskip("lightgbm", reason="needs mtl2r-bench[gbdt]")
    preference = (0.5, 0.5) if METHOD_TABLE[name].takes_preference else None
    config = run_config(name, preference=preference, train={"max_tokens": 1})
    nothing = dataclasses.replace(splits.validation, labels=np.zeros_like(splits.validation.labels))
    splits = dataclasses.replace(splits, validation=nothing)
    with pytest.raises(ValueError, match=r"token|no validation list has a relevant document"):
        train(config, splits, tmp_path / "above" / "run")
    assert not (tmp_path / "above").exists()


def test_a_mistake_in_a_folder_that_was_there_takes_nothing_away(run_config, splits, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="token"):
        train(run_config("mgda", train={"max_tokens": 1}), splits, folder)
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["conditioned", "gbdt_ls"])
def test_what_trains_on_one_process_refuses_several(run_config, splits, tmp_path, name):
    if METHOD_TABLE[name].learner == "trees":
        pytest.importorskip("lightgbm", reason="needs mtl2r-bench[gbdt]")
    learner = learner_of(run_config(name, preference=(0.5, 0.5)), splits)
    with pytest.raises(ValueError, match=f"method '{name}' trains on one process, got 2"):
        learner.fit(RunFolder(tmp_path / "run"), ProcessGroup(0, 2), lambda _: None)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("head", ["shared", "per_task"])
def test_each_member_of_an_ensemble_has_losses_of_its_own(tables, splits, tmp_path, head):
    tables["model"] |= {"members": 3, "head": head, "dropout": 0.0}
    tables["model"] |= {"feature_layers": [{"kind": "piecewise_linear", "bins": 4}]}
    config = validate(RunConfig, {**tables, "method": {"name": "mgda"}})
    state = initial_state(config, splits, [0, 1], ALONE)
    batch = splits.train.batch([0, 3, 5])
    loss = build_loss(config.loss)
    found, scores = Engine(config, splits.train, state, loss, [0, 1]).losses(batch)
    members = [loss(member, batch.labels, mask=batch.mask) for member in scores]
    torch.testing.assert_close(found, torch.stack(members).mean(0))
    record = train(config, splits, tmp_path)
    off, on = record["certificate"]["losses"], record["certificate"]["training_losses"]
    assert on.keys() == off.keys() == {"relevance", "quality"}
    assert all(np.isfinite(value) for value in on.values())


def test_feature_layers_are_fitted_to_the_transformed_training_documents(tables, splits):
    tables["model"]["feature_layers"] = [{"kind": "piecewise_linear", "bins": 4}]
    config = validate(RunConfig, {**tables, "method": {"name": "mgda"}})
    layer = initial_state(config, splits, [0, 1], ALONE).network.inputs[0]
    documents = splits.transform.transform(np.array(splits.train.features))
    edges = np.quantile(documents.astype(np.float64), [0, 0.25, 0.5, 0.75], axis=0).T
    np.testing.assert_allclose(layer.left, edges, atol=1e-5)


def test_a_mistake_in_a_feature_layer_is_named(tables):
    tables["model"]["feature_layers"] = [{"kind": "piecewise"}]
    with pytest.raises(ValueError, match="did you mean 'piecewise_linear'"):
        validate(RunConfig, {**tables, "method": {"name": "mgda"}})


def test_experts_score_each_task_and_need_scores_per_task(tables, splits, tmp_path):
    tables["model"] |= {"experts": {"shared": 2, "own": 1, "width": 4}}
    with pytest.raises(ValueError, match="`experts` need `head` = 'per_task', got 'shared'"):
        validate(RunConfig, {**tables, "method": {"name": "mgda"}})
    tables["model"]["head"] = "per_task"
    config = validate(RunConfig, {**tables, "method": {"name": "mgda"}})
    record = train(config, splits, tmp_path)
    ranker = Ranker.load(tmp_path / "ranker")
    assert ranker.model.head.tasks[0]["gate"].out_features == 3
    assert list(record["loss"]) == ["relevance", "quality"]


@pytest.mark.parametrize("name", ["log_mgda", "epo", "famo", "scaleinvls"])
def test_a_batch_that_teaches_a_task_nothing_is_left_out(run_config, splits, tmp_path, name):
    """Methods that divide by losses, or take their logarithm, have nothing to do with a 0."""
    labels = splits.train.labels.copy()
    labels[1, : splits.train.offsets[8]] = 0.0
    bare = dataclasses.replace(splits, train=dataclasses.replace(splits.train, labels=labels))
    preference = (0.5, 0.5) if METHOD_TABLE[name].takes_preference else None
    config = run_config(name, train={"batch_size": 1, "epochs": 1}, preference=preference)
    record = train(config, bare, tmp_path / "run")
    assert all(value > 0 for value in record["loss"].values())


def unlabelled(splits, rows):
    """The splits, where the second task has no label at these rows of the training split."""
    known = np.ones(splits.train.labels.shape, dtype=bool)
    known[1, rows] = False
    return dataclasses.replace(splits, train=dataclasses.replace(splits.train, label_mask=known))


@pytest.mark.parametrize("name", ["mgda", "ls", "famo", "upgrad", "graddrop"])
def test_a_task_without_labels_is_no_task(run_config, splits, tmp_path, name):
    """With a loss of 0 in its place the trunk would stand still, or follow half a gradient."""
    preference = (0.25, 0.75) if METHOD_TABLE[name].takes_preference else None
    bare, train_options = unlabelled(splits, slice(None)), {"epochs": 1}
    train(run_config(name, preference=preference, train=train_options), bare, tmp_path / "both")
    train(run_config("stl", task="relevance", train=train_options), splits, tmp_path / "alone")
    both, alone = (
        load_file(tmp_path / run / "ranker" / "model.safetensors") for run in ("both", "alone")
    )
    for key, value in alone.items():
        torch.testing.assert_close(both[key], value)


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_every_method_trains_where_lists_have_no_label_for_a_task(
    run_config, splits, tmp_path, name
):
    if METHOD_TABLE[name].is_baseline:
        return
    preference = (0.3, 0.7) if METHOD_TABLE[name].takes_preference else None
    options = {"bounds": {"quality": 5.0}} if name == "ec" else {}
    config = run_config(
        name, preference=preference, options=options, train={"epochs": 1, "batch_size": 2}
    )
    record = train(config, unlabelled(splits, slice(0, splits.train.offsets[8])), tmp_path / "run")
    assert all(math.isfinite(value) for value in record["loss"].values())
