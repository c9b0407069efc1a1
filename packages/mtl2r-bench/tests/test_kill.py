"""A sweep that is killed, again and again, ends as one that was left alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from mtl2r_bench.config import StudyConfig, to_toml, validate
from mtl2r_bench.runs.run_folder import RunFolder
from mtl2r_bench.runs.study_folder import StudyFolder
from mtl2r_bench.study.status import study_status

pytestmark = pytest.mark.slow

NETWORKS = {"methods": ["ls", "famo", "ec", "sdmgrad"]}
DISTILLED = {"methods": [{"name": "conditioned", "options": {"passes": 3}}, "mgda"]}
TEACHER = {"distillation": {"trees": {"rounds": 20, "min_documents": 5}}, "ema": 0.9}


def numbers(path):
    """The results of a study, timings aside."""
    table = pq.read_table(StudyFolder(path).results)
    return table.select([name for name in table.column_names if "second" not in name])


def untimed(path):
    return [
        {key: value for key, value in json.loads(line).items() if "second" not in key}
        for line in path.read_text().splitlines()
    ]


def kill(process, random_numbers, whole):
    """Kills a sweep at a random moment: with its workers, or leaving them behind."""
    wait = random_numbers.uniform(0, 6) if random_numbers.random() < 0.2 else None
    if wait is None:  # else it may not have begun yet
        while process.poll() is None and not any(
            run.state == "running" for run in status_of(process.out)
        ):
            time.sleep(0.02)
        wait = random_numbers.uniform(0, 1.5)
    time.sleep(wait)
    if process.poll() is not None:
        return False
    if whole:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return True


def status_of(out):
    try:
        return study_status(out)
    except FileNotFoundError:
        return []


@pytest.mark.parametrize(
    ("options", "train", "most"), [(NETWORKS, {}, 20), (DISTILLED, TEACHER, 12)]
)
def test_kills_change_nothing(tables, tmp_path, options, train, most):
    tables["train"] |= {"epochs": 100, "checkpoint_seconds": 0.05, **train}
    study = validate(StudyConfig, {**tables, **options, "preferences": 2})
    (tmp_path / "study.toml").write_text(to_toml(study))
    command = [sys.executable, "-m", "mtl2r_bench", "sweep", str(tmp_path / "study.toml")]

    def launch(out):
        process = subprocess.Popen(
            [*command, "--out", str(out), "--jobs", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        process.out = out
        return process

    assert launch(tmp_path / "whole").wait() == 0
    random_numbers = random.Random(7)  # noqa: S311 - moments, not secrets
    out, kills = tmp_path / "cut", 0
    while kills < most:
        process = launch(out)
        assert kill(process, random_numbers, whole=kills % 2 == 0), f"done after {kills} kills"
        kills += 1
    epochs = sum(run.epoch for run in study_status(out))
    assert epochs > 0  # it did get on between the kills
    assert launch(out).wait() == 0

    assert numbers(out).equals(numbers(tmp_path / "whole"))
    for run in study_status(out):
        one, other = (
            RunFolder(StudyFolder(path).runs / run.name) for path in (tmp_path / "whole", out)
        )
        assert untimed(one.log) == untimed(other.log)
        model = "model.safetensors"
        assert (one.ranker / model).read_bytes() == (other.ranker / model).read_bytes()


def test_ctrl_c_ends_at_once_and_loses_no_epoch(tables, tmp_path):
    tables["train"] |= {"epochs": 400}
    study = validate(StudyConfig, {**tables, "methods": ["mgda"], "baselines": False})
    (tmp_path / "study.toml").write_text(to_toml(study))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "mtl2r_bench", "sweep", str(tmp_path / "study.toml")]
    process = subprocess.Popen(
        [*command, "--out", str(out), "--jobs", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = RunFolder(StudyFolder(out).runs / "mgda-s42")
    while not log.epochs():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
    done = len(log.epochs())
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again to resume a training" in output
    (run,) = study_status(out)
    assert (run.state, run.epoch >= done) == ("begun", True)
