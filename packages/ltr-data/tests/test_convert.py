"""A converted file is the source, wholly, or it is not there."""

import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import ltr_data
from ltr_data import files
from ltr_data.datasets import synthetic
from ltr_data.mapped import _cache_file, _convert
from ltr_data.readers.svmrank import _blocks

TABLE = synthetic.generate(40, seed=3, num_features=35, mean_length=20)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "train.txt"
    ltr_data.write_svmrank(path, TABLE)
    return path


def same(table, other):
    return (
        np.array_equal(table.features, other.features)
        and np.array_equal(table.labels, other.labels)
        and np.array_equal(table.offsets, other.offsets)
        and table.query_ids == other.query_ids
        and table.feature_ids == other.feature_ids
    )


def test_converted_is_equal_and_mapped(source):
    target = ltr_data.convert(source)
    assert target == source.with_name("train.txt.safetensors")
    table = _cache_file.map_table(target)
    assert same(table, TABLE)
    assert not table.features.flags.owndata
    assert table.features.flags.c_contiguous
    assert table.features.ctypes.data % 4096 == 0
    assert same(pickle.loads(pickle.dumps(table)), TABLE)  # noqa: S301 - our own


def test_the_arrays_are_read_only(source):
    table = _cache_file.map_table(ltr_data.convert(source))
    for array in (table.features, table.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 7


@pytest.mark.parametrize("inputs", [None, range(1, 20), [1, 3, 4, 30]])
def test_a_pickle_has_the_path_and_not_the_content(source, inputs):
    labels = [ltr_data.LabelSpec("click", source=33)]
    dataset = ltr_data.open(source, labels, inputs)
    table = _cache_file.map_table(_convert.cache_path(source))
    content = pickle.dumps(dataset)
    assert len(content) < dataset.labels.nbytes + 20_000 < dataset.num_documents * 4 * 19
    assert pickle.loads(content).checksum() == dataset.checksum()  # noqa: S301 - our own
    assert len(pickle.dumps(table)) < 20_000
    copied = pickle.loads(pickle.dumps(table.features[[3, 1]]))  # noqa: S301
    assert np.array_equal(copied, TABLE.features[[3, 1]])


def test_a_spawned_process_maps_the_file(source):
    dataset = ltr_data.open(source, [ltr_data.LabelSpec("click", source=33)])
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=7,
        num_workers=1,
        collate_fn=ltr_data.collate,
        multiprocessing_context="spawn",
    )
    documents = 0
    for start, batch in zip(range(0, len(dataset), 7), loader, strict=True):
        plain = dataset.batch(range(start, min(start + 7, len(dataset))))
        assert torch.equal(batch.features, plain.features)
        documents += int(batch.mask.sum())
    assert documents == dataset.num_documents


def test_a_file_that_changed_is_not_mapped_again(source):
    content = pickle.dumps(_cache_file.map_table(ltr_data.convert(source)))
    os.utime(_convert.cache_path(source), ns=(1, 1))
    with pytest.raises(RuntimeError, match=r"safetensors: the file changed since it was mapped"):
        pickle.loads(content)  # noqa: S301


def test_layout_is_that_of_safetensors(source):
    content = ltr_data.convert(source).read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    header.pop("__metadata__")
    end = 0
    for about in header.values():
        assert about["data_offsets"][0] == end
        end = about["data_offsets"][1]
    assert 8 + size + end == len(content)
    manifest = json.loads(content[8 + size :][slice(*header["manifest"]["data_offsets"])])
    (about,) = manifest["sources"]
    assert about["size"] == source.stat().st_size
    assert about["name"] == "train.txt"


