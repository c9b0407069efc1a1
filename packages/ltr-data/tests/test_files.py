"""Files and folders are wholly there or not at all."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ltr_data import files


class DiskFullError(OSError):
    pass


def test_write_replaces_when_complete(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    with files.atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_utf8_with_line_feeds(tmp_path):
    with files.atomic_write(tmp_path / "x.txt", "w") as file:
        file.write("ä\n")
    assert (tmp_path / "x.txt").read_bytes() == "ä\n".encode()


@pytest.mark.parametrize("error", [DiskFullError, KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("old", [None, b"old"])
def test_exception_leaves_what_was_there(tmp_path, error, old):
    path = tmp_path / "x.bin"
    if old is not None:
        path.write_bytes(old)

    def write():
        with files.atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert list(tmp_path.iterdir()) == ([] if old is None else [path])
    assert old is None or path.read_bytes() == old


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_leaves_nothing(tmp_path, monkeypatch):
    # The temporary file's data go to a device that is always full.
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode, **kw: real(Path("/dev/full"), "wb"))
    with pytest.raises(OSError, match="No space left"), files.atomic_write(tmp_path / "x") as f:
        f.write(b"x" * 100)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc, where nothing can be made")
def test_the_systems_errors_name_the_file_that_was_asked_for(tmp_path):
    for write in (files.atomic_write, files.atomic_folder):
        with pytest.raises(FileNotFoundError) as found, write("/proc/scores.txt"):
            pass
        assert found.value.filename == "/proc/scores.txt"


def test_an_error_of_a_write_names_the_file(tmp_path):
    resource = pytest.importorskip("resource", reason="limits of the size of files need POSIX")
    path = tmp_path / "x"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="large") as found, files.atomic_write(path) as file:
            file.write(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert found.value.filename == str(path)
    assert not list(tmp_path.iterdir())


def test_an_error_of_a_socket_is_not_the_files(tmp_path):
    with pytest.raises(ConnectionResetError) as found, files.atomic_write(tmp_path / "x"):
        raise ConnectionResetError(104, "Connection reset by peer")
    assert found.value.filename is None


def test_permissions_follow_the_umask(tmp_path):
    with files.atomic_write(tmp_path / "a") as file:
        file.write(b"")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_symbolic_link_is_followed(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with files.atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def enter(manager):
    with manager:
        pass


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"`mode`.*'a'"):
        enter(files.atomic_write(tmp_path / "x", "a"))
    with pytest.raises(FileNotFoundError, match="`path`"):
        enter(files.atomic_write(tmp_path / "none" / "x"))
    with pytest.raises(IsADirectoryError, match="`path`"):
        enter(files.atomic_write(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="`path`"):
        enter(files.atomic_folder(tmp_path / "file"))
    with pytest.raises(FileNotFoundError, match="`path`"):
        enter(files.atomic_folder(tmp_path / "none" / "x"))


def test_folder_replaces_when_complete(tmp_path):
    for content in ("first", "second"):
        with files.atomic_folder(tmp_path / "run") as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / content).write_text(content)
        assert [p.name for p in (tmp_path / "run" / "sub").iterdir()] == [content]
        assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_folder_exception_leaves_what_was_there(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old").touch()

    def fill():
        with files.atomic_folder(tmp_path / "run") as folder:
            (folder / "half").touch()
            raise DiskFullError

    with pytest.raises(DiskFullError):
        fill()
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["old"]


def test_recovery_of_a_swap_cut_off(tmp_path):
    path = tmp_path / "run"
    assert not files.recover_folder(path)
    old = tmp_path / "run.old"
    old.mkdir()
    (old / "metrics").touch()
    assert files.recover_folder(path)
    assert (path / "metrics").exists()
    old.mkdir()
    assert files.recover_folder(path)
    assert not old.exists()


KILLED = """
import sys
from ltr_data import files
from pathlib import Path
path, number = Path(sys.argv[1]), 0
while True:
    number += 1
    text = str(number % 10) * 200_000
    with files.atomic_write(path / "file", "w") as file:
        file.write(text)
    with files.atomic_folder(path / "folder") as folder:
        (folder / "a").write_text(str(number))
        (folder / "b").write_text(str(number))
    print(number, flush=True)
"""


def test_kill_leaves_a_whole_state(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    with process:
        process.stdout.readline()
        time.sleep(0.007)  # in the middle of a later write
        process.send_signal(signal.SIGKILL)
    text = (tmp_path / "file").read_text()
    assert text == text[0] * 200_000
    assert files.recover_folder(tmp_path / "folder")
    folder = tmp_path / "folder"
    assert (folder / "a").read_text() == (folder / "b").read_text()
