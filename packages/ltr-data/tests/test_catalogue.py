"""Public data sets are found where they are put, and downloads are whole or not there."""

import dataclasses
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import ltr_data
from ltr_data.datasets import MANIFESTS, Manifest, download, manifest

CONTENT = np.random.default_rng(0).bytes(600_000)
TEXT = "2 qid:1 1:0.5 2:3\n0 qid:1 1:-1 2:0\n"


class Server(ThreadingHTTPServer):
    """Serves CONTENT; each entry of `plan` is what happens to one request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan = []
        self.requests = []
        self.done = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        plan = self.server.plan.pop(0) if self.server.plan else ""
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        content = CONTENT
        if plan == "wrong":
            content = bytes(len(CONTENT))
        if plan == "no ranges":
            start = 0
        if plan == "error":
            self.send_error(503)
            return
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            first = 0 if plan == "other range" else start
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if plan == "drop":
            self.wfile.write(content[start : start + 150_000])
            self.close_connection = True
        elif plan == "slow":
            self.wfile.write(content[start : start + 150_000])
            self.wfile.flush()
            self.server.done.wait(120)
        else:
            self.wfile.write(content[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    yield server
    server.done.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def about(server):
    return dataclasses.replace(
        manifest("istella_s"),
        url=f"http://127.0.0.1:{server.server_port}/x.tar.gz",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )


def get(about, root, **options):
    return download(about, root, accept_licence=True, pause=0, **options)


@pytest.mark.parametrize(
    "plan",
    [
        [],
        ["drop", "drop", "drop"],
        ["error", "drop", "error"],
        ["drop", "no ranges"],
        ["drop", "other range"],
        ["wrong"],
        ["drop", "wrong"],
    ],
)
def test_the_archive_is_right_in_the_end(server, about, tmp_path, plan):
    server.plan = list(plan)
    path = get(about, tmp_path / "new")
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["istella-s-letor.tar.gz"]
    if plan[:2] == ["drop", "drop"]:
        assert server.requests == [None, "bytes=150000-", "bytes=300000-", "bytes=450000-"]
    count = len(server.requests)
    get(about, tmp_path / "new")
    assert len(server.requests) == count


def test_wrong_bytes_twice(server, about, tmp_path):
    server.plan = ["wrong", "wrong"]
    with pytest.raises(ValueError, match=r"expected the SHA-256 .*get istella-s-letor.tar.gz from"):
        get(about, tmp_path)
    assert not list(tmp_path.iterdir())


def test_wrong_size(server, about, tmp_path):
    with pytest.raises(ValueError, match="expected 600001 bytes, got 600000"):
        get(dataclasses.replace(about, size=600_001, sha256=None), tmp_path)


def test_without_size_and_checksum(server, about, tmp_path):
    server.plan = ["drop"]
    path = get(dataclasses.replace(about, size=None, sha256=None), tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_server_that_never_answers_rightly(server, about, tmp_path):
    server.plan = ["drop", *["error"] * 9]
    with pytest.raises(ConnectionError, match=r"cannot be reached .*503.*and put it, or what is"):
        get(about, tmp_path, attempts=2)
    assert (tmp_path / "istella-s-letor.tar.gz.part").stat().st_size == 150_000
    server.plan = []
    assert get(about, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == "bytes=150000-"


def test_no_server(about, tmp_path):
    gone = dataclasses.replace(about, url="http://127.0.0.1:9/x")
    with pytest.raises(ConnectionError, match=r"http://127.0.0.1:9/x cannot be reached"):
        get(gone, tmp_path, attempts=1)


def test_progress(about, tmp_path):
    calls = []
    get(about, tmp_path, progress=lambda *call: calls.append(call))
    assert calls[-1] == (len(CONTENT), len(CONTENT))


def test_the_licence_is_asked_for(server, about, tmp_path):
    with pytest.raises(PermissionError, match=r"licence of Istella-S.*non-commercial"):
        download(about, tmp_path)
    asked = []
    with pytest.raises(PermissionError):
        download(about, tmp_path, accept_licence=asked.append)
    assert asked == [about]
    assert server.requests == []


def test_no_address(tmp_path):
    with pytest.raises(ValueError, match=r"without a browser: get MQ2008.rar from https"):
        get(manifest("mq2008"), tmp_path)
    with pytest.raises(ValueError, match="`url` must begin"):
        get(dataclasses.replace(manifest("mq2008"), url="file:///etc/passwd"), tmp_path)


DOWNLOAD = """
import sys
from ltr_data.datasets import Manifest, download
about = Manifest("x", "X", "page", "x.bin", sys.argv[1], None, sys.argv[2], "", "", 1, 0, "")
download(about, sys.argv[3], accept_licence=True, pause=0)
"""


def start(about, root):
    command = [sys.executable, "-c", DOWNLOAD, about.url, about.sha256, str(root)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_kill_and_two_processes(server, about, tmp_path):
    server.plan = ["slow"]
    process = start(about, tmp_path)
    part = tmp_path / "x.bin.part"
    while not (part.exists() and part.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin.part"]
    both = [start(about, tmp_path), start(about, tmp_path)]
    assert [process.wait() for process in both] == [0, 0]
    assert (tmp_path / "x.bin").read_bytes() == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]
    assert server.requests[1].startswith("bytes=")


def test_find_folds_in_folders_and_archives(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"MSLR-WEB30K is not in .*get MSLR-WEB30K.zip"):
        ltr_data.datasets.mslr_web30k(tmp_path)
    with zipfile.ZipFile(tmp_path / "MSLR-WEB30K.zip", "w") as file:
        for name in ("train", "vali", "test"):
            file.writestr(f"Fold2/{name}.txt", TEXT)
    found = ltr_data.datasets.mslr_web30k(tmp_path, fold=2)
    assert list(found) == ["train", "vali", "test"]
    assert ltr_data.open(found["train"]).num_documents == 2
    with pytest.raises(FileNotFoundError, match=r"Fold1/train.txt"):
        ltr_data.datasets.mslr_web30k(tmp_path, fold=1)
    for folder in ("MSLR-WEB30K/Fold1", "Fold3"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("train", "vali"):
            (tmp_path / folder / f"{name}.txt").write_text(TEXT)
    for fold, parent in ((1, "MSLR-WEB30K/Fold1"), (3, "Fold3")):
        found = ltr_data.datasets.mslr_web30k(tmp_path, fold=fold)
        assert found["vali"] == tmp_path / parent / "vali.txt"
    with pytest.raises(ValueError, match=r"`fold` of mslr_web30k must be from 1 to 5, got 6"):
        ltr_data.datasets.mslr_web30k(tmp_path, fold=6)
    (tmp_path / "MSLR-WEB10K.zip").write_bytes(b"no")
    with pytest.raises(ValueError, match="not a zip archive"):
        ltr_data.datasets.mslr_web10k(tmp_path)


def test_find_unpacks_a_tar(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("train", "vali"):
        (source / f"{name}.txt").write_text(TEXT)
    with tarfile.open(tmp_path / "istella-s-letor.tar.gz", "w:gz") as file:
        file.add(source, "istella-s-letor/sample")
    for _ in range(2):
        found = ltr_data.datasets.istella_s(tmp_path)
        assert ltr_data.read(found["train"]).num_documents == 2


ISTELLA = [
    ("istella", "istella-letor", "full/"),
    ("istella_s", "istella-s-letor", "sample/"),
    ("istella_x", "istella-X", ""),
    ("yahoo", "ltrc_yahoo", ""),
]


def pack(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, text in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(text)
            file.addfile(about, io.BytesIO(text.encode()))


@pytest.mark.parametrize(("name", "archive", "folder"), ISTELLA)
@pytest.mark.parametrize("top", ["", "top/"])
def test_unpacked_and_in_archives(tmp_path, name, archive, folder, top):
    about = manifest(name)
    prefix, valid = ("set1.", "valid") if name == "yahoo" else ("", "vali")
    stems = {"train": "train", "vali": valid, "test": "test"}
    text = TEXT.replace("-1", "1.79769313486232e+308") if about.clip else TEXT
    members = {f"{top}{folder}{prefix}{stems[split]}.txt": text for split in about.splits}
    pack(tmp_path / about.archive, members)
    for _ in range(2):
        found = getattr(ltr_data.datasets, name)(tmp_path)
        assert tuple(found) == about.splits
        table = ltr_data.read(found["train"], clip=about.clip)
        assert table.num_documents == 2
    if about.clip:
        with pytest.raises(ValueError, match=r"train.txt:2: .*e\+308.*; `clip=True`"):
            ltr_data.read(found["train"])


def test_a_cut_archive(tmp_path):
    path = tmp_path / "istella-s-letor.tar.gz"
    noise = np.random.default_rng(0).bytes(9000).hex()
    pack(path, {"sample/train.txt": noise, "sample/vali.txt": TEXT})
    whole = path.read_bytes()
    for size in (0, 3, 40, 1000, len(whole) // 2, len(whole) - 200):
        path.write_bytes(whole[:size])
        with pytest.raises(
            ValueError, match=r"letor.tar.gz: the archive is cut, .*remove it and g"
        ):
            ltr_data.datasets.istella_s(tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == [path.name]


def hostile(kind):
    about = tarfile.TarInfo("sample/train.txt")
    if kind == "outside":
        about.name = "../../train.txt"
    elif kind == "link":
        about.type, about.linkname = tarfile.SYMTYPE, "/etc/passwd"
    elif kind == "hard link":
        about.type, about.linkname = tarfile.LNKTYPE, "../../x"
    else:
        about.type = tarfile.CHRTYPE
    return about


@pytest.mark.parametrize("kind", ["outside", "link", "hard link", "device"])
def test_a_hostile_archive(tmp_path, kind):
    root = tmp_path / "a" / "root"
    root.mkdir(parents=True)
    with tarfile.open(root / "istella-s-letor.tar.gz", "w:gz") as file:
        file.addfile(hostile(kind))
    with pytest.raises(ValueError, match=r"letor.tar.gz: refused, since not all members"):
        ltr_data.datasets.istella_s(root)
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "root", "istella-s-letor.tar.gz"]


def test_manifests():
    letor = ["mslr_web30k", "mslr_web10k", "mq2007", "mq2008"]
    assert list(MANIFESTS) == [*letor, "istella", "istella_s", "istella_x", "yahoo"]
    assert [name for name, about in MANIFESTS.items() if about.clip] == [
        "istella",
        "istella_s",
        "istella_x",
    ]
    for name, about in MANIFESTS.items():
        assert isinstance(about, Manifest)
        assert about.name == name
        assert about.sha256 is None or re.fullmatch("[0-9a-f]{64}", about.sha256)
    with pytest.raises(ValueError, match=r"got 'mslr-web30k', did you mean 'mslr_web30k'"):
        manifest("mslr-web30k")