@pytest.mark.parametrize("block_bytes", [16, 50, 1 << 20])
def test_columns_that_come_late_are_zero_before(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr(_blocks.read_blocks, "__defaults__", (block_bytes,))
    monkeypatch.setattr(_cache_file, "_CHUNK_BYTES", 40)
    path = tmp_path / "sparse.txt"
    lines = [f"{i % 3} qid:{i // 4} 1:{i} {i // 5 + 2}:1.5" for i in range(60)]
    path.write_text("\n".join(lines))
    assert same(_cache_file.map_table(ltr_data.convert(path)), ltr_data.read_svmrank(path))


def modified(path):
    return path.stat().st_mtime_ns, path.stat().st_ino


def test_up_to_date_is_not_written_again(source):
    first = modified(ltr_data.convert(source))
    assert modified(ltr_data.convert(source)) == first
    os.utime(source, ns=(1, 1))  # another time, the same bytes
    assert modified(ltr_data.convert(source)) == first
    assert modified(ltr_data.convert(source, force=True)) != first


def test_stale_is_converted_again(source):
    ltr_data.open(source)
    ltr_data.write_svmrank(source, synthetic.generate(3, seed=1, num_features=35))
    assert len(ltr_data.open(source)) == 3
    text = source.read_text()
    source.write_text(text.replace("qid:1 ", "qid:9 "))  # of the same size
    assert ltr_data.open(source).query_ids == ("9", "2", "3")
    assert ltr_data.open(source, num_features=40).features.shape[1] == 40


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:9], lambda b: b"x" * 5000])
def test_damaged_is_converted_again(source, damage):
    target = ltr_data.convert(source)
    target.write_bytes(damage(target.read_bytes()))
    with pytest.raises(ValueError, match="expected a complete file"):
        _cache_file.map_table(target)
    assert len(ltr_data.open(source)) == TABLE.num_queries


def test_open_with_and_without_cache(source, tmp_path):
    plain = ltr_data.open(source, cache=False)
    assert [p.name for p in tmp_path.iterdir()] == ["train.txt"]
    folder = tmp_path / "cache"
    cached = ltr_data.open(source, cache=folder)
    assert cached.checksum() == plain.checksum() == ltr_data.open(source).checksum()
    assert len(list(folder.iterdir())) == 1


def test_a_cache_folder_does_not_convert_again_what_lies_converted_beside(tmp_path):
    source, folder = tmp_path / "train.txt", tmp_path / "cache"
    ltr_data.write_svmrank(source, synthetic.generate(3, seed=1, num_features=35))
    ltr_data.convert(source)
    ltr_data.open(source, cache=folder)
    assert not folder.exists()
    # Of other options, or no longer up to date, it is of no use.
    assert len(ltr_data.open(source, cache=folder, num_features=40).feature_ids) == 40
    assert len(list(folder.iterdir())) == 1
    ltr_data.write_svmrank(source, synthetic.generate(4, seed=1, num_features=35))
    assert len(ltr_data.open(source, cache=folder)) == 4


def test_files_of_one_name_share_a_folder(tmp_path):
    for fold in ("Fold1", "Fold2"):
        (tmp_path / fold).mkdir()
        (tmp_path / fold / "train.txt").write_text(f"1 qid:{fold} 1:1\n")
    pattern = tmp_path / "Fold*" / "*.txt"
    targets = ltr_data.convert_all(pattern, tmp_path / "cache")
    assert len(set(targets)) == 2
    assert [_cache_file.map_table(t).query_ids for t in targets] == [("Fold1",), ("Fold2",)]
    assert ltr_data.convert_all(pattern)[0] == tmp_path / "Fold1" / "train.txt.safetensors"
    assert len(ltr_data.convert_all(pattern)) == 2
    with pytest.raises(FileNotFoundError, match="`path` must name a file, no file matches"):
        ltr_data.convert_all(tmp_path / "*.csv")


def test_wrong_line_leaves_what_was_there(source, tmp_path):
    source.write_text(source.read_text() + "0 qid:99 1:x\n")
    with pytest.raises(ValueError, match=r"train.txt:\d+: the value of feature 1"):
        ltr_data.convert(source)
    assert [p.name for p in tmp_path.iterdir()] == ["train.txt"]


def test_change_while_reading_is_seen(source, tmp_path):
    with pytest.raises(RuntimeError, match="changed while it was read"):
        ltr_data.convert(source, progress=lambda done, total: source.write_text("1 qid:1 1:1\n"))
    assert [p.name for p in tmp_path.iterdir()] == ["train.txt"]


