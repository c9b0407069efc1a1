"""Remote files are copied once, and then read as local ones."""

import functools
import gzip
import http.server
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet
import pytest

import ltr_data
from ltr_data.files import _atomic
from ltr_data.readers import _remote

CSV = "qid,label,bm25\n{0},1,0.5\n{0},0,0.25\n"
LETOR = "1 qid:1 1:0.5\n0 qid:1 1:0.25\n"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Give a user's cache folder of the test's own."""
    monkeypatch.setattr(_remote, "user_cache", lambda: tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def put():
    """Return a function that writes a file at memory://."""
    memory = fsspec.filesystem("memory")
    yield memory.pipe_file
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


@pytest.fixture(scope="module")
def s3_server():
    reason = "moto's server stands in for S3: pip install 'moto[server]'"
    server = pytest.importorskip("moto.server", reason=reason, exc_type=ImportError)
    thread = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    thread.start()
    yield "http://{}:{}".format(*thread.get_host_and_port())
    thread.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """Return a function that writes a file into a bucket of the stand-in."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    system = pa.fs.S3FileSystem(
        endpoint_override=s3_server, allow_bucket_creation=True, allow_bucket_deletion=True
    )
    system.create_dir("stays")

    def put(path, content):
        with system.open_output_stream(path, compression=None) as file:
            file.write(content)

    yield put
    system.delete_dir("stays")


@pytest.fixture
def web(tmp_path):
    """Return the address of a server on this machine, and the folder that it serves."""
    pytest.importorskip("aiohttp", reason="fsspec needs aiohttp for http://")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


@pytest.fixture(params=["memory", "s3"])
def place(request):
    """Return the beginning of an address, and a function that writes a file there by its path."""
    put = request.getfixturevalue("put" if request.param == "memory" else "s3")
    return f"{request.param}://", put


@pytest.fixture
def reads(monkeypatch):
    """Return the list of the paths that are read from afar."""
    paths, read = [], _remote.Place.read
    monkeypatch.setattr(
        _remote.Place, "read", lambda place, path: (paths.append(path), read(place, path))[1]
    )
    return paths


def parquet(**columns):
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def test_every_format_is_read_as_a_local_file(place, tmp_path):
    scheme, put = place
    table = parquet(qid=["a", "a", "b"], label=[1, 0, 2], bm25=[0.5, 0.25, 1.0])
    files = {
        "train.csv": CSV.format(1).encode(),
        "train.csv.gz": gzip.compress(CSV.format(2).encode()),
        "a name with % and é.parquet": table,
        "train.txt": LETOR.encode(),
    }
    for name, content in files.items():
        put(f"stays/deep/{name}", content)
        (tmp_path / name).write_bytes(content)
        expected = ltr_data.read(tmp_path / name)
        for found in (
            ltr_data.read(f"{scheme}stays/deep/{name}"),
            ltr_data.open_table(f"{scheme}stays/deep/{name}"),
            ltr_data.open_table(f"{scheme}stays/deep/{name}", cache=False),
        ):
            assert np.array_equal(found.features, expected.features)
            assert np.array_equal(found.labels, expected.labels)
            assert found.query_ids == expected.query_ids


def test_patterns_and_folders(place):
    scheme, put = place
    for number in (1, 2, 10):
        put(f"stays/parts/part-{number}.csv", CSV.format(number).encode())
    put("stays/parts/_SUCCESS", b"")
    put("stays/parts/below/part-3.csv", CSV.format(3).encode())
    for name, queries in {
        "parts": ("1", "10", "2"),
        "parts/": ("1", "10", "2"),
        "parts/part-*.csv": ("1", "10", "2"),
        "parts/part-?.csv": ("1", "2"),
        "**/part-[13].csv": ("3", "1"),
        "p*/part-1.csv": ("1",),
    }.items():
        assert ltr_data.open(f"{scheme}stays/{name}").query_ids == queries
    listed = [f"{scheme}stays/parts/part-{number}.csv" for number in (2, 1)]
    assert ltr_data.open(listed).query_ids == ("2", "1")
    with pytest.raises(FileNotFoundError, match=r"stays/parts/x\*\.csv names none"):
        ltr_data.open(f"{scheme}stays/parts/x*.csv")


def test_partitions(place):
    scheme, put = place
    for year in (2023, 2024):
        content = parquet(qid=[year, year], label=[1, 0], bm25=[0.5, 0.25])
        put(f"stays/table/year={year}/part-0.parquet", content)
    table = ltr_data.open_table(f"{scheme}stays/table")
    assert table.names == ("bm25", "year")
    assert table.column("year").tolist() == [2023, 2023, 2024, 2024]


def test_a_file_is_copied_once_and_anew_when_it_changes(place, reads, home):
    scheme, put = place
    address = f"{scheme}stays/train.csv"
    put("stays/train.csv", CSV.format(1).encode())
    for _ in range(2):
        assert ltr_data.open(address).query_ids == ("1",)
        assert ltr_data.read(address).query_ids == ("1",)
    assert len(reads) == 1
    put("stays/train.csv", CSV.format(2).encode())  # of the same size, in the same second
    for _ in range(2):
        assert ltr_data.open(address).query_ids == ("2",)
    assert len(reads) == 2
    names = sorted(path.name for path in home.rglob("*") if path.is_file())
    assert names == [".train.csv.state", "train.csv", "train.csv.safetensors"]


def test_copies_go_to_the_folder_that_is_given(put, home, tmp_path, reads):
    put("stays/train.csv", CSV.format(1).encode())
    for _ in range(2):
        ltr_data.open("memory://stays/train.csv", cache=tmp_path / "mine")
    (target,) = ltr_data.convert_all("memory://stays/*.csv", tmp_path / "mine")
    assert target.parent == tmp_path / "mine"
    assert len(reads) == 1
    assert not home.exists()
    converted = target.read_bytes()
    put("stays/train.csv.safetensors", converted)
    assert ltr_data.open("memory://stays/train.csv.safetensors").query_ids == ("1",)


def test_remote_and_local_files_are_one_data_set(put, tmp_path):
    put("stays/a.csv", CSV.format(1).encode())
    (tmp_path / "b.csv").write_text(CSV.format(2))
    assert ltr_data.open(["memory://stays/a.csv", tmp_path / "b.csv"]).query_ids == ("1", "2")


def test_the_web(web, reads, home):
    address, folder = web
    (folder / "train.csv").write_text(CSV.format(1))
    signed = f"{address}/train.csv?signature=a/b-secret"
    for _ in range(2):
        assert ltr_data.open(f"{address}/train.csv").query_ids == ("1",)
        assert ltr_data.open(signed).query_ids == ("1",)
    assert len(reads) == 2
    assert {path.name for path in home.rglob("*.csv")} == {"train.csv"}
    (folder / "train.csv").write_text(CSV.format(23))
    assert ltr_data.open(f"{address}/train.csv").query_ids == ("23",)
    (folder / "rank.train").write_text("1 1:0.5\n0 1:1\n")
    (folder / "rank.train.query").write_text("2\n")
    assert ltr_data.open(f"{address}/rank.train").lengths.tolist() == [2]
    with pytest.raises(FileNotFoundError, match=r"/x\.csv\.\.\. names none$"):
        ltr_data.open(signed.replace("train", "x"))


def test_files_beside_text_are_copied_with_it(place):
    scheme, put = place
    put("stays/rank.train", b"1 1:0.5\n0 1:1\n2 1:2\n")
    put("stays/rank.train.query", b"2\n1\n")
    assert ltr_data.open(f"{scheme}stays/rank.train").lengths.tolist() == [2, 1]
    put("stays/rank.train.query", b"1\n2\n")
    assert ltr_data.open(f"{scheme}stays/rank.train").lengths.tolist() == [1, 2]


def test_a_file_beside_text_goes_when_the_remote_one_goes(put):
    put("stays/rank.train", LETOR.encode())
    put("stays/rank.train.query", b"2\n")
    with pytest.raises(ValueError, match="qid"):
        ltr_data.read("memory://stays/rank.train")
    fsspec.filesystem("memory").rm_file("stays/rank.train.query")
    assert ltr_data.read("memory://stays/rank.train").query_ids == ("1",)


def test_progress_is_of_the_copies_and_then_of_the_conversion(put, monkeypatch):
    monkeypatch.setattr(_remote, "_CHUNK_BYTES", 10)
    size = 0
    for number in range(3):
        put(f"stays/{number}.csv", CSV.format(number).encode())
        size += len(CSV.format(number))
    calls = []
    ltr_data.open("memory://stays/*.csv", progress=lambda *call: calls.append(call))
    assert {total for _, total in calls} == {2 * size}
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1][0] == 2 * size
    calls.clear()
    ltr_data.convert("memory://stays/*.csv", force=True, progress=lambda *call: calls.append(call))
    assert {total for _, total in calls} == {size}


KILLED = """
import os, signal, sys
import ltr_data
from ltr_data.readers import _remote
_remote._CHUNK_BYTES = 16
def progress(done, total):
    if done >= 32:
        os.kill(os.getpid(), signal.SIGKILL)
