"""A sweep on a Ray cluster: one on this machine, all of it on the loopback device."""

import os
import signal
import socket
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from mtl2r_bench.config import to_toml
from mtl2r_bench.runs.study_folder import StudyFolder
from mtl2r_bench.study.backends import Backend
from mtl2r_bench.study.status import study_status

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path):
    """The address of a cluster of two processors, which ends with the test."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    command += ["--num-cpus", "2", "--node-ip-address", "127.0.0.1", "--port", str(port)]
    command += ["--include-dashboard", "false", "--disable-usage-stats"]
    command += ["--object-store-memory", str(100 << 20)]
    with (tmp_path / "ray.log").open("wb") as log:
        head = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while b"Ray runtime started" not in (tmp_path / "ray.log").read_bytes():
            assert head.poll() is None, (tmp_path / "ray.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        head.terminate()  # as Ctrl-C and `ray stop`: the head ends what it started
        try:
            head.wait(timeout=60)
        finally:
            if head.poll() is None:
                os.killpg(head.pid, signal.SIGKILL)


def workers():
    """Process numbers of what computes on the cluster."""
    found = subprocess.run(
        ["ps", "-ww", "-u", str(os.getuid()), "-o", "pid=,args="],
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "ray::PoolActor" in line]


def test_a_cluster_gives_the_result_of_one_machine_though_a_worker_is_killed(
    study, tmp_path, cluster
):
    longer = study.model_copy(
        update={"train": study.train.model_copy(update={"epochs": 25}), "baselines": False}
    )
    (tmp_path / "study.toml").write_text(to_toml(longer))
    command = [sys.executable, "-m", "mtl2r_bench", "sweep", str(tmp_path / "study.toml")]
    alone = [*command, "--out", str(tmp_path / "alone"), "--jobs", "1"]
    subprocess.run(alone, check=True, capture_output=True, timeout=300)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*command, "--out", str(out), "--backend", "ray", "--address", cluster],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 200
        while not list(out.glob("runs/*/log.jsonl")):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running = [run.name for run in study_status(out) if run.state == "running"]
        assert running
        os.kill(workers()[0], signal.SIGKILL)
        output, _ = process.communicate(timeout=300)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert process.returncode == 0, output
    assert {run.state for run in study_status(out)} == {"finished"}
    one, other = (
        pq.read_table(StudyFolder(folder).results).drop_columns("seconds")
        for folder in (tmp_path / "alone", out)
    )
    assert one.equals(other)


def test_an_address_needs_the_back_end():
    with pytest.raises(ValueError, match=r"`address` is for the Ray backend, got it with 'local'"):
        Backend(address="127.0.0.1:6379")
