"""Columns of numbers in their own ways, of words, and with gaps, in every format."""

import bz2
import csv
import gzip
import io
import json
import lzma
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltr_data
from ltr_data import Columns
from ltr_data._kinds import GAPS, KINDS, infer_kind, parse_text, parse_texts

STAYS = Path(__file__).parents[4] / "shared" / "data" / "stays"
COLUMNS = Columns(query="list", id="item", infer=True)
ROWS = [
    {"list": "NA", "item": "a", "price": "$1,119.00", "rate": "96%", "host": "t", "room": "Entire"},
    {"list": "NA", "item": "b", "price": "-$5", "rate": "N/A", "host": "f", "room": "Private, ü"},
    {"list": "007", "item": "c", "price": "", "rate": "0%", "host": "", "room": "?"},
    {"list": "007", "item": "None", "price": "80", "rate": "100%", "host": "T", "room": "Entire"},
]
VALUES = [[1119, 96, 1, 0], [-5, np.nan, 0, 1], [np.nan, 0, np.nan, np.nan], [80, 100, 1, 0]]


def as_csv(rows, separator=","):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_json(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write(path, rows):
    table = pa.Table.from_pylist(rows)
    name = path.name
    if name.endswith(".parquet"):
        pa.parquet.write_table(table, path)
    elif name.endswith((".arrow", ".feather")):
        pa.feather.write_feather(table, str(path), compression="uncompressed")
    else:
        separator = {".tsv": "\t"}.get(path.suffixes[0], ";" if "semicolon" in name else ",")
        content = as_json(rows) if ".jsonl" in name else as_csv(rows, separator)
        pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
        pack[".zst"] = lambda data: pa.compress(data, "zstd", asbytes=True)
        path.write_bytes(pack.get(path.suffix, bytes)(content))


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        *("x.csv", "x.tsv", "semicolon.csv", "x.csv.gz", "x.csv.bz2", "x.csv.xz", "x.csv.zst"),
        *("x.parquet", "x.arrow", "x.feather", "x.jsonl", "x.jsonl.gz"),
    ],
)
def test_every_format_gives_the_same_table(tmp_path, name, cache):
    path = tmp_path / name
    write(path, ROWS)
    table = ltr_data.open_table(path, columns=COLUMNS, cache=cache)
    assert table.names == ("price", "rate", "host", "room")
    assert table.kinds == {1: "money", 2: "percent", 3: "flag", 4: "words"}
    assert table.words == {4: ("Entire", "Private, ü")}
    assert table.query_ids == ("NA", "007")
    assert list(table.document_ids) == ["a", "b", "c", "None"]
    assert table.labels is None
    assert table.nullable == (1, 2, 3, 4)
    np.testing.assert_array_equal(table.features, np.array(VALUES, dtype=np.float32))


def test_parts_share_words_and_kinds(tmp_path):
    write(tmp_path / "part-1.csv", ROWS[:2])
    write(tmp_path / "part-2.csv", ROWS[2:][::-1])
    whole = ltr_data.read(str(tmp_path / "part-*.csv"), columns=COLUMNS)
    assert whole.words == {4: ("Entire", "Private, ü")}
    np.testing.assert_array_equal(whole.features[[0, 1, 3, 2]], np.array(VALUES, dtype=np.float32))


def test_a_row_per_query(tmp_path):
    lists = {"qid": [7, 8], "label": [[1.0, 0.0], [2.0]], "bm25": [[0.5, 1.5], [3.0]]}
    pa.parquet.write_table(pa.table(lists), tmp_path / "x.parquet")
    table = ltr_data.read(tmp_path / "x.parquet")
    assert table.lengths.tolist() == [2, 1]
    assert table.labels.tolist() == [1, 0, 2]
    assert table.features.ravel().tolist() == [0.5, 1.5, 3]
    lists["bm25"] = [[0.5], [3.0]]
    with pytest.raises(ValueError, match=r"table:1: the lists of a query .* 2 in 'label' and 1 in"):
        ltr_data.from_arrow(pa.table(lists))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("many", r"x.csv:3: column 'beds' must hold numbers, got 'many'.*kinds=.*'words'"),
        ("$9", r"x.csv:3: column 'beds' must hold numbers, got '\$9'.*kinds=.*'money'"),
    ],
)
def test_a_typo_makes_no_words(tmp_path, value, message):
    """The first block holds numbers alone; what comes later must be numbers too."""
    path = tmp_path / "x.csv"
    path.write_text(f"qid,beds\n1,2\n1,{value}\n")
    with pytest.raises(ValueError, match=message):
        ltr_data.read(path)
    words = ltr_data.read(path, columns=Columns(kinds={"beds": "words"}))
    assert words.words == {1: ("2", value)}


