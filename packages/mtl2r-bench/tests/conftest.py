"""A study small enough for every test: synthetic lists of about eight documents."""

import shutil
from pathlib import Path

import pytest
import torch
from torch.nn.utils import vector_to_parameters

from mtl2r_bench.config import RunConfig, StudyConfig, validate
from mtl2r_bench.data.splits import load_splits
from mtl2r_bench.navigate import Problem
from mtl2r_bench.training.run import train
from mtl2r_models import MLPScorer, Ranker


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


@pytest.fixture
def run(run_config, splits, tmp_path):
    """A finished run of the small study, in a study's folder."""
    config = run_config("ls", preference=(0.5, 0.5), train={"epochs": 1})
    train(config, splits, tmp_path / "study" / "runs" / "one")
    return tmp_path / "study" / "runs" / "one"


@pytest.fixture(scope="session")
def toy():
    """A problem whose front is known: quadratic losses of a small ranker's parameters.

    L_k = ½ ‖θ − a_k‖² with ‖a_j − a_k‖ = 1: the Pareto set is the simplex of the a_k,
    θ(α) = Σ α_k a_k, and with two tasks √(2 L_1) + √(2 L_2) = 1. The navigation
    begins where all α are the same. A task's metric is 1 − L_k, on 40 lists that differ a little.
    """

    def build(*tasks: str, path: Path | None = None) -> Problem:
        ranker = Ranker(MLPScorer(2, hidden=(3,)), feature_ids=(1, 2), tasks=tasks)
        size = sum(p.numel() for p in ranker.model.parameters())
        anchors = torch.eye(size)[: len(tasks)] / 2**0.5
        spread = 1 + 0.1 * torch.sin(torch.arange(40.0))
        spread = spread / spread.mean()
        vector_to_parameters(anchors.mean(dim=0), ranker.model.parameters())

        def losses(model):
            theta = torch.cat([p.reshape(-1) for p in model.parameters()])
            return 0.5 * ((theta - anchors) ** 2).sum(dim=1)[:, None] * spread

        def measure(model):
            with torch.no_grad():
                return (1 - losses(model)).double().numpy()

        return Problem(
            name="toy",
            path=path,
            tasks=tasks,
            ranker=ranker,
            loss="quadratic",
            documents=40,
            metric="ndcg@10",
            losses=losses,
            measure=measure,
        )

    return build


@pytest.fixture(scope="session")
def open_browser(tmp_path_factory):
    """Opens headless Chromium windows of a laptop's size, each with a profile of its own.

    A test that asks for it is skipped where Chromium, its driver or selenium is missing.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are needed, and are not installed")
    windows = []

    def build():
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync", "--no-first-run"),
            *("--disable-dev-shm-usage", "--window-size=1366,768"),
            f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
        ):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(driver)
        windows.append(webdriver.Chrome(options=options, service=service))
        return windows[-1]

    yield build
    for window in windows:
        window.quit()
