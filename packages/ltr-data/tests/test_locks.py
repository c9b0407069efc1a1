"""Locks between processes: one holder, released by a kill; where none work, writes do not fail."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ltr_data import files
from ltr_data.files import _locks

HOLD = """
import sys, time
from pathlib import Path
from ltr_data import files
from ltr_data.files._locks import locked
kind, path = sys.argv[1:]
def wait():
    print("here", flush=True)
    time.sleep(100)
if kind == "FileLock":
    assert files.FileLock(path).acquire()
    wait()
elif kind == "locked":
    with locked(Path(path)):
        wait()
else:
    with files.atomic_write(path):
        wait()
"""


@pytest.fixture
def start():
    started = []

    def run(kind, path):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, kind, str(path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        assert process.stdout.readline() == b"here\n"
        return process

    yield run
    for process in started:
        with process:
            process.kill()


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_file_lock_has_one_holder_and_a_kill_releases_it(tmp_path, start):
    lock = files.FileLock(tmp_path / "lock")
    assert not lock.taken()
    assert not list(tmp_path.iterdir())  # asking leaves no file
    process = start("FileLock", lock.path)
    assert lock.taken()
    assert not lock.acquire()
    lock.release()  # of a lock that is not held: nothing
    assert lock.taken()
    kill(process)
    assert not lock.taken()
    assert lock.acquire()
    assert lock.taken()
    assert files.FileLock(lock.path).taken()
    lock.release()
    assert not lock.taken()


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("name", ["folder", "file"])
def test_locked_waits_and_leaves_no_file(tmp_path, monkeypatch, windows, name):
    monkeypatch.setattr(_locks, "_WINDOWS", windows)  # its branch, which this system can run too
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    entered = threading.Event()

    def other():
        with _locks.locked(tmp_path / name):
            entered.set()

    with _locks.locked(tmp_path / name):
        thread = threading.Thread(target=other)
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    thread.join()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_kill_releases_a_locked_folder(tmp_path, start):
    process = start("locked", tmp_path)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    assert not _locks.hold(descriptor)
    kill(process)
    assert _locks.hold(descriptor)
    os.close(descriptor)
    with files.atomic_folder(tmp_path / "run"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_file_of_a_living_writer_stays_until_it_is_killed(tmp_path, start):
    process = start("atomic_write", tmp_path / "x.bin")
    (temporary,) = tmp_path.iterdir()
    os.utime(temporary, (time.time() - 60,) * 2)
    assert files.remove_leftovers(tmp_path / "x.bin") == []
    kill(process)
    assert files.remove_leftovers(tmp_path / "x.bin") == [temporary]
    assert not list(tmp_path.iterdir())


def test_a_file_system_that_cannot_lock_fails_no_write(tmp_path, monkeypatch):
    def unsupported(descriptor, **options):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(_locks, "lock_descriptor", unsupported)
    monkeypatch.setattr(_locks, "unlock_descriptor", unsupported)
    leftover = tmp_path / ".x.0a1b2c3d.tmp"
    leftover.touch()
    os.utime(leftover, (time.time() - 60,) * 2)
    with files.atomic_write(tmp_path / "x") as file:
        file.write(b"whole")
    with files.atomic_folder(tmp_path / "run"):
        pass
    assert files.remove_leftovers(tmp_path / "x") == []  # it may be a living process's
    lock = files.FileLock(tmp_path / "lock")
    assert lock.acquire()
    assert not files.FileLock(lock.path).taken()
    lock.release()
    assert {path.name for path in tmp_path.iterdir()} == {"x", "run", "lock", leftover.name}


SWAP = """
import sys
from ltr_data import files
for number in range(40):
    with files.atomic_folder(sys.argv[1]) as folder:
        (folder / "a").write_text(f"{sys.argv[2]} {number}")
        (folder / "b").write_text(f"{sys.argv[2]} {number}")
"""


def test_two_processes_swap_one_folder(tmp_path):
    path = tmp_path / "run"
    command = [sys.executable, "-c", SWAP, str(path)]
    both = [subprocess.Popen([*command, name]) for name in ("first", "second")]
    assert [process.wait() for process in both] == [0, 0]
    assert (path / "a").read_text() == (path / "b").read_text()
    assert [found.name for found in tmp_path.iterdir()] == ["run"]
