"""The reader is right or says file and line, in every dialect."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltr_data
from ltr_data.readers.svmrank import _blocks, _dense, _fast, _tolerant

DATA = Path(__file__).parent / "../../../../shared/data"
DENSE = "2 qid:7 1:0.5 2:3\n0 qid:7 1:-1 2:0\n1 qid:9 1:1e-3 2:4\n"


def read(tmp_path, text, name="train.txt", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ltr_data.read_svmrank(path, **options)


@pytest.fixture
def dense(tmp_path):
    return read(tmp_path, DENSE)


def same(table, other):
    return (
        np.array_equal(table.features, other.features)
        and np.array_equal(table.labels, other.labels)
        and np.array_equal(table.offsets, other.offsets)
        and table.query_ids == other.query_ids
        and table.feature_ids == other.feature_ids
    )


def test_values(dense):
    assert dense.features.dtype == dense.labels.dtype == np.float32
    assert dense.features.tolist() == np.float32([[0.5, 3], [-1, 0], [1e-3, 4]]).tolist()
    assert dense.labels.tolist() == [2, 0, 1]
    assert dense.offsets.tolist() == [0, 2, 3]
    assert dense.query_ids == ("7", "9")
    assert dense.feature_ids == (1, 2)


@pytest.mark.parametrize(
    "text",
    [
        DENSE.replace("\n", "\r\n"),
        "\ufeff" + DENSE,  # the mark with which editors on Windows begin a file
        DENSE.replace(" ", "\t"),
        DENSE.replace("\n", " \n"),
        DENSE.replace("\n", "\t\n", 1),
        DENSE.replace(" ", "  "),
        DENSE.replace("\n", "\n\n  \n"),
        DENSE.replace("\n", " # docid = GX01 1:9 prob = 0.08\n"),
        DENSE.replace("\n", "#1:9\n"),
        "# a comment 1:2\n" + DENSE,
        DENSE.rstrip("\n"),
        DENSE.replace("1:0.5 2:3", "2:3 1:0.5"),
        DENSE.replace("1:-1 2:0", "1:-1"),
        DENSE.replace("0.5", "+5E-1").replace("3\n", ".3e1\n"),
        DENSE.replace("1:", "01:"),
    ],
)
def test_dialects_mean_the_same(tmp_path, dense, text):
    assert same(read(tmp_path, text), dense)


def test_gzip(tmp_path, dense):
    assert same(read(tmp_path, gzip.compress(DENSE.encode()), "train.txt.gz"), dense)


def test_query_ids_are_any_text(tmp_path):
    table = read(tmp_path, "1 qid:a-b:c 1:1\n1 qid:ärger 1:1\n1 qid:01 1:1\n1 qid:1 1:1\n")
    assert table.query_ids == ("a-b:c", "ärger", "01", "1")


def test_negative_and_fractional_labels_stay(tmp_path):
    assert read(tmp_path, "-1 qid:1 1:1\n0.25 qid:1 1:1\n").labels.tolist() == [-1, 0.25]


def test_missing_and_extra_feature_with_equal_count(tmp_path):
    table = read(tmp_path, "0 qid:1 1:1 2:2 3:3\n0 qid:1 1:1 2:2 4:4\n")
    assert table.features.tolist() == [[1, 2, 3, 0], [1, 2, 0, 4]]


def test_absent_is_zero_and_width_is_the_largest(tmp_path):
    assert read(tmp_path, "0 qid:1\n0 qid:1 3:1\n").features.tolist() == [[0, 0, 0], [0, 0, 1]]


def test_num_features_widens(tmp_path, dense):
    wide = read(tmp_path, DENSE, num_features=4)
    assert wide.feature_ids == (1, 2, 3, 4)
    assert np.array_equal(wide.features[:, :2], dense.features)
    assert not wide.features[:, 2:].any()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (DENSE + "0 qid:9 1:1 2:nan\n", 4, "value of feature 2 .* 'nan'"),
        (DENSE + "0 qid:9 1:NULL 2:1\n", 4, "value of feature 1 .* 'NULL'"),
        (DENSE + "0 qid:9 1:inf 2:1\n", 4, "value of feature 1 .* 'inf'"),
        (DENSE + "0 qid:9 1:1e39 2:1\n", 4, "value of feature 1 .* '1e39'"),
        (DENSE + "0 qid:9 1: 2:1\n", 4, "value of feature 1 .* ''"),
        (DENSE + "0 qid:9 1:1_0 2:1\n", 4, "value of feature 1 .* '1_0'"),
        (DENSE + "0 qid:9 1:0x1 2:1\n", 4, "value of feature 1 .* '0x1'"),
        (DENSE + "0 qid:9 1:1:1 2:1\n", 4, "value of feature 1 .* '1:1'"),
        (DENSE + "0 qid:9 1:1 1:1\n", 4, "feature 1 is given twice"),
        (DENSE + "0 qid:9 0:1 1:1\n", 4, "numbered from 1, got 0"),
        (DENSE + "0 qid:9 -1:1 1:1\n", 4, "expected <feature>:<value>, got '-1:1'"),
        (DENSE + "0 qid:9 1_1:1 1:1\n", 4, "expected <feature>:<value>, got '1_1:1'"),
        (DENSE + "0 qid:9 1 1:2 2\n", 4, "expected <feature>:<value>, got '1'"),
        (DENSE + "0 qid:9 1 0.5:2:3\n", 4, "expected <feature>:<value>, got '1'"),
        (DENSE + "0 qid:9 99999999999999999999999:1\n", 4, "above the largest"),
        (DENSE + "good qid:9 1:1 2:1\n", 4, "the label .* 'good'"),
        (DENSE + "nan qid:9 1:1 2:1\n", 4, "the label .* 'nan'"),
        (DENSE + "1,0 qid:9 1:1 2:1\n", 4, "the label .* '1,0'"),
        (DENSE + "0 qid: 1:1 2:1\n", 4, "query id is empty"),
        (DENSE + "0 1:1 2:1\n", 4, "must be qid:<id>, got '1:1'"),
        (DENSE.replace("\n", " \n") + "0 qid:9 1:1 2:1 5\n", 4, "got '5'"),
        (DENSE + "0 q1id:9 1:1 2:1\n", 4, "must be qid:<id>, got 'q1id:9'"),
        (DENSE + "0\n", 4, "must be qid:<id>, got the end of the line"),
        (DENSE + "0 qid 9 1:1 2:1\n", 4, "must be qid:<id>, got 'qid'"),
        (b"0 qid:\xff 1:1\n", 1, "must be UTF-8"),
        (DENSE + "# x\n\n0 qid:7 1:1 2:1\n", 6, "query '7' comes back; it began in line 1 "),
        ("\n\n" + DENSE + "0 qid:7 1:1 2:1\n", 6, "query '7' comes back; it began in line 3 "),
        ("0 qid:1 0:1 1:1 2:1\n", 1, "numbered from 1, got 0"),
    ],
)
def test_wrong_lines_are_named(tmp_path, text, line, message):
    with pytest.raises(ValueError, match=re.escape(f"train.txt:{line}: ") + ".*" + message):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["0 qid:1 1:1 2:1 3:1\n", "0 qid:1 3:1\n"])
def test_feature_above_num_features(tmp_path, text):
    with pytest.raises(ValueError, match=r"train.txt:2: .*`num_features`.* 2, got 3"):
        read(tmp_path, "0 qid:1 1:1 2:1\n" + text, num_features=2)


def test_lines_are_counted_over_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(_blocks.read_blocks, "__defaults__", (64,))
    lines = [f"0 qid:{i} 1:1 2:2" for i in range(100)]
    lines[77] = "0 qid:77 1:1 2:x"
    with pytest.raises(ValueError, match=r"train.txt:78: .*'x'"):
        read(tmp_path, "\n".join(lines))


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_no_documents(tmp_path, text):
    with pytest.raises(ValueError, match=r"train.txt: there are no documents"):
        read(tmp_path, text)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`path`.* there is no .*absent.txt"):
        ltr_data.read_svmrank(tmp_path / "absent.txt")
    with pytest.raises(IsADirectoryError, match="`path`"):
        ltr_data.read_svmrank(tmp_path)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-20], lambda b: b"plain text", lambda b: b[:40] + b"x" * 40 + b[80:]]
)
def test_damaged_gzip(tmp_path, damage):
    whole = gzip.compress("".join(f"0 qid:{i} 1:{i * 7919}\n" for i in range(500)).encode())
    with pytest.raises(ValueError, match=r"train.txt.gz: the compressed data are damaged"):
        read(tmp_path, damage(whole), "train.txt.gz")


numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
styles = st.sampled_from(["dense", "sparse", "shuffled"])


@st.composite
def files(draw):
    """A table and its text in some dialect, mixed line by line."""
    width = draw(st.integers(1, 5))
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    style = draw(styles)
    eol = draw(st.sampled_from(["\n", "\r\n", " \n", "\t\r\n", " # 1:1 qid:0\n", "\n\n"]))
    rows, labels, text = [], [], []
    for query, length in enumerate(lengths):
        for _ in range(length):
            row = draw(st.lists(numbers, min_size=width, max_size=width))
            label = draw(st.integers(-1, 4))
            fields = [f"{j}:{np.float32(v)!s}" for j, v in enumerate(row, start=1)]
            if style != "dense":
                fields = [f for f, v in zip(fields, row, strict=True) if v or draw(st.booleans())]
            if style == "shuffled":
                fields = draw(st.permutations(fields))
            rows.append(row)
            labels.append(label)
            text.append(
                " ".join(
                    [str(label), f"qid:q{query}" if style == "sparse" else f"qid:{query}", *fields]
                )
            )
    return (
        np.float32(rows),
        np.float32(labels),
        lengths,
        eol.join(text) + draw(st.sampled_from(["", eol])),
    )


@given(file=files(), block_bytes=st.sampled_from([16, 100, 1 << 20]))
@settings(max_examples=80)
def test_any_dialect_reads_as_written(tmp_path_factory, file, block_bytes):
    features, labels, lengths, text = file
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_text(text, newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks.read_blocks, "__defaults__", (block_bytes,))
        table = ltr_data.read_svmrank(path, num_features=features.shape[1])
    assert np.array_equal(table.features, features)
    assert np.array_equal(table.labels, labels)
    assert table.lengths.tolist() == lengths


@given(text=st.text(alphabet="01 2:.\tqid\n#-+enaN\r_", max_size=60), dense_line=st.booleans())
@settings(max_examples=250)
def test_the_fast_way_never_differs_from_the_tolerant_one(text, dense_line):
    prefix = "1 qid:1 1:2\n" if dense_line else ""
    block = _blocks.Block(Path("x"), 1, (prefix + text + "\n").encode())
    fast = _fast.parse_block(block)
    if fast is None:
        return
    rows = _tolerant.parse_lines(block)
    assert np.array_equal(fast.labels, rows.labels)
    assert fast.query_ids == rows.query_ids
    assert np.array_equal(fast.starts, rows.starts)
    assert np.array_equal(fast.lines, rows.lines)
    assert fast.width == rows.width
    assert np.array_equal(fast.matrix(fast.width), rows.matrix(rows.width))


@given(
    position=st.integers(0, 100),
    more=st.booleans(),
    removed=st.integers(0, 1),
    inserted=st.sampled_from(list("0123456789.: \t-+eqx#\n")),
    trailing=st.booleans(),
)
@settings(max_examples=400)
def test_one_wrong_byte_is_never_read_wrongly(position, more, removed, inserted, trailing):
    text = "2 qid:7 1:0.5 2:3\n0 qid:7 1:10 2:0\n1 qid:9 1:1 2:4\n"
    if more:
        text = text.replace("\n", " 3:0 4:0 5:0 6:0 7:0 8:0 9:0 10:2 11:3\n")
    if trailing:
        text = text.replace("\n", " \n")
    position %= len(text)
    text = text[:position] + inserted + text[position + removed :] + "\n"  # as all blocks end
    block = _blocks.Block(Path("x"), 1, text.encode())
    fast = _fast.parse_block(block)
    if fast is not None:
        rows = _tolerant.parse_lines(block)
        assert np.array_equal(fast.matrix(fast.width), rows.matrix(rows.width))
        assert fast.query_ids == rows.query_ids
        assert np.array_equal(fast.labels, rows.labels)


@pytest.mark.parametrize("text", [DENSE, DENSE.replace("\n", " \n")])
def test_dense_text_takes_the_quickest_way(text):
    assert _dense.parse_dense(text.encode(), 1) is not None


@pytest.mark.parametrize(
    "text",
    [
        DENSE.replace("\n", " \r\n"),
        DENSE.replace("\n", " #docid = a\n"),
        DENSE.replace("2:3", "3:3"),
    ],
)
def test_well_formed_text_takes_the_fast_way(text):
    assert _fast.parse_block(_blocks.Block(Path("x"), 1, text.encode())) is not None


@pytest.mark.parametrize("width", [1, 9, 10, 11, 99, 100, 101, 999, 1000, 1200, 10_001])
def test_keys_of_any_number_of_digits(tmp_path, width):
    rows = np.arange(3 * width, dtype=np.float32).reshape(3, width)
    text = "".join(
        f"0 qid:1 {' '.join(f'{j}:{v:g}' for j, v in enumerate(row.tolist(), start=1))}\n"
        for row in rows
    )
    assert np.array_equal(read(tmp_path, text).features, rows)
    wrong = text.replace(f" {width}:", f" {width + 1}:", 1)
    assert read(tmp_path, wrong).features.shape == (3, width + 1)


IDS = ["GX008-86-4444840", "a#b", "ü:1", "7"]


@pytest.mark.parametrize("form", [" #docid = {} inc = 1 prob = 0.08", "# docid={}", "\t#DOCID ={}"])
@pytest.mark.parametrize("block_bytes", [16, 1 << 19])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n# docid = none of these\n"])
def test_ids_in_comments(tmp_path, monkeypatch, form, block_bytes, end):
    monkeypatch.setattr(_blocks.read_blocks, "__defaults__", (block_bytes,))
    lines = [f"0 qid:1 1:{i} 2:3" + form.format(name) + end for i, name in enumerate(IDS)]
    table = read(tmp_path, "".join(lines))
    assert list(table.document_ids) == IDS
    assert table.features.tolist() == [[i, 3] for i in range(4)]
    lines[2] = "0 qid:1 1:2 2:3 # inc = 1, docid = x\n"
    assert read(tmp_path, "".join(lines)).document_ids is None
    lines[2] = "0 qid:1 1:2 2:3\n"
    assert read(tmp_path, "".join(lines)).document_ids is None


def test_a_comment_in_latin_1_is_no_id(tmp_path):
    assert read(tmp_path, b"0 qid:1 1:1 #docid = \xfcber\n").document_ids is None


def test_ids_of_regrouped_documents_and_of_a_converted_file(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("1 qid:1 1:2 #docid = a\n0 qid:2 1:2 #docid = b\n0 qid:1 1:1 #docid = c\n")
    dataset = ltr_data.open(path, regroup=True)
    assert list(dataset.document_ids) == ["a", "c", "b"]
    assert list(dataset.batch([1]).document_ids) == [("b",)]


def test_mq2008_has_ids():
    path = DATA / "mq2008-fold1" / "vali.txt.gz"
    if not path.exists():
        pytest.skip("needs the real data mq2008-fold1, which is not part of the repository")
    ids = ltr_data.read(path).document_ids
    text = gzip.decompress(path.read_bytes()).decode()
    assert list(ids) == re.findall(r"#docid = (\S+)", text)


@given(
    rows=st.lists(st.dictionaries(st.integers(0, 12), numbers), min_size=1, max_size=6),
    block_bytes=st.sampled_from([16, 1 << 20]),
    end=st.sampled_from(["\n", " # 1 0:7\n", "\n\n"]),
)
@settings(max_examples=80)
def test_files_that_count_from_0(tmp_path_factory, rows, block_bytes, end):
    path = tmp_path_factory.getbasetemp() / "zero.txt"
    fields = [" ".join(f"{key}:{np.float32(v)!s}" for key, v in row.items()) for row in rows]
    path.write_text("".join(f"0 qid:1 {field}{end}" for field in fields))
    features = np.zeros((len(rows), 13), dtype=np.float32)
    for row, given_values in enumerate(rows):
        features[row, list(given_values)] = list(given_values.values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks.read_blocks, "__defaults__", (block_bytes,))
        shifted = ltr_data.read_svmrank(path, num_features=13, zero_based=True)
        assert np.array_equal(shifted.features, features)
        if any(0 in row for row in rows):
            for read in (ltr_data.read_svmrank, ltr_data.read):
                table = read(path, num_features=13, zero_based="auto")
                assert np.array_equal(table.features, features)
            with pytest.raises(ValueError, match="numbered from 1, got 0; `zero_based=True`"):
                ltr_data.read_svmrank(path)
        else:
            table = ltr_data.read_svmrank(path, num_features=12, zero_based="auto")
            assert np.array_equal(table.features, features[:, 1:])


def test_one_file_that_counts_from_0_shifts_all_of_a_data_set(tmp_path):
    (tmp_path / "a.txt").write_text("0 qid:1 1:5\n")
    (tmp_path / "b.txt").write_text("0 qid:2 0:6 1:7\n")
    dataset = ltr_data.open(str(tmp_path / "*.txt"), zero_based="auto")
    assert dataset.features.tolist() == [[0, 5], [6, 7]]
    (tmp_path / "b.txt").write_text("0 qid:2 1:6 2:7\n")
    dataset = ltr_data.open(str(tmp_path / "*.txt"), zero_based="auto")
    assert dataset.features.tolist() == [[5, 0], [6, 7]]


def test_the_dialect_is_part_of_what_a_converted_file_is(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("0 qid:1 1:5 2:1e39\n")
    for _ in range(2):
        assert ltr_data.open(path, clip=True).features.shape == (1, 2)
        assert ltr_data.open(path, clip=True, zero_based=True).features.shape == (1, 3)
    with pytest.raises(ValueError, match="1e39"):
        ltr_data.open(path)
    with pytest.raises(ValueError, match="`zero_based` must be True, False or \"auto\", got 'yes'"):
        ltr_data.open(path, zero_based="yes")


@pytest.mark.parametrize("prefix", ["", "1 qid:0 2:3 1:4\n", "1 qid:0\n\n"])
@pytest.mark.parametrize("end", ["\n", " \n"])
def test_numbers_beyond_float32_are_clipped_on_request(tmp_path, prefix, end):
    largest = np.finfo(np.float32).max
    text = f"{prefix}1 qid:1 1:1.79769313486232e+308 2:-1e39{end}0 qid:1 1:+{'9' * 400} 2:.5{end}"
    with pytest.raises(ValueError, match=r"feature 1 must be .*; `clip=True` reads it as the larg"):
        read(tmp_path, text)
    table = read(tmp_path, text, clip=True)
    assert table.features[-2:].tolist() == [[largest, -largest], [largest, 0.5]]
    if prefix:
        return
    for written in ("inf", "-Infinity", "nan", "1e", "x"):
        with pytest.raises(ValueError, match=f"feature 2 must be .*, got '{written}'$"):
            read(tmp_path, text + f"0 qid:1 1:1e99 2:{written}\n", clip=True)
        with pytest.raises(ValueError, match=f"feature 2 must be .*, got '{written}'$"):
            read(tmp_path, f"0 qid:1 1:1 2:{written}\n")
