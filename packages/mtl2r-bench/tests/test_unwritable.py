"""Results that cannot be written: one message with the path and the reason, and nothing is left."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mtl2r_bench.cli import app as cli
from mtl2r_bench.cli import data as cli_data
from mtl2r_bench.cli import study as cli_study
from mtl2r_bench.config import to_toml
from mtl2r_bench.runs.disk import explain
from mtl2r_bench.runs.run_folder import RunFolder

GOOD = ["2 qid:1 1:1 2:5", "0 qid:1 1:2 2:7"]


def tmpfs(path, options, then=None):
    """Mounts a small file system of its own at a folder; skips where that is not allowed."""
    path.mkdir()
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    except subprocess.CalledProcessError:
        pytest.skip("no file system can be mounted here")
    if then is not None:
        then(path)


@pytest.fixture(params=["a file", "proc", "full", "read-only"])
def place(request, tmp_path):
    """A folder that takes nothing, and what is said of it."""
    folder = tmp_path / "place"
    if request.param == "a file":
        folder.touch()
        yield folder, f"{folder} is a file, expected a folder"
    elif request.param == "proc":
        if not Path("/proc/self").is_dir():
            pytest.skip("needs /proc")
        yield Path("/proc"), "nothing can be made in /proc"
    else:
        if request.param == "full":
            tmpfs(folder, "size=16k", lambda path: (path / "fill").write_bytes(b"x" * 16_384))
        else:
            tmpfs(folder, "size=16k,ro")
        try:
            yield (
                folder,
                "no space is left" if request.param == "full" else "the file system is read-only",
            )
        finally:
            subprocess.run(["umount", folder], check=True)


@pytest.fixture
def end(monkeypatch, capsys):
    """Runs a command: its exit code and the lines of its errors."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["mtl2r-bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as found:
            cli.main()
        return found.value.code, capsys.readouterr().err.splitlines()

    return call


def nothing(*_, **__):
    raise AssertionError("nothing may be computed before the place was looked at")


@pytest.mark.parametrize("command", ["sweep", "demo", "train", "select", "synth", "get", "convert"])
def test_a_folder_that_cannot_be_written_to(
    command, place, end, study, run_config, letor, tmp_path, monkeypatch
):
    folder, reason = place
    out = folder / "x" / "y"
    (tmp_path / "study.toml").write_text(to_toml(study))
    (tmp_path / "run.toml").write_text(to_toml(run_config("mgda")))
    data = letor(train=GOOD)
    for module, name in ((cli_study, "sweep"), (cli.training, "train"), (cli_study, "choose")):
        monkeypatch.setattr(module, name, nothing)
    monkeypatch.setattr(cli_data, "download", nothing)
    option, arguments = {
        "sweep": ("--out", ["sweep", tmp_path / "study.toml", "--out", out]),
        "demo": ("--out", ["demo", "--out", out]),
        "train": ("--out", ["train", tmp_path / "run.toml", "--out", out]),
        "select": ("--out", ["select", tmp_path, "--out", out]),
        "synth": ("FOLDER", ["data", "synth", out]),
        "get": ("ROOT", ["data", "get", "mq2008", out, "--accept-licence"]),
        "convert": ("--folder", ["data", "convert", data / "train.txt", "--folder", out]),
    }[command]
    before = sorted(tmp_path.rglob("*"))
    code, lines = end(*arguments)
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"error: `{option}` cannot be written to {out}: {reason}")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", ["predict", "export", "describe"])
def test_a_file_that_cannot_be_written(command, place, end, letor, monkeypatch):
    folder, reason = place
    out = folder / "y.onnx"
    data = letor(train=GOOD)
    monkeypatch.setattr(cli.prediction, "predict", nothing)
    monkeypatch.setattr(cli.prediction, "load_ranker", nothing)
    option, arguments = {
        "predict": ("--out", ["predict", "--model", "m", "--data", data, "--out", out]),
        "export": ("--out", ["export", "--model", "m", "--out", out]),
        "describe": ("--plot", ["data", "describe", data / "train.txt", "--plot", out]),
    }[command]
    code, lines = end(*arguments)
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"error: `{option}` cannot be written to {out}: {reason}")


def test_a_file_in_a_folder_that_is_not_there_or_in_the_place_of_one(end, tmp_path):
    predict = ["predict", "--model", "m", "--data", "d", "--out"]
    code, lines = end(*predict, tmp_path / "a" / "b.txt")
    assert (code, len(lines)) == (1, 1)
    assert lines[0].endswith(f"b.txt: there is no folder {tmp_path / 'a'}")
    code, lines = end(*predict, tmp_path)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].endswith("it is a folder, expected a file")


def test_a_report_that_cannot_be_written(end, study, tmp_path, monkeypatch):
    tmpfs(tmp_path / "study", "size=1m")
    monkeypatch.setattr(cli_study, "write_report", nothing)
    try:
        subprocess.run(["mount", "-o", "remount,ro", tmp_path / "study"], check=True)
        code, lines = end("report", tmp_path / "study")
    finally:
        subprocess.run(["umount", tmp_path / "study"], check=True)
    assert (code, len(lines)) == (1, 1)
    assert "read-only" in lines[0]
    assert str(tmp_path / "study") in lines[0]


def test_a_disk_that_fills_up_during_the_work(end, run_config, tmp_path):
    """The system's own error, which names no file, from a place that had a little room."""
    tmpfs(tmp_path / "small", "size=24k")
    (tmp_path / "run.toml").write_text(to_toml(run_config("mgda")))
    out = tmp_path / "small" / "run"
    try:
        code, lines = end("train", tmp_path / "run.toml", "--out", out)
        assert code == 1
        assert len(lines) == 1
        assert lines[0].startswith(f"error: {out}")
        assert lines[0].endswith(
            "no space is left; free some, and give the same command again: what was finished is "
            "kept"
        )
        assert not list(out.rglob("*.tmp"))
        assert RunFolder(out).finished() is None
    finally:
        subprocess.run(["umount", tmp_path / "small"], check=True)


@pytest.mark.parametrize("name", ["ranker.pt2", "ranker.onnx"])
def test_a_disk_with_too_little_room_for_a_program(end, run, tmp_path, name):
    """torch's own writer would abort the process there."""
    if name.endswith(".onnx"):
        pytest.importorskip("onnxruntime", reason="needs mtl2r-models[onnx]")
    tmpfs(tmp_path / "small", "size=8k")
    out = tmp_path / "small" / name
    try:
        code, lines = end("export", "--model", run, "--out", out)
        assert (code, len(lines)) == (1, 1)
        assert lines[0].startswith(f"error: {out}: no space is left")
        assert not list((tmp_path / "small").iterdir())
    finally:
        subprocess.run(["umount", tmp_path / "small"], check=True)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EACCES, "Permission denied", "runs/x"), "runs/x: permission denied"),
        (OSError(errno.ENOENT, "No such file or directory", "x"), "x: no such file or folder"),
        (OSError(errno.EIO, "Input/output error", "x"), "x: input/output error"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network is unreachable"),
        (OSError(errno.ENOTDIR, "Not a directory", f"{__file__}/x"), f"{__file__} is a file"),
        (FileNotFoundError("x: expected a study"), "x: expected a study"),
    ],
)
def test_the_systems_errors_in_words(error, said):
    assert said in explain(error)
    assert "Errno" not in explain(error)