ltr_data.open(sys.argv[1], cache=sys.argv[2], progress=progress)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize("earlier", [False, True])
def test_a_killed_copy_leaves_the_earlier_one_or_none(tmp_path, monkeypatch, earlier):
    source, cache = tmp_path / "train.csv", tmp_path / "cache"
    address = f"file://{source.as_posix()}"
    if earlier:
        source.write_text(CSV.format(1))
        ltr_data.open(address, cache=cache)
    source.write_text(CSV.format(22))
    command = [sys.executable, "-c", KILLED, address, str(cache)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    copies = [path.read_text() for path in cache.rglob("train.csv")]
    assert copies == ([CSV.format(1)] if earlier else [])
    assert list(cache.rglob("*.tmp"))
    monkeypatch.setattr(_atomic, "_LEFTOVER_AFTER_SECONDS", 0.0)
    assert ltr_data.open(address, cache=cache).query_ids == ("22",)
    assert not list(cache.rglob("*.tmp"))


@pytest.mark.parametrize("fault", ["short", "changed", "broken"])
def test_a_copy_that_is_not_the_file_is_none(put, monkeypatch, home, fault):
    put("stays/train.csv", CSV.format(1).encode())

    def read(_, path):
        if fault == "changed":
            put(path, CSV.format(2).encode())
        yield CSV.format(1).encode()[: -1 if fault == "short" else None]
        if fault == "broken":
            raise TimeoutError("no answer")

    kind = ConnectionError if fault == "broken" else RuntimeError
    with monkeypatch.context() as patch:
        patch.setattr(_remote.Place, "read", read)
        with pytest.raises(kind, match=r"^memory://stays/train.csv"):
            ltr_data.open("memory://stays/train.csv")
    assert not [path for path in home.rglob("*") if path.is_file()]
    assert len(ltr_data.open("memory://stays/train.csv")) == 1


def test_one_of_several_copies_and_the_others_wait(put, reads):
    put("stays/train.csv", CSV.format(1).encode())
    with ThreadPoolExecutor(4) as executor:
        for found in executor.map(ltr_data.read, ["memory://stays/train.csv"] * 8):
            assert found.query_ids == ("1",)
    assert len(reads) == 1


def test_what_is_not_there(place):
    scheme, _ = place
    with pytest.raises(FileNotFoundError, match=r"`path` must name an existing file, .*nowhere/x"):
        ltr_data.open(f"{scheme}nowhere/x.csv")


def test_a_folder_without_tables(put):
    put("stays/README.md", b"no table")
    with pytest.raises(FileNotFoundError, match=r"memory://stays names none"):
        ltr_data.open("memory://stays")


def test_an_address_that_nobody_knows():
    with pytest.raises(ValueError, match=r"s3://, gs://, hf://, https:// .*got nfs4://host/x"):
        ltr_data.open("nfs4://host/x")


def test_a_path_is_no_address():
    with pytest.raises(ValueError, match=r"`path` must be a str for a remote place.*s3:/b/x\.csv"):
        ltr_data.open(Path("s3://b/x.csv"))


def test_a_missing_package_is_said_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r'is not installed: pip install "ltr-data\[remote\]"'):
        ltr_data.open("hf://datasets/somebody/stays/train.parquet")
    monkeypatch.delattr(pa.fs, "S3FileSystem")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ImportError, match=r"s3://bucket/x.csv needs .*: pip install s3fs"):
        ltr_data.open("s3://bucket/x.csv")


