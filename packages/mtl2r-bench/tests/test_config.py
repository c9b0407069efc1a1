"""Configs say what is wrong with them, by the key."""

import pickle
import subprocess
import sys
import tomllib

import pytest
import torch
from pydantic import TypeAdapter

from mtl2r_bench.config import RunConfig, StudyConfig, load_study, to_toml, validate
from mtl2r_bench.config._model import ARCHITECTURES, ModelConfig
from mtl2r_models import ARCHITECTURES as NETWORKS


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"train": {"epoch": 3}}, r"unknown key `train\.epoch`; did you mean 'epochs'\?"),
        ({"modle": {}}, r"unknown key `modle`; did you mean 'model'\?"),
        (
            {"data": {"synthetic": {"train_query": 1}}},
            r"unknown key `data\.synthetic\.train_query`; did you mean 'train_queries'\?",
        ),
        ({"train": {"epochs": 0}}, r"`train\.epochs`: Input should be greater than 0, got 0"),
        ({"train": {"route": "fast"}}, r"`train\.route`: Input should be 'exact' or 'features'"),
        ({"model": {"dropout": 1}}, r"`dropout` must be in \[0, 1\), got 1\.0 \(in `model`\)"),
        (
            {"model": {"hidden": 16, "heads": 3}},
            r"`heads` must divide `hidden`=16, got 3 \(in `model`\)",
        ),
        (
            {"methods": ["ls", {"name": "ls", "model": {"architecture": "mlp", "hidden": [0]}}]},
            r"`hidden` must be at least 1, got 0 \(in `methods\.1\.model`\)",
        ),
        ({"data": {"tasks": []}}, r"`data\.tasks`: .*at least 1 item"),
        ({"evaluation": {"select_cutoff": 7}}, r"`select_cutoff` must be one of `cutoffs`.*got 7"),
        ({"preferences": [["a", "b"]]}, r"`preferences\.0\.0`: .*valid number.*got 'a'"),
        (
            {"methods": [{"name": "ls", "option": {}}]},
            r"unknown key `methods\.0\.option`; did you mean 'options'\?",
        ),
        (
            {"methods": ["ls", {"name": "ls", "model": {"architecture": "mlp", "hiden": [8]}}]},
            r"^study\.toml: unknown key `methods\.1\.model\.hiden`; did you mean 'hidden'\?",
        ),
        (
            {"methods": [{"name": "ls", "model": {"architecture": "mpl"}}]},
            r"^study\.toml: `methods\.0\.model\.architecture`: 'mpl'; did you mean 'mlp'\?",
        ),
        (
            {"bounds": [{"tasks": ["a"], "values": {"a": [1]}, "unti": "loss"}]},
            r"unknown key `bounds\.0\.unti`; did you mean 'unit'\?",
        ),
    ],
)
def test_mistakes_name_the_key(tables, message):
    with pytest.raises(ValueError, match=message):
        validate(StudyConfig, tables, "study.toml")


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match=r"^run\.toml: `method` is missing$"):
        validate(RunConfig, {}, "run.toml")


def test_toml_holds_everything(tables, tmp_path):
    methods = ["ls", {"name": "ls", "model": {"architecture": "mlp", "hidden": [8, 4]}}]
    changed = {"preferences": [[0.25, 0.75]], "seeds": [1, 2], "methods": methods}
    study = validate(StudyConfig, {**tables, **changed})
    path = tmp_path / "study.toml"
    path.write_text(to_toml(study))
    assert validate(StudyConfig, load_study(path)) == study


def test_defaults_are_the_web30k_study():
    study = validate(StudyConfig, {})
    assert study.model.model_dump() == {
        "hidden": 128,
        "layers": 4,
        "heads": 4,
        "feedforward": 512,
        "dropout": 0.3,
        "norm": "pre",
        "attention_scale": "head",
        "positions": "none",
        "max_length": 240,
        "feature_layers": (),
        "members": 1,
        "experts": None,
        "head": "shared",
        "architecture": "transformer",
    }
    assert (study.train.epochs, study.train.batch_size, study.train.learning_rate) == (50, 64, 1e-3)
    assert (study.train.step_size, study.train.gamma) == (50, 0.1)
    assert study.evaluation.cutoffs == (1, 5, 10, 30)
    assert study.loss.name == "lambda"


def test_files_that_are_no_study(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such config file"):
        load_study(tmp_path / "none.toml")
    path = tmp_path / "broken.toml"
    path.write_text("methods = [\n")
    with pytest.raises(ValueError, match=r"broken\.toml: not TOML"):
        load_study(path)


def test_the_architecture_decides_which_keys_there_are():
    run = {"method": {"name": "mgda"}}
    assert validate(RunConfig, run).model.architecture == "transformer"
    mlp = validate(RunConfig, {**run, "model": {"architecture": "mlp", "hidden": [8, 4]}})
    assert mlp.model.hidden == (8, 4)
    assert validate(RunConfig, tomllib.loads(to_toml(mlp))) == mlp
    with pytest.raises(ValueError, match=r"unknown key `model.heads`; did you mean 'head'"):
        validate(RunConfig, {**run, "model": {"architecture": "mlp", "heads": 2}})
    with pytest.raises(ValueError, match=r"unknown key `model.layer`; did you mean 'layers'"):
        validate(RunConfig, {**run, "model": {"layer": 2}})
    with pytest.raises(ValueError, match=r"`model.architecture`: 'mpl'; did you mean 'mlp'"):
        validate(RunConfig, {**run, "model": {"architecture": "mpl"}})


def test_every_architecture_has_a_config():
    assert {kind.network for kind in ARCHITECTURES.values()} == set(NETWORKS.values())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_config_has_the_defaults_of_its_architecture(architecture):
    config = TypeAdapter(ModelConfig).validate_python({"architecture": architecture})
    model = config.build(5, 2, torch.Generator())
    assert model.config() == type(model)(5).config()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_texts_have_an_architectures_own_fields_first(architecture):
    """As they always did: a run that is taken up again compares the text of its config."""
    config = TypeAdapter(ModelConfig).validate_python({"architecture": architecture, "members": 2})
    names = list(config.model_dump())
    assert names[0] == "architecture"
    assert names[-4:] == ["feature_layers", "members", "experts", "head"]
    smaller = config.model_copy(update={"dropout": 0.1})
    assert smaller.label == f"{architecture}, dropout=0.1, members=2"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_config_is_the_same_in_another_process(architecture):
    """A sweep sends configs to its workers: their classes must be found by name."""
    experts = {"experts": {"shared": 2}, "head": "per_task"}
    run = {"method": {"name": "mgda"}, "model": {"architecture": architecture, **experts}}
    config = validate(RunConfig, run)
    program = (
        "import pickle, sys, warnings; warnings.simplefilter('error')\n"
        "config = pickle.load(sys.stdin.buffer)\n"
        "from mtl2r_bench.config import to_toml\n"
        "sys.stdout.write(to_toml(config))"
    )
    sent = subprocess.run(  # as a worker process gets it
        [sys.executable, "-c", program], input=pickle.dumps(config), capture_output=True, check=True
    )
    assert sent.stdout.decode() == to_toml(config)
