"""Every way to store a file gives the same table."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import ltr_data

DATA = Path(__file__).parent / "../../../../shared/data"
TEXT = b"2 qid:1 1:0.5 2:3\n0 qid:1 1:-1 2:0\n1 qid:2 1:1e-3 2:4\n"
BARE = b"2 1:0.5 2:3\n# a comment\n0 1:-1 2:0\n\n1 1:1e-3 2:4 # docid\n"


def zst(data):
    return pa.compress(data, codec="zstd", asbytes=True)


@pytest.fixture
def expected(tmp_path):
    (tmp_path / "expected.txt").write_bytes(TEXT)
    return ltr_data.read(tmp_path / "expected.txt")


def same(table, other):
    return (
        np.array_equal(table.features, other.features)
        and np.array_equal(table.labels, other.labels)
        and np.array_equal(table.offsets, other.offsets)
        and table.query_ids == other.query_ids
    )


@pytest.mark.parametrize(("name", "compress"), [("x.txt.gz", gzip.compress), ("x.txt.zst", zst)])
def test_compressed(tmp_path, expected, name, compress):
    (tmp_path / name).write_bytes(compress(TEXT))
    assert same(ltr_data.read(tmp_path / name), expected)
    ltr_data.convert(tmp_path / name)
    assert same_as_dataset(ltr_data.open(tmp_path / name), expected)


def same_as_dataset(dataset, table):
    return np.array_equal(dataset.features, table.features) and np.array_equal(
        dataset.labels[0], table.labels
    )


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"plain", lambda b: b"x" + b])
def test_damaged_zst(tmp_path, damage):
    path = tmp_path / "x.txt.zst"
    path.write_bytes(damage(zst(b"".join(b"0 qid:%d 1:%d\n" % (i, i * i) for i in range(999)))))
    with pytest.raises(ValueError, match=r"x.txt.zst: the compressed data are damaged"):
        ltr_data.read(path)


def test_member_of_an_archive(tmp_path, expected):
    archive = tmp_path / "MSLR.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("MSLR/Fold1/train.txt", TEXT)
        file.writestr("MSLR/Fold2/train.txt.gz", gzip.compress(TEXT))
    for member in ("MSLR/Fold1/train.txt", "Fold1/train.txt", "Fold2/train.txt.gz"):
        assert same(ltr_data.read(archive / member), expected)
    assert same_as_dataset(ltr_data.open(archive / "Fold1/train.txt"), expected)
    assert (tmp_path / "MSLR.zip.Fold1.train.txt.safetensors").exists()
    with pytest.raises(FileNotFoundError, match=r"one member Fold3/train.txt.*MSLR/Fold1"):
        ltr_data.read(archive / "Fold3/train.txt")
    with pytest.raises(ValueError, match=r"`path` must name a member.*MSLR/Fold1/train.txt"):
        ltr_data.read(archive)
    archive.write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match="not a zip archive"):
        ltr_data.read(archive / "Fold1/train.txt")


@pytest.mark.parametrize("name", ["rank.train", "rank.train.gz"])
def test_lightgbm(tmp_path, expected, name):
    (tmp_path / name).write_bytes(gzip.compress(BARE) if name.endswith(".gz") else BARE)
    query_file = tmp_path / "rank.train.query"
    query_file.write_text("2\n1\n")
    assert same(ltr_data.read(tmp_path / name), expected)
    assert ltr_data.open(tmp_path / name).query_ids == ("1", "2")
    query_file.write_text("1\n2\n")  # the cache sees that the queries have changed
    assert ltr_data.open(tmp_path / name).lengths.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("sizes", "text", "message"),
    [
        ("2\n", BARE, r"rank.train:5: .*rank.train.query has the sizes of 1 queries with 2"),
        ("2\n2\n", BARE, r"rank.train.query: the sizes must add up.* 4 and 3"),
        ("3\n1\n", BARE, r"rank.train.query: the sizes must add up"),
        ("2\nx\n", BARE, r"rank.train.query:2: expected the size of a query, got 'x'"),
        ("0\n3\n", BARE, r"rank.train.query:1: "),
        ("2\n1\n", TEXT, r"rank.train:1: expected no query ids.*'qid:1'"),
        ("1\n2\n", BARE.replace(b"2:4", b"2:y"), r"rank.train:5: the value of feature 2.*'y'"),
    ],
)
def test_lightgbm_errors(tmp_path, sizes, text, message):
    (tmp_path / "rank.train").write_bytes(text)
    (tmp_path / "rank.train.query").write_text(sizes)
    with pytest.raises(ValueError, match=message):
        ltr_data.read(tmp_path / "rank.train")


def test_lightgbm_example():
    path = DATA / "lightgbm-lambdarank" / "rank.train.gz"
    if not path.exists():
        pytest.skip("needs lightgbm-lambdarank/rank.train.gz, which is not part of the repository")
    table = ltr_data.read(path)
    assert (table.num_documents, table.num_queries, len(table.feature_ids)) == (3005, 201, 300)
    assert set(table.labels) == {0, 1, 2, 3, 4}