def test_a_copy_stays_below_its_folder(monkeypatch, put):
    put("stays/train.csv", CSV.format(1).encode())
    found = _remote.Place("memory://stays").system.get_file_info("stays/train.csv")
    monkeypatch.setattr(_remote.Place, "below", lambda *_: {"../../train.csv": found})
    with pytest.raises(ValueError, match=r"a copy cannot have the name '\.\./\.\./train\.csv'"):
        ltr_data.open("memory://stays/**/*.csv")


def test_no_network_and_an_earlier_copy(s3, monkeypatch, home):
    s3("stays/train.csv", CSV.format(1).encode())
    assert len(ltr_data.open("s3://stays/train.csv")) == 1
    (copy,) = home.rglob("train.csv")
    unreachable = SimpleNamespace(from_uri=lambda _: (Unreachable(), ""))
    monkeypatch.setattr(pa.fs, "FileSystem", unreachable)
    with pytest.raises(ConnectionError) as error:
        ltr_data.open("s3://stays/train.csv")
    assert str(error.value) == (
        "s3://stays/train.csv cannot be read (no route to host); what was copied earlier is in "
        f"{copy.parent}"
    )


class Unreachable:
    """A file system without network."""

    def get_file_info(self, _):
        raise OSError("no route to host")


def test_secrets_are_neither_written_nor_shown(s3, s3_server, monkeypatch, home):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    s3("stays/train.csv", CSV.format(1).encode())
    host = s3_server.removeprefix("http://")
    address = f"s3://an-id:pass-word@stays/train.csv?scheme=http&endpoint_override={host}"
    assert len(ltr_data.open(address)) == 1
    for path in home.rglob("*"):
        assert "pass-word" not in str(path)
        assert path.is_dir() or b"pass-word" not in path.read_bytes()
    with pytest.raises(FileNotFoundError) as error:
        ltr_data.open(address.replace("train", "nothing"))
    assert "s3://...@stays/nothing.csv..." in str(error.value)
    assert "pass-word" not in str(error.value)


@pytest.mark.parametrize("error", [ValueError, OSError, KeyError, PermissionError])
def test_what_libraries_raise_is_said_without_secrets(monkeypatch, error):
    def from_uri(address):
        raise error(f"cannot use {address}")

    monkeypatch.setattr(pa.fs, "FileSystem", SimpleNamespace(from_uri=from_uri))
    with pytest.raises((ValueError, ConnectionError, PermissionError)) as found:
        ltr_data.open("s3://an-id:pass-word@stays/train.csv?endpoint_override=hidden")
    assert "s3://...@stays" in str(found.value)
    assert "pass-word" not in str(found.value) + repr(found.value.__cause__)
    assert "hidden" not in str(found.value)
    assert found.value.__suppress_context__


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the folder of Linux")
def test_the_users_cache_folder(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert _remote.user_cache() == Path("/somewhere/ltr-data")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert _remote.user_cache() == Path("/home/me/.cache/ltr-data")
