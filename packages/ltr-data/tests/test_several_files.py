"""Several files are one data set; queries that come back are put together on request."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltr_data
from ltr_data.mapped import _cache_file, _convert
from ltr_data.readers.svmrank import _blocks

PARTS = {
    "part-1.txt": "2 qid:1 1:0.5\n0 qid:1 1:1\n",
    "part-2.txt": "1 qid:2 1:2 2:7\n",
    "part-3.txt": "0 qid:3 1:3\n2 qid:4 3:1\n",
}


@pytest.fixture
def parts(tmp_path):
    for name, text in PARTS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def write(tmp_path, **texts):
    paths = []
    for name, text in texts.items():
        paths.append(tmp_path / f"{name}.txt")
        paths[-1].write_text(text)
    return paths


def same(table, other):
    return (
        np.array_equal(table.features, other.features)
        and np.array_equal(table.labels, other.labels)
        and np.array_equal(table.offsets, other.offsets)
        and table.query_ids == other.query_ids
    )


@pytest.mark.parametrize("cache", [True, False])
def test_a_pattern_is_the_files_one_after_the_other(parts, cache):
    whole = parts / "whole.txt"
    whole.write_text("".join(PARTS.values()))
    expected = ltr_data.open(whole, cache=False)
    assert expected.features.shape == (5, 3)
    listed = [parts / name for name in PARTS]
    for path in (str(parts / "part-*.txt"), parts / "part-?.txt", listed):
        for _ in range(2):  # the second is from the cache
            assert ltr_data.open(path, cache=cache).checksum() == expected.checksum()
    other_order = ltr_data.open(listed[::-1], cache=cache)
    assert other_order.query_ids == ("3", "4", "2", "1")


def test_a_change_of_any_file_is_seen(parts):
    pattern = parts / "part-*.txt"
    assert len(ltr_data.open(pattern)) == 4
    (parts / "part-2.txt").write_text("1 qid:9 1:2 2:7\n")
    assert ltr_data.open(pattern).query_ids == ("1", "9", "3", "4")
    (parts / "part-4.txt").write_text("1 qid:5 1:1\n")
    assert len(ltr_data.open(pattern)) == 5
    assert len(list(parts.glob("*.safetensors"))) == 2  # of three files, and of four


def test_progress_is_of_all_files(parts):
    calls = []
    pattern = parts / "part-*.txt"
    ltr_data.convert(pattern, progress=lambda *call: calls.append(call))
    size = sum(map(len, PARTS.values()))
    assert {total for _, total in calls} == {size}
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1][0] == size


@pytest.mark.parametrize("cache", [True, False])
def test_a_query_in_two_files_names_both(tmp_path, cache):
    for first in ("0 qid:7 1:1\n", "0 qid:7 1:1\n0 qid:8 1:1\n"):
        paths = write(tmp_path, a=first, b="# comment\n1 qid:7 1:2\n")
        with pytest.raises(ValueError, match=r"b.txt:2: query '7' comes back.*a.txt:1; `regroup"):
            ltr_data.open(paths, cache=cache)


def test_an_error_names_the_file(parts):
    (parts / "part-2.txt").write_text("1 qid:2 1:x\n")
    with pytest.raises(ValueError, match=r"part-2.txt:1: the value of feature 1"):
        ltr_data.read(parts / "part-*.txt")


def test_queries_of_lightgbm_are_counted_on(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.train").write_text("0 1:1\n1 1:2\n0 1:3\n")
        (tmp_path / f"{name}.train.query").write_text("2\n1\n")
    table = ltr_data.read(tmp_path / "*.train")
    assert table.query_ids == ("1", "2", "3", "4")
    assert table.lengths.tolist() == [2, 1, 2, 1]


def test_named_columns_must_agree(tmp_path):
    (tmp_path / "a.csv").write_text("qid,label,bm25\n1,0,2\n")
    (tmp_path / "b.csv").write_text("qid,label,pr\n2,0,2\n")
    with pytest.raises(ValueError, match=r"b.csv: expected the columns of .*a.csv, bm25, got pr"):
        ltr_data.read(tmp_path / "*.csv")


def test_no_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`path` must name a file, no file matches"):
        ltr_data.open(tmp_path / "part-*.txt")
    with pytest.raises(ValueError, match="`path` must be at least one file"):
        ltr_data.open([])
    with pytest.raises(TypeError, match="`path` must be a file, a pattern or a list"):
        ltr_data.open(7)


def test_a_name_with_signs_of_a_pattern_is_a_name(tmp_path):
    (tmp_path / "train[1].txt").write_text("1 qid:1 1:1\n")
    assert ltr_data.open(tmp_path / "train[1].txt").query_ids == ("1",)


@given(
    queries=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    cut=st.integers(0, 30),
    block_bytes=st.sampled_from([16, 100, 1 << 20]),
)
@settings(max_examples=40)
def test_regrouped_is_sorted_by_the_first_document(tmp_path_factory, queries, cut, block_bytes):
    folder = tmp_path_factory.mktemp("regroup")
    lines = [f"{i % 5} qid:{q} 1:{i} {i % 7 + 2}:{i + 0.5}\n" for i, q in enumerate(queries)]
    order = sorted(range(len(queries)), key=lambda i: queries.index(queries[i]))
    paths = write(folder, a="".join(lines[:cut]), b="".join(lines[cut:]))
    paths = [path for path in paths if path.stat().st_size]
    expected = ltr_data.read(write(folder, sorted="".join(lines[i] for i in order)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks.read_blocks, "__defaults__", (block_bytes,))
        patch.setattr(_cache_file, "_CHUNK_BYTES", 40)
        assert same(ltr_data.read(paths, regroup=True), expected)
        target = ltr_data.convert(paths, regroup=True)
    assert same(_cache_file.map_table(target), expected)
    assert {path.suffix for path in folder.iterdir()} == {".txt", ".safetensors"}


def test_regrouping_is_an_option_of_the_cache(tmp_path):
    (path,) = write(tmp_path, a="0 qid:1 1:1\n0 qid:2 1:2\n0 qid:1 1:3\n")
    with pytest.raises(ValueError, match=r"a.txt:3: query '1' comes back; it began in line 1"):
        ltr_data.open(path)
    assert ltr_data.open(path, regroup=True).features.ravel().tolist() == [1, 3, 2]
    with pytest.raises(ValueError, match="comes back"):
        ltr_data.open(path)
    assert _convert.cache_path(path).exists()