def test_what_comes_after_the_first_block_must_fit(tmp_path):
    path = tmp_path / "x.csv"
    rows = "1,2,t\n" * 1_000_000  # more than a block
    path.write_text("qid,beds,host\n" + rows + "1,2,maybe\n")
    with pytest.raises(ValueError, match=r"x.csv:1000002: column 'host' .* 'flag', got 'maybe'"):
        ltr_data.read(path, columns=Columns(infer=True))
    path.write_text("qid,beds,host\n" + rows + "1,two,t\n")
    with pytest.raises(ValueError, match=r"x.csv:1000002: column 'beds' .* got 'two'"):
        ltr_data.read(path, columns=Columns(infer=True))


def test_weights_of_columns(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("qid,bm25,label,w,p,k\n1,2,0,1,1,1\n1,3,1,2,0.5,4\n")
    roles = {"weight": "w", "propensity": "p", "position": "k", "position_bias": 0.5}
    table = ltr_data.read(path, columns=Columns(**roles))
    assert table.names == ("bm25",)
    assert table.weights.tolist() == [1.0, 2.0 / 0.5 * 4**0.5]
    dataset = ltr_data.RankingDataset.from_table(table)
    weights = dataset.batch([0], pad_to=(2, 3)).weights
    assert weights.tolist() == [[1.0, 8.0, 0.0], [0.0, 0.0, 0.0]]
    for old, new, message in (
        ("2,0.5,4", "-2,0.5,4", "x.csv:3: column 'w' must not be negative, got -2"),
        ("2,0.5,4", "2,0,4", r"x.csv:3: column 'p' must be in \(0, 1\], got 0"),
        ("2,0.5,4", "2,0.5,0", "x.csv:3: column 'k' must be at least 1, got 0"),
    ):
        path.write_text("qid,bm25,label,w,p,k\n1,2,0,1,1,1\n1,3,1,2,0.5,4\n".replace(old, new))
        with pytest.raises(ValueError, match=message):
            ltr_data.read(path, columns=Columns(**roles))


number = st.floats(-1e6, 1e6).map(lambda x: f"{x:g}")
money = st.decimals(0, 10**7, places=2).map(lambda x: f"${x:,}")


@given(st.lists(money, min_size=1))
def test_money_means_its_number(texts):
    assert infer_kind(texts) == "money"
    for text in texts:
        assert parse_text("money", text) == float(text[1:].replace(",", ""))
        assert parse_text("money", "-" + text) == -parse_text("money", text)


@given(
    st.lists(st.sampled_from(["number", "words", "percent", "flag"]), min_size=1, max_size=4),
    st.data(),
)
@settings(max_examples=40, deadline=None)
def test_columns_are_what_their_texts_say(tmp_path_factory, kinds, data):
    texts = {
        "number": number,
        "percent": st.integers(0, 100).map(lambda x: f"{x}%"),
        "flag": st.sampled_from(["t", "f"]),
        "words": st.sampled_from(["red", "blue", "NAN?", "a,b", "é"]),
    }
    count = data.draw(st.integers(1, 6))
    gap = st.sampled_from(sorted(GAPS))
    names = [f"{kind}{i}" for i, kind in enumerate(kinds)]
    rows = [{"list": "1", "item": str(r)} for r in range(count)]
    for name, kind in zip(names, kinds, strict=True):
        for row in rows:
            row[name] = data.draw(st.one_of(texts[kind], gap))
    path = tmp_path_factory.mktemp("kinds") / "x.csv"
    write(path, rows)
    table = ltr_data.read(path, columns=COLUMNS)
    for j, (name, kind) in enumerate(zip(names, kinds, strict=True), start=1):
        column = table.column(name)
        for value, row in zip(column, rows, strict=True):
            text = row[name]
            if text in GAPS:
                assert np.isnan(value)
            elif kind == "words":
                assert table.words[j][int(value)] == text
            else:
                assert value == np.float32(parse_text(kind, text))


@pytest.mark.parametrize("city", ["antwerp", "edinburgh"])
def test_stays_are_read_as_they_are_written(city):
    path = STAYS / f"{city}.csv"
    if not path.is_file():
        pytest.skip("the data of stays are not here")
    table = ltr_data.read(path, columns=Columns(query="list", infer=True))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert table.num_documents == len(rows)
    assert list(np.repeat(table.query_ids, table.lengths)) == [row["list"] for row in rows]
    assert set(table.kinds.values()) == {"flag", "percent", "money", "words"}
    for feature_id, name in zip(table.feature_ids, table.names, strict=True):
        kind = table.kinds.get(feature_id, "number")
        for value, row in zip(table.column(name), rows, strict=True):
            text = row[name]
            if text in GAPS:
                assert np.isnan(value), (name, text)
            elif kind == "words":
                assert table.words[feature_id][int(value)] == text
            else:
                assert value == np.float32(parse_text(kind, text)), (name, text)


spelled = st.one_of(
    st.text(max_size=6),
    st.text("0123456789.,-+$€£¥% ", max_size=9),
    st.integers(-(10**9), 10**9).map("${:,}".format),
    st.floats(0, 100).map("{:.2f} %".format),
    st.sampled_from(["t", "No", "1e-3", "+7", " 96%", "-$1,119.", "12,34", "1,234,5", "9€", "€ 9"]),
)


@given(st.lists(spelled, min_size=1, max_size=20), st.sampled_from(KINDS[:-1]))
@settings(max_examples=300, deadline=None)
def test_many_texts_are_parsed_as_one(texts, kind):
    expected = [parse_text(kind, text) for text in texts]
    found = parse_texts(kind, pa.array(texts, pa.large_string()))
    np.testing.assert_array_equal(found, [np.nan if x is None else x for x in expected])


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.jsonl"])
def test_numbers_beyond_float32_are_clipped_on_request(tmp_path, name):
    most, path = np.finfo(np.float32).max, tmp_path / name
    rows = [{"qid": "1", "a": 1.797e308, "b": "$9" + "0" * 50}, {"qid": "1", "a": -1e39, "b": "$1"}]
    write(path, rows)
    kinds = {"b": "money"}
    for clipped in (
        ltr_data.read(path, columns=Columns(kinds=kinds), clip=True),
        ltr_data.read(path, columns=Columns(kinds=kinds, clip=True)),
    ):
        assert clipped.features.tolist() == [[most, most], [-most, 1]]
    with pytest.raises(ValueError, match=rf"{name}:[12]: column 'a' must be a finite float32"):
        ltr_data.read(path, columns=Columns(kinds=kinds))
    if name == "x.csv":
        path.write_text("qid,a\n1,inf\n")
        with pytest.raises(ValueError, match=r"x.csv:2: column 'a' must be a finite float32"):
            ltr_data.read(path, clip=True)


def test_a_gap_may_stand_in_a_dictionary():
    indices = pa.array([2, 1, None, 0, 2], pa.int8())
    for words in (["red", None, "blue"], ["red", "NA", "blue"]):
        room = pa.DictionaryArray.from_arrays(indices, pa.array(words))
        table = ltr_data.from_arrow(pa.table({"qid": [1] * 5, "room": room}), Columns(infer=True))
        assert table.words == {1: ("blue", "red")}
        np.testing.assert_array_equal(table.features[:, 0], [0, np.nan, np.nan, 1, 0])
