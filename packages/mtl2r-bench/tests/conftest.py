"""A study small enough for every test: synthetic lists of about eight documents."""

from pathlib import Path

import pytest
import torch

from mtl2r_bench.config import RunConfig, StudyConfig, validate
from mtl2r_bench.data import load_splits


@pytest.fixture
def tables():
    """The raw tables of the small study; a test may change them."""
    return {
        "data": {
            "tasks": ["relevance", "quality"],
            "synthetic": {
                "train_queries": 24,
                "validation_queries": 10,
                "test_queries": 10,
                "mean_length": 8,
            },
        },
        "model": {"hidden": 8, "layers": 1, "heads": 2, "feedforward": 8, "dropout": 0.2},
        "train": {"epochs": 3, "batch_size": 8},
    }


@pytest.fixture
def run_config(tables):
    """Builds a run of the small study: `run_config("ls", preference=(.5, .5))`."""

    def build(method, seed=0, train=None, **options):
        changed = {**tables, "train": {**tables["train"], **(train or {})}}
        return validate(RunConfig, {**changed, "method": {"name": method, **options}, "seed": seed})

    return build


@pytest.fixture
def study(tables):
    return validate(StudyConfig, {**tables, "methods": ["ls", "mgda"], "preferences": 2})


@pytest.fixture
def splits(tables):
    config = validate(StudyConfig, tables)
    return load_splits(config.data, config.evaluation)


@pytest.fixture(autouse=True)
def user_cache(tmp_path_factory, monkeypatch):
    """Converted data go to a folder of the test's own, in subprocesses too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def one_thread():
    """Bit for bit the same result is promised for one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def letor(tmp_path):
    """Writes a folder in LETOR's layout from lines per split."""

    def write(name="data", **lines) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for split, text in lines.items():
            (folder / f"{split}.txt").write_text("\n".join(text) + "\n")
        return folder

    return write
