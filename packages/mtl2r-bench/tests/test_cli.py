"""The command line: what a user types, and what a mistake ends with."""

import re
import subprocess
import sys

import pytest

from ltr_data import write_svmrank
from ltr_data.datasets import synthetic
from mtl2r_bench.cli import app as cli
from mtl2r_bench.config import StudyConfig, to_toml, validate
from mtl2r_bench.runs.run_folder import RunFolder
from mtl2r_bench.study.status import study_status


def call(monkeypatch, capsys, *arguments):
    """Exit code, standard output and standard error of one command."""
    monkeypatch.setattr(sys, "argv", ["mtl2r-bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    captured = capsys.readouterr()
    return end.value.code or 0, captured.out, captured.err


@pytest.fixture
def mtl2r(monkeypatch, capsys):
    return lambda *arguments: call(monkeypatch, capsys, *arguments)


@pytest.fixture
def study_file(study, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(to_toml(study))
    return path


def test_sweep_prints_the_table_and_where_to_look(mtl2r, study_file, tmp_path):
    out = tmp_path / "out"
    code, text, _ = mtl2r(
        "sweep", study_file, "--out", out, "--methods", "mgda", "--epochs", 1, "--jobs", 1
    )
    assert code == 0
    for word in ("random order", "best single", "stl quality", "mgda", "hypervolume"):
        assert word in text
    assert str(out / "report.md") in text.replace("\n", "")
    code, text, _ = mtl2r("report", out)
    assert code == 0
    assert "mgda" in text


def test_train_prints_metrics_and_the_ranker(mtl2r, run_config, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(to_toml(run_config("ls", preference=(0.5, 0.5))))
    out = tmp_path / "run"
    code, text, _ = mtl2r("train", config, "--out", out, "--preference", ".25,.75", "--epochs", 1)
    assert code == 0
    assert "ndcg@10" in text
    assert (out / "ranker" / "model.safetensors").is_file()
    assert "0.25" in (out / "config.toml").read_text()


@pytest.mark.parametrize(
    ("listing", "names"),
    [
        ("methods", ["stl", "ls", "wc", "mgda", "pcgrad", "nashmtl"]),
        ("losses", ["lambda", "listnet"]),
        ("metrics", ["ndcg"]),
        ("datasets", ["--data", "WEB30K"]),
    ],
)
def test_list(mtl2r, listing, names):
    code, text, _ = mtl2r("list", listing)
    assert code == 0
    for name in names:
        assert name in text


GOOD = ["2 qid:1 1:1 2:5", "0 qid:1 1:2 2:7"]


@pytest.mark.parametrize(
    ("lines", "arguments", "message"),
    [
        (None, ["--data", "nowhere"], "nowhere"),
        ({"train": GOOD}, [], "expected vali.txt"),
        ({"train": [*GOOD, "1 qid:2 1:x"], "vali": GOOD}, [], "train.txt:3"),
        ({"train": GOOD, "vali": GOOD}, ["--tasks", "relevence"], "did you mean 'relevance'"),
        ({"train": GOOD, "vali": GOOD}, ["--tasks", "relevance,feature:3"], "'feature:3'"),
        (
            {"train": GOOD, "vali": GOOD},
            ["--tasks", "relevance,feature:2", "--methods", "mdga"],
            "did you mean 'mgda'",
        ),
        ({"train": ["255 qid:1 1:1 2:1"], "vali": GOOD}, ["--tasks", "relevance"], "reach 255"),
    ],
)
def test_mistakes_end_with_one_message(mtl2r, letor, tmp_path, lines, arguments, message):
    out = tmp_path / "out"
    if lines is not None:
        arguments = ["--data", letor(**lines), *arguments]
    code, _, err = mtl2r("sweep", *arguments, "--out", out, "--jobs", 1)
    assert code == 1
    assert err.startswith("error: ")
    assert message in err
    assert "Traceback" not in err
    assert not out.exists()


def test_data_is_generated_described_and_converted(mtl2r, tmp_path):
    folder = tmp_path / "new" / "letor"
    code, text, _ = mtl2r("data", "generate", folder, "--queries", 6, 2, 2, "--mean-length", 8)
    assert code == 0
    assert "train: 6 lists" in text
    assert sorted(path.name for path in folder.iterdir()) == [
        "test.txt.gz",
        "train.txt.gz",
        "vali.txt.gz",
    ]
    train = folder / "train.txt.gz"
    figure = tmp_path / "described.png"
    code, text, _ = mtl2r("data", "describe", train, "--tasks", "relevance,click", "--plot", figure)
    assert code == 0
    assert "click" in text
    assert figure.read_bytes().startswith(b"\x89PNG")
    code, text, _ = mtl2r("data", "convert", train)
    assert code == 0
    assert (folder / "train.txt.gz.safetensors").is_file()
    code, _, err = mtl2r("data", "generate", folder)
    assert code == 1
    assert "must be new" in err


def test_a_data_set_that_no_catalogue_has(mtl2r, tmp_path):
    code, _, err = mtl2r("data", "download", "mslr_web31k", tmp_path)
    assert code == 1
    assert "mslr_web30k" in err


def test_the_old_words_of_data_stay_as_hidden_aliases(mtl2r, tmp_path):
    folder = tmp_path / "letor"
    code, text, _ = mtl2r("data", "synth", folder, "--queries", 6, 2, 2, "--mean-length", 8)
    assert code == 0
    assert "train: 6 lists" in text
    code, _, err = mtl2r("data", "get", "mslr_web31k", tmp_path)
    assert code == 1
    assert "mslr_web30k" in err
    code, text, _ = mtl2r("data", "--help")
    assert code == 0
    for word in ("generate", "download"):
        assert re.search(rf"│ {word} ", text)
    for word in ("synth", "get"):
        assert not re.search(rf"│ {word} ", text)


def test_list_methods_shows_the_class_beside_the_name(mtl2r):
    _, text, _ = mtl2r("list", "methods")
    for name, shown in (("stl", "LinearScalarization"), ("imtl", "IMTLG"), ("gbdt_ls", "LightGBM")):
        assert re.search(rf"^ *{name} +{shown}", text, re.MULTILINE), text


def test_failed_runs_end_with_their_errors(mtl2r, study_file, tmp_path, monkeypatch):
    def failing(config, splits, folder):
        raise cli.TrainingError("the loss of task 'quality' is nan")

    monkeypatch.setattr("mtl2r_bench.study.sweep.train", failing)
    code, _, err = mtl2r("sweep", study_file, "--out", tmp_path / "out", "--jobs", 1)
    assert code == 1
    assert "runs failed" in err
    assert "is nan" in err


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "mtl2r_bench", "list", "methods"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "mgda" in done.stdout


@pytest.fixture
def web30k(tmp_path):
    """A root in the layout and text format of MSLR-WEB30K, of a few short lists a split."""
    root = tmp_path / "MSLR-WEB30K"
    for fold in range(1, 6):
        tables = synthetic.splits((6, 4, 4), seed=fold, mean_length=8)
        (root / f"Fold{fold}").mkdir(parents=True)
        for split, table in tables.items():
            write_svmrank(root / f"Fold{fold}" / f"{split}.txt", table)
    return root


@pytest.mark.slow
def test_the_papers_study_needs_nothing_but_a_path(mtl2r, web30k, tmp_path):
    """A dry run: every pair and vector, fewer methods and epochs."""
    out = tmp_path / "out"
    code, text, error = mtl2r(
        *("sweep", "web30k-bi", "--data", web30k, "--out", out),
        *("--folds", "1,5", "--epochs", 1, "--methods", "ls,mgda", "--preferences", "0.3,0.7"),
        *("--jobs", 1),
    )
    assert code == 0, error
    runs = study_status(out)
    assert len(runs) == 2 * (5 + 10 * (1 + 1))
    assert {run.state for run in runs} == {"finished"}
    run = RunFolder(out / "runs" / "relevance+dwell-mgda-f5-s42").finished()
    assert run["parameters"] == 810_497
    assert (run["fold"], run["select_cutoff"]) == (5, 5)
    code, text, _ = mtl2r("status", out, "--all")
    assert code == 0
    assert "50 finished of 50 runs" in text


@pytest.mark.parametrize("command", ["sweep", "plan"])
@pytest.mark.parametrize("study", ["web30k-bi", "web30k-five", "web30k-figures", "mq2008"])
def test_a_study_of_data_that_are_not_there_is_no_study_of_synthetic_ones(
    mtl2r, command, study, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, _, err = mtl2r(command, study)
    assert code == 1
    assert re.search(
        "`data.path` must be a ranking file or the folder .* there is no M.*--data", err
    )
    assert list(tmp_path.iterdir()) == []


def test_plan_of_the_papers_study(mtl2r, web30k):
    code, text, error = mtl2r(
        *("plan", "web30k-bi", "--data", web30k, "--methods", "ls,ec,mgda", "--jobs", 4)
    )
    assert code == 0, error
    for name, runs in (("stl", 5), ("ls", 100), ("ec", 100), ("mgda", 10)):
        assert re.search(rf"│ {name} +│ \d +│ {runs} +│", text), text
    assert "215 runs of up to 810,497 parameters on 6 training lists" in text
    assert "with 4 at a time" in text


def test_plan_estimates_each_model(mtl2r, tables, tmp_path):
    path = tmp_path / "study.toml"
    model = {"architecture": "mlp", "hidden": [400], "dropout": 0.0}
    methods = ["mgda", {"name": "mgda", "variant": "mlp", "model": model}]
    path.write_text(to_toml(validate(StudyConfig, {**tables, "methods": methods})))
    code, text, error = mtl2r("plan", path)
    assert code == 0, error
    for name, runs in (("stl", 2), ("mgda", 1), (r"mgda \(mlp\)", 1)):
        assert re.search(rf"│ {name} +│ \d +│ {runs} +│", text), text
    # One hidden layer and a score, with biases, on 132 inputs.
    assert f"4 runs of up to {400 * (132 + 1) + 400 + 1:,} parameters" in text


@pytest.mark.parametrize("command", ["train", "plan", "sweep"])
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("hidden = 16\nheads = 3", "`heads` must divide `hidden`=16, got 3 (in `{}`)"),
        ('architecture = "mlp"\nhidden = [0]', "`hidden` must be at least 1, got 0 (in `{}`)"),
        ('feature_layers = [{kind = "noize"}]', "did you mean 'noise'? (in `{}`)"),
    ],
)
def test_a_bad_model_ends_every_command_before_it_leaves_a_folder(
    mtl2r, tmp_path, command, model, message
):
    config, out = tmp_path / "config.toml", tmp_path / "out"
    place = [] if command == "plan" else ["--out", out]
    tables = [(f"[model]\n{model}\n", "model")]
    if command == "train":
        tables = [(f'[method]\nname = "mgda"\n{tables[0][0]}', "model")]
    else:  # a study's method may have a model of its own
        own = f'[[methods]]\nname = "mgda"\n[methods.model]\n{model}\n'
        tables.append((own, "methods.0.model"))
    for text, key in tables:
        config.write_text(text)
        code, _, error = mtl2r(command, config, *place)
        assert code == 1
        assert message.format(key) in error
        assert not out.exists()