def test_progress_ends_at_the_size(source, capsys):
    calls = []
    ltr_data.convert(source, progress=lambda *call: calls.append(call))
    assert calls[-1] == (source.stat().st_size,) * 2
    ltr_data.convert(source, force=True, progress=ltr_data.ProgressPrinter("train"))
    assert capsys.readouterr().err.startswith("train: 100 % of 0 MB")
    printer = ltr_data.ProgressPrinter("train")
    for _ in range(3):  # blocks that are parsed when all bytes are read
        printer(7, 7)
    assert capsys.readouterr().err.count("100 %") == 1


def test_folder_that_cannot_be_written(source, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="`target`"):
        ltr_data.convert(source)


CONVERT = "import sys, ltr_data; ltr_data.convert(sys.argv[1], force=True)"


def test_two_processes_at_once(source):
    processes = [
        subprocess.Popen([sys.executable, "-c", CONVERT, str(source)], env=ENVIRONMENT)
        for _ in range(2)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    assert same(_cache_file.map_table(_convert.cache_path(source)), TABLE)
    assert len(list(source.parent.iterdir())) == 2


KILLED = """
import sys, time
import ltr_data, ltr_data.mapped._cache_file, ltr_data.files._atomic
def stop(*arguments, **options):
    print("here", flush=True)
    time.sleep(100)
module, *owners, name = sys.argv[2].split(".")
owner = getattr(ltr_data, module)
for part in owners:
    owner = getattr(owner, part)
setattr(owner, name, stop)
ltr_data.convert(sys.argv[1], threads=1)
"""


@pytest.mark.parametrize(
    ("moment", "old"),
    [
        ("mapped._cache_file.CacheFile.finish", False),  # the features are, the header is not
        ("mapped._cache_file.CacheFile.finish", True),
        ("files._atomic.Path.replace", True),  # all is, under another name
        ("files._atomic._sync", True),  # under its name
    ],
)
def test_kill_leaves_old_or_none_and_the_next_succeeds(source, moment, old, monkeypatch):
    before = synthetic.generate(3, seed=1, num_features=35)
    target = _convert.cache_path(source)
    if old:
        ltr_data.write_svmrank(source, before)
        ltr_data.convert(source)
        ltr_data.write_svmrank(source, TABLE)
    command = [sys.executable, "-c", KILLED, str(source), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGKILL)
    if moment == "files._atomic._sync":
        assert same(_cache_file.map_table(target), TABLE)
    elif old:
        assert same(_cache_file.map_table(target), before)
    else:
        assert not target.exists()
    monkeypatch.setattr("ltr_data.files._atomic._LEFTOVER_AFTER_SECONDS", -1)
    assert same(_cache_file.map_table(ltr_data.convert(source, force=True)), TABLE)
    assert {p.name for p in source.parent.iterdir()} == {"train.txt", target.name}


def test_removing_leftovers_spares_the_living_and_the_new(tmp_path):
    target = tmp_path / "x.bin"
    dead = tmp_path / ".x.bin.0a1b2c3d.tmp"
    dead.touch()
    assert files.remove_leftovers(target) == []
    with files.atomic_write(target) as file:
        for path in (dead, file.name):
            os.utime(path, (time.time() - 60,) * 2)
        assert files.remove_leftovers(target) == [dead]
        file.write(b"whole")
    assert target.read_bytes() == b"whole"


@pytest.mark.parametrize("inputs", [None, range(1, 20), [1, 3, 4, 30]])
def test_columns_of_a_mapped_file_are_not_copied(source, inputs):
    labels = [ltr_data.LabelSpec("click", source=33)]
    plain = ltr_data.open(source, labels, inputs, cache=False)
    mapped = ltr_data.open(source, labels, inputs)
    if not isinstance(mapped.features, ltr_data.ColumnView):
        assert np.shares_memory(mapped.features, mapped.features.base)
    assert mapped.checksum() == plain.checksum()
    assert np.array_equal(mapped.batch([3, 1]).features, plain.batch([3, 1]).features)
    assert mapped.subset([3, 1]).checksum() == plain.subset([3, 1]).checksum()
    transforms = [ltr_data.LogStandardize.fit(d.features, d.feature_ids) for d in (plain, mapped)]
    assert (
        mapped.transformed(transforms[1]).checksum() == plain.transformed(transforms[0]).checksum()
    )
