"""Several processes train what one process trains."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from mtl2r_bench.config import to_toml
from mtl2r_bench.distributed import ProcessGroup
from mtl2r_bench.training.run import train


def launch(config, tmp_path, out, processes=2):
    """`torchrun -m mtl2r_bench train`, in a session of its own."""
    (tmp_path / "run.toml").write_text(to_toml(config))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    command += ["--master-port", "0", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    return subprocess.Popen(
        [*command, "-m", "mtl2r_bench", "train", str(tmp_path / "run.toml"), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_shares_of_a_batch_are_the_batch():
    items = list(range(7))
    shares = [ProcessGroup(rank, 3).share(items) for rank in range(3)]
    assert sorted(item for share in shares for item in share) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mgda", {}),
        pytest.param("wc", {"preference": (0.3, 0.7)}, marks=pytest.mark.slow),
        pytest.param("sdmgrad", {}, marks=pytest.mark.slow),
        pytest.param("famo", {}, marks=pytest.mark.slow),
    ],
)
def test_two_processes_give_the_result_of_one(run_config, tables, splits, tmp_path, name, options):
    tables["model"]["dropout"] = 0.0
    tables["train"]["batch_size"] = 5  # shares of three lists and of two; the last batch is smaller
    # Not Adam: it turns the rounding of a gradient that is 0, as a key's bias has, into steps.
    config = run_config(name, train={"epochs": 2, "optimizer": "sgd"}, **options)
    expected = train(config, splits, tmp_path / "one")
    process = launch(config, tmp_path, tmp_path / "two")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    one, two = (load_file(tmp_path / n / "ranker/model.safetensors") for n in ("one", "two"))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-6, msg=key)
    found = train(config, splits, tmp_path / "two")  # finished: the record
    for split, metrics in expected["metrics"].items():
        for metric, values in metrics.items():
            assert found["metrics"][split][metric] == pytest.approx(values, abs=1e-4)
    assert found["environment"]["processes"] == 2


@pytest.mark.slow
def test_a_lost_process_ends_the_run_and_the_same_command_goes_on(run_config, splits, tmp_path):
    config = run_config("pcgrad", train={"epochs": 40, "checkpoint_seconds": 0})
    process = launch(config, tmp_path, tmp_path / "cut")
    log = tmp_path / "cut" / "log.jsonl"
    deadline = time.monotonic() + 90
    while not (log.is_file() and log.read_bytes().count(b"\n") >= 2):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = subprocess.run(
        ["ps", "--ppid", str(process.pid), "-o", "pid="], capture_output=True, text=True, check=True
    )
    os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
    output, _ = process.communicate(timeout=90)
    assert process.returncode != 0, output
    assert not (tmp_path / "cut" / "record.json").exists()
    again = launch(config, tmp_path, tmp_path / "cut")
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    whole = launch(config, tmp_path, tmp_path / "whole")
    output, _ = whole.communicate(timeout=120)
    assert whole.returncode == 0, output
    cut, expected = (load_file(tmp_path / n / "ranker/model.safetensors") for n in ("cut", "whole"))
    for key, value in expected.items():
        assert torch.equal(cut[key], value), key
