"""Every way to store a file gives the same table."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import ltr_data
from ltr_data.readers.svmrank import _blocks

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


@pytest.fixture
def bare(tmp_path):
    """A file of three documents in two queries, without query ids."""
    path = tmp_path / "rank.train"
    path.write_bytes(BARE)
    path.with_name("rank.train.query").write_text("2\n1\n")
    return path


def test_xgboost_groups(bare, expected):
    bare.with_name("rank.train.query").rename(bare.with_name("rank.train.group"))
    assert same(ltr_data.read(bare), expected)
    bare.with_name("rank.train.query").write_text("2\n1\n")
    assert same(ltr_data.read(str(bare) + "*"), expected)  # those beside it are no data
    bare.with_name("rank.train.query").write_text("1\n2\n")
    with pytest.raises(ValueError, match=r"rank.train: .*rank.train.query and rank.train.group, w"):
        ltr_data.read(bare)


@pytest.mark.parametrize(
    ("text", "weights"),
    [("0.5\n0\n2e0\n", [0.5, 0, 2]), (b"\n.1\r\n7", [0.1, 0.1, 7])],
    ids=["per document", "per query"],
)
def test_weights(bare, text, weights):
    weight_file = bare.with_name("rank.train.weight")
    weight_file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert ltr_data.read(bare).weights.tolist() == np.float32(weights).tolist()
    dataset = ltr_data.open(bare)
    assert dataset.weights.tolist() == np.float32(weights).tolist()
    assert dataset.batch([0]).weights.tolist() == [np.float32(weights[:2]).tolist()]
    weight_file.write_text("3\n4\n5\n")  # the cache sees that the weights have changed
    assert ltr_data.open(bare).weights.tolist() == [3, 4, 5]
    weight_file.unlink()
    assert ltr_data.open(bare).weights is None


def test_weights_beside_text_with_query_ids(tmp_path, monkeypatch):
    monkeypatch.setattr(_blocks.read_blocks, "__defaults__", (16,))
    (tmp_path / "x.txt").write_bytes(TEXT)
    (tmp_path / "x.txt.weight").write_text("1\n2\n3\n")
    assert ltr_data.read(tmp_path / "x.txt").weights.tolist() == [1, 2, 3]
    for text in ("1\n2\n", "1\n2\n3\n4\n"):
        (tmp_path / "x.txt.weight").write_text(text)
        with pytest.raises(ValueError, match=r"x.txt.weight: expected 3 weights, one per document"):
            ltr_data.read(tmp_path / "x.txt")


LONG = b"9" * 5000


@pytest.mark.parametrize(
    ("suffix", "content", "message"),
    [
        *(
            (suffix, content, rf"rank.train{suffix}:2: expected the size of a query, got '{found}")
            for suffix in (".query", ".group")
            for content, found in [
                (b"2\n\xff1\n", r"\\\\xff1"),
                (b"2\n" + LONG, "9999"),
                ("2\n\u0661\n".encode(), ""),
                (b"2\n1_0\n", "1_0"),
                (b"2\n-1\n", "-1"),
            ]
        ),
        (".weight", b"1\n\xff\n3\n", r":2: the weight must be a finite float32 number, got '.*xff"),
        (".weight", b"1\n" + LONG, r":2: the weight must be a finite float32 number, got '9999"),
        (".weight", b"1\nnan\n3\n", r":2: the weight must be a finite float32 number, got 'nan'"),
        (".weight", b"1\n-1\n3\n", r"rank.train.weight:2: a weight must not be negative, got -1.0"),
        (".weight", b"1\n", r"expected 3 weights, one per document, or 2, one per query, got 1"),
        (".weight", b"", r"expected 3 weights, one per document, or 2, one per query, got 0"),
        (".weight", b"1\n" * 4, r"expected 3 weights, one per document, or 2, .*got 4"),
    ],
)
def test_wrong_files_beside(bare, suffix, content, message):
    if suffix == ".group":
        bare.with_name("rank.train.query").unlink()
    bare.with_name("rank.train" + suffix).write_bytes(content)
    for read in (ltr_data.read, ltr_data.open):
        with pytest.raises(ValueError, match=message) as caught:
            read(bare)
        assert len(str(caught.value)) < 1000


def test_zero_based_lightgbm(bare):
    bare.write_bytes(b"2 0:0.5 1:3\n0 0:-1 1:0\n1 1:4\n")
    table = ltr_data.read(bare, zero_based=True)
    assert table.features.tolist() == [[0.5, 3], [-1, 0], [0, 4]]


def test_dialects_are_of_text_alone(tmp_path):
    (tmp_path / "x.csv").write_text("qid,label,a\n1,0,1\n")
    for options in ({"zero_based": True}, {"zero_based": "auto"}):
        for read in (ltr_data.read, ltr_data.open):
            with pytest.raises(ValueError, match="`zero_based` is for SVMrank text"):
                read(tmp_path / "x.csv", **options)
