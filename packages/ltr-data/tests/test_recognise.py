"""A file of another kind is told from ranking text, and its owner what to do."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltr_data
from ltr_data.readers._recognise import recognise, recognise_line

TEXT = b"".join(b"2 qid:%d 1:0.5 2:-1e-3\n" % query for query in range(90))
TABLE = pa.table({"qid": [1, 1], "label": [0, 1], "a": [0.5, 2]})


def in_memory(write, *args, **options):
    file = io.BytesIO()
    write(*args, file, **options)
    return file.getvalue()


def tar(mode):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        about = tarfile.TarInfo("train.txt")
        about.size = len(TEXT)
        archive.addfile(about, io.BytesIO(TEXT))
    return file.getvalue()


def zipped(name):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, TEXT)
    return file.getvalue()


def npz():
    file = io.BytesIO()
    np.savez(file, features=np.eye(3))
    return file.getvalue()


def npy():
    file = io.BytesIO()
    np.save(file, np.eye(3))
    return file.getvalue()


def arrow_stream():
    file = io.BytesIO()
    with pa.ipc.new_stream(file, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return file.getvalue()


def sqlite():
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table t (a)")
        content = connection.serialize()
    connection.close()
    return content


KINDS = {
    "gzip": (gzip.compress(TEXT), r"compressed, with gzip, .* must end in \.gz"),
    "zstd": (pa.compress(TEXT, codec="zstd", asbytes=True), r"with zstd, .* must end in \.zst"),
    "bzip2": (bz2.compress(TEXT, 1), r"with bzip2, .* must end in \.bz2"),
    "xz": (lzma.compress(TEXT), r"with xz, .* must end in \.xz"),
    "lz4": (pa.compress(TEXT, codec="lz4", asbytes=True), r"with LZ4; decompress it, or use .gz"),
    "tar": (tar("w"), "a tar archive; unpack it"),
    "zip": (zipped("train.txt"), r"with zip, so the name must end in \.zip"),
    "npz": (npz(), r"NumPy's .npz; .*`ltr_data.from_numpy`"),
    "npy": (npy(), "a NumPy array; .*`ltr_data.from_numpy`"),
    "xlsx": (zipped("[Content_Types].xml"), "an Excel workbook; save it as CSV"),
    "parquet": (in_memory(pa.parquet.write_table, TABLE), r"Parquet, .*must end in \.parquet"),
    "feather": (in_memory(pa.feather.write_feather, TABLE), r"Feather file, .* end in \.arrow"),
    "feather 1": (b"FEA1\0\0\0\0" + bytes(99), "an old Feather file; .*`ltr_data.from_arrow`"),
    "arrow stream": (arrow_stream(), "an Arrow stream; .*`ltr_data.from_arrow`"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file; .*`ltr_data.from_pandas`"),
    "pickle": (pickle.dumps([1.5] * 99), "a pickle; if you trust its source"),
    "pickle 2": (pickle.dumps([1.5] * 99, 2), "a pickle; if you trust its source"),
    "sqlite": (sqlite(), "an SQLite data base"),
    "lightgbm": (b"______LightGBM_Binary_File_Token______\n" + bytes(99), "LightGBM's binary data"),
    "xgboost": (b"\x01\xab\xff\xff" + bytes(99), "XGBoost's binary data; give the text"),
    **{
        codec: (TEXT.decode().encode(codec), f"text in {codec[:6].upper()}; save it as UTF-8")
        for codec in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
    },
    "html": (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page; the download"),
    "xml": (b"<?xml version='1.0'?><error/>", "a web page; the download"),
}
TEXTS = {
    "qrels": (b"301 0 FBIS3-10082 1\n301 0 b 0\n", "qrels of TREC; `ltr_data.trec.read_qrels`"),
    "run": (b"301 Q0 FBIS3 1 12.5 bm25\n", "a run of TREC; `ltr_data.trec.read_run` reads it"),
    "jsonl": (b'{"qid": 1, "label": 2}\n', r"JSON lines, so the name must end in \.jsonl"),
    "json": (json.dumps([{"qid": 1}]).encode(), "a JSON array; read it with pandas"),
    "csv": (b"qid,label,a\n1,2,3\n", r"names of its columns, so the name must end in \.csv"),
    "csv ;": (b"qid;label;a b\n1;2;3\n", r"names of its columns, so the name must end in \.csv"),
    "tsv": (b"qid\tlabel\ta b\n1\t2\t3\n", r"names of its columns, .* must end in \.tsv"),
    "numbers": (b"\n2\t0.5\t3e-1\n", "a table without the names of its columns; write them"),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("file", ["train.txt", "train.csv", "train.svm.gz", "a.zip/train.txt"])
def test_binary_content(tmp_path, name, file):
    content, message = KINDS[name]
    path = tmp_path / file
    if file.endswith(".gz"):
        path.write_bytes(gzip.compress(content))
    elif ".zip" in file:
        with zipfile.ZipFile(path.parent, "w") as archive:
            archive.writestr("train.txt", content)
    else:
        path.write_bytes(content)
    for read in (ltr_data.read, ltr_data.open):
        with pytest.raises(ValueError, match=f"^{path}: the content is .*{message}"):
            read(path)


@pytest.mark.parametrize("name", TEXTS)
def test_text_of_another_kind(tmp_path, name):
    content, message = TEXTS[name]
    path = tmp_path / "train.txt"
    path.write_bytes(content)
    for read in (ltr_data.read_svmrank, ltr_data.open):
        with pytest.raises(ValueError, match=r"train.txt:[12]: the second.*; the content is .*"):
            read(path)
        with pytest.raises(ValueError, match=message):
            read(path)
    path.write_bytes(TEXT + content)  # a wrong line of a right file
    with pytest.raises(ValueError, match=r"train.txt:9[12]: the second field must be [^;]*$"):
        ltr_data.read(path)


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", lambda text: pa.compress(text, codec="zstd", asbytes=True)),
        (".BZ2", bz2.compress),
    ],
)
def test_compressed(tmp_path, suffix, compress):
    text = b"".join(b"%d qid:%d 1:%d 2:3\n" % (i % 5, i, i * i) for i in range(3000))
    plain, path = tmp_path / "train.txt", tmp_path / f"train.txt{suffix}"
    plain.write_bytes(text)
    path.write_bytes(compress(text))
    expected = ltr_data.read(plain)
    assert np.array_equal(ltr_data.read(path).features, expected.features)
    assert np.array_equal(ltr_data.open(path).labels[0], expected.labels)
    assert np.array_equal(ltr_data.read(path, zero_based="auto").features, expected.features)
    csv = tmp_path / f"x.csv{suffix.lower()}"
    csv.write_bytes(compress(b"qid,label,%s\n1,2,3\n" % (b"a" * 1000)))
    assert ltr_data.read(csv).feature_names == ("a" * 1000,)
    whole = compress(text)
    for damaged in (whole[:-9], whole[:-1000], b"plain text", b"", whole[:90] + b"x" * 90):
        path.write_bytes(damaged)
        with pytest.raises(
            ValueError, match=rf"train.txt{suffix}: (the compressed data are|there are no docum)"
        ):
            ltr_data.read(path)
    for other in {".gz", ".bz2", ".xz", ".zst"} - {suffix.lower()}:
        wrong = tmp_path / f"wrong.txt{other}"
        wrong.write_bytes(whole)
        with pytest.raises(ValueError, match=rf"the name must end in \{suffix.lower()}"):
            ltr_data.read(wrong)


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0<"), max_size=40))
def test_text_in_utf_8_is_not_taken_for_something_else(text):
    content = text.encode()
    named = (b"PAR1", b"ARROW1", b"FEA1", b"BZh", b"PK\x03\x04", b"SQLite", b"\x04", b"______Light")
    if not content.startswith(named):
        assert recognise(content) is None


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=9), st.sampled_from([" ", "\t", "  "]))
def test_svmrank_is_not_taken_for_something_else(values, blank):
    fields = ["1", "qid:3", *(f"{i}:{value}" for i, value in enumerate(values, start=1))]
    assert recognise_line(blank.join(fields).encode()) is None


def test_a_path_is_no_data_to_describe(tmp_path):
    for path in (tmp_path, str(tmp_path)):
        with pytest.raises(
            TypeError, match=r"`data` must be a table or a data set, .*`ltr_data.op"
        ):
            ltr_data.describe(path)
