"""Tables with named columns become ranking tables, or say which row is wrong."""

import gzip
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import ltr_data
from ltr_data import Columns

CSV = "qid,bm25,label,pagerank\n7,0.5,2,3\n7,-1,0,0\nb c,1e-3,1,4\n"
FEATURES = np.float32([[0.5, 3], [-1, 0], [1e-3, 4]])
COLUMNS = {
    "qid": ["7", "7", "b c"],
    "bm25": FEATURES[:, 0],
    "label": [2, 0, 1],
    "pagerank": [3, 0, 4],
}


def check(table):
    assert np.array_equal(table.features, FEATURES)
    assert table.labels.tolist() == [2, 0, 1]
    assert table.query_ids == ("7", "b c")
    assert table.lengths.tolist() == [2, 1]
    assert table.feature_names == ("bm25", "pagerank")
    assert table.feature_id("pagerank") == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", CSV.encode()),
        ("x.csv.gz", gzip.compress(CSV.encode())),
        ("x.tsv", CSV.replace(",", "\t").encode()),
        ("x.csv", CSV.replace("\n", "\r\n").encode()),
        ("x.csv", b"\xef\xbb\xbf" + CSV.replace("b c", '"b c"').encode()),
    ],
)
def test_csv(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    check(ltr_data.read(path))
    dataset = ltr_data.open(path, labels=[ltr_data.LabelSpec("pr", source=2)])
    assert dataset.labels.tolist() == [[3, 0, 4]]
    check(ltr_data.mapped._cache_file.map_table(ltr_data.convert(path)))


def test_parquet(tmp_path):
    path = tmp_path / "x.parquet"
    pa.parquet.write_table(pa.table(COLUMNS), path)
    check(ltr_data.read(path))
    check(ltr_data.mapped._cache_file.map_table(ltr_data.convert(path)))
    table = ltr_data.read(path)
    ltr_data.write_parquet(tmp_path / "y.parquet", table)
    check(ltr_data.read(tmp_path / "y.parquet"))
    path.write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match=r"x.parquet"):
        ltr_data.read(path)


def test_in_memory():
    table = ltr_data.from_arrow(pa.table(COLUMNS))
    check(table)
    check(ltr_data.from_arrow(pa.table(COLUMNS).to_batches()[0]))
    check(ltr_data.from_arrow(ltr_data.to_arrow(table)))
    table = ltr_data.from_numpy(FEATURES, [2, 0, 1], np.array(["7", "7", "b c"]))
    assert table.features is FEATURES
    assert table.query_ids == ("7", "b c")


def test_pandas():
    pandas = pytest.importorskip("pandas")
    check(ltr_data.from_pandas(pandas.DataFrame(COLUMNS)))


def test_columns_choose_and_order(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(CSV)
    columns = Columns(query="qid", label="bm25", features=("pagerank", "label"))
    table = ltr_data.read(path, columns=columns)
    assert table.feature_names == ("pagerank", "label")
    assert table.features.tolist() == [[3, 2], [0, 0], [4, 1]]
    assert ltr_data.open(path, columns=columns).num_documents == 3
    assert ltr_data.open(path).labels.tolist() == [[2, 0, 1]]  # not the other columns' cache


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1e-3", "x", r"x.csv:4: column 'bm25' must hold numbers, got 'x'"),
        ("1e-3", "", r"x.csv:4: column 'bm25' must be a finite float32 number, got null"),
        (
            "1e-3",
            "nan",
            r"x.csv:4: column 'bm25' must be a finite float32 number, got null; .*gaps",
        ),
        ("1,4", "nan,4", r"x.csv:4: column 'label'.*null"),
        ("1,4", "1", r"x.csv:4: Expected 4 columns, got 3"),
        ("pagerank", "bm25", r"x.csv: the column 'bm25' occurs twice"),
        ("b c", "8,1,1,1\n7", r"x.csv:5: query '7' comes back; it began in line 2"),
        (CSV, "", r"x.csv:1: expected the names"),
        (CSV, "qid,label\n1,1\n", r"x.csv: `columns`.*at least one feature"),
    ],
)
def test_csv_errors(tmp_path, old, new, message):
    path = tmp_path / "x.csv"
    path.write_text(CSV.replace(old, new))
    with pytest.raises(ValueError, match=message):
        ltr_data.read(path)


def test_label_that_is_named_must_be_there(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(CSV.replace("label", "grade"))
    with pytest.raises(ValueError, match=r"x.csv: `columns`.*'label'; it has qid, bm25, grade"):
        ltr_data.read(path, columns=Columns(label="label"))
    table = ltr_data.read(path)
    assert table.labels is None
    assert table.names == ("bm25", "grade", "pagerank")


def test_arrow_errors():
    for column, values, message in (
        ("bm25", [1.0, None, 2.0], r"table:1: column 'bm25'.*got null"),
        ("bm25", ["a", "b", "c"], r"table:0: column 'bm25' must hold numbers, got 'a'; .*'words'"),
        ("qid", ["7", None, "8"], r"table:1: the query in column 'qid' is null"),
    ):
        with pytest.raises(ValueError, match=message):
            ltr_data.from_arrow(pa.table({**COLUMNS, column: values}))


def test_numpy_errors():
    for features, labels, queries, message in (
        (FEATURES[0], [1], [1], "must be .document, feature."),
        (FEATURES, [1], [1, 1, 1], "must be .document, feature."),
        (FEATURES[:0], [], [], "at least one document"),
        (FEATURES * np.nan, [1, 1, 1], [1, 1, 1], r"`features` must be finite, got nan at"),
        (FEATURES, [1, 1, 1], [1, 2, 1], "`query_ids` must be grouped, got '1' again"),
    ):
        with pytest.raises(ValueError, match=message):
            ltr_data.from_numpy(features, labels, queries)


def test_columns_are_for_named_columns(tmp_path):
    (tmp_path / "x.txt").write_text("1 qid:1 1:1\n")
    with pytest.raises(ValueError, match="`columns` is for tables"):
        ltr_data.read(tmp_path / "x.txt", columns=Columns())


MISSING = "qid,bm25,label,clicks\n7,0.5,2,\n7,-1,,0\n8,1e-3,1,4\n8,1,nan,\n"
NULLABLE = Columns(nullable=("label", "clicks"))
SPECS = [
    ltr_data.LabelSpec("relevance", missing="mask"),
    ltr_data.LabelSpec("clicks", source=2, transform=ltr_data.Invert(), missing="mask"),
]


@pytest.mark.parametrize("cache", [True, False])
def test_missing_labels_are_masked_on_request(tmp_path, cache):
    path = tmp_path / "x.csv"
    path.write_text(MISSING)
    dataset = ltr_data.open(path, SPECS, columns=NULLABLE, cache=cache)
    assert dataset.label_mask.tolist() == [[True, False, True, False], [False, True, True, False]]
    assert dataset.labels.tolist() == [[2, 0, 1, 0], [0, 4, 0, 0]]
    assert dataset.feature_ids == (1,)
    assert dataset.batch([0, 1]).label_mask.sum() == 4
    assert ltr_data.describe(dataset).known == {"relevance": 2, "clicks": 2}
    assert ltr_data.LabelSpec.from_dict(SPECS[1].to_dict()) == SPECS[1]
    # Without the task, the column is an input with gaps.
    only = ltr_data.open(path, SPECS[:1], columns=NULLABLE, cache=cache)
    assert only.feature_ids == (1, 2)
    assert only.nullable == (2,)
    assert only.batch([0, 1]).features.isnan().sum() == 2
    with pytest.raises(ValueError, match=r"'relevance' has a NaN label.*row 1.*missing=.mask"):
        ltr_data.open(path, columns=NULLABLE, cache=cache)
    with pytest.raises(ValueError, match=r"x.csv:2: column 'clicks'.*got null"):
        ltr_data.open(path, SPECS, cache=cache)


def test_missing_arguments():
    with pytest.raises(ValueError, match="`missing`"):
        ltr_data.LabelSpec("x", missing="skip")
    with pytest.raises(ValueError, match="`nullable` must name"):
        ltr_data.from_arrow(pa.table(COLUMNS), Columns(nullable=("x",)))
    empty = pa.table({**COLUMNS, "label": pa.array([None] * 3, pa.float32())})
    table = ltr_data.from_arrow(empty, Columns(nullable=("label",)))
    with pytest.raises(ValueError, match="'relevance' has no label"):
        ltr_data.RankingDataset.from_table(table, SPECS[:1])


@pytest.mark.parametrize("value", ["http", "true", "2020-01-01"])
def test_text_in_a_table_names_its_line_and_column(tmp_path, value):
    path = tmp_path / "x.csv"
    path.write_text(f"f1,url,qid,label\n1,2,7,0\n1,{value},7,0\n")
    with pytest.raises(
        ValueError, match=rf"x.csv:3: column 'url' must hold numbers, got '{value}'.*`Columns"
    ):
        ltr_data.read(path)


VECTORS = {
    "qid": ["7", "7", "b c"],
    "emb": [[0.5, 3.0], [-1.0, 0.0], [1e-3, 4.0]],
    "label": [2, 0, 1],
    "bm25": [1.0, 2.0, 3.0],
}


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 2)]
)
def test_a_column_of_vectors_is_a_feature_per_entry(tmp_path, kind):
    table = pa.table({**VECTORS, "emb": pa.array(VECTORS["emb"], kind)})
    pa.parquet.write_table(table, tmp_path / "x.parquet")
    expected = np.column_stack([FEATURES, [1, 2, 3]])
    for found in (
        ltr_data.from_arrow(table),
        ltr_data.from_arrow(pa.concat_tables([table[:1], table[1:]])),
        ltr_data.read(tmp_path / "x.parquet"),
        ltr_data.mapped._cache_file.map_table(ltr_data.convert(tmp_path / "x.parquet")),
    ):
        assert found.feature_names == ("emb_1", "emb_2", "bm25")
        assert np.array_equal(found.features, expected)
        assert found.labels.tolist() == [2, 0, 1]
    alone = ltr_data.read(tmp_path / "x.parquet", columns=Columns(features=("emb",)))
    assert np.array_equal(alone.features, FEATURES)
    missing = pa.table({**VECTORS, "emb": pa.array([[0.5, None], [1, 2], [3, 4]], kind)})
    found = ltr_data.from_arrow(missing, Columns(nullable=("emb",)))
    assert np.isnan(found.features[0, 1])
    assert found.nullable == (1, 2)
    with pytest.raises(ValueError, match=r"table:0: column 'emb_2' must be a finite .* got null"):
        ltr_data.from_arrow(missing)


def test_vectors_of_pandas():
    pandas = pytest.importorskip("pandas")
    assert ltr_data.from_pandas(pandas.DataFrame(VECTORS)).features.shape == (3, 3)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("emb", [[1, 2], [3, 4], [5]], r"table:2: column 'emb' must hold 2 numbers .*, got 1"),
        ("emb", [[1, 2], None, [5, 6]], r"table:1: column 'emb' must hold 2 numbers.*, got null"),
        ("emb", [[], [1, 2], [3, 4]], r"column 'emb' must hold vectors .*none in the first row"),
        ("emb", [None, [1, 2], [3, 4]], r"column 'emb' must hold vectors .*none in the first row"),
        (
            "emb",
            [["a"], ["b"], ["c"]],
            r"column 'emb_1' must hold numbers, got 'a'; .*kinds=.*'words'",
        ),
        ("label", [[2], [0], [1]], r"column 'label' must hold numbers or words, got list"),
    ],
)
def test_vectors_that_are_none(tmp_path, column, values, message):
    table = pa.table({**VECTORS, column: pa.array(values)})
    with pytest.raises(ValueError, match=message):
        ltr_data.from_arrow(table)
    path = tmp_path / "x.parquet"
    pa.parquet.write_table(table, path)
    in_file = re.sub(r"table:(\d)", lambda row: f"x.parquet:{int(row[1]) + 1}", message)
    with pytest.raises(ValueError, match=in_file):
        ltr_data.read(path)


def test_a_table_of_vectors_without_rows(tmp_path):
    table = pa.table({name: pa.array(values)[:0] for name, values in VECTORS.items()})
    pa.parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"there are no documents"):
        ltr_data.read(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"there are no documents"):
        ltr_data.from_arrow(table)


def test_a_first_line_of_numbers_is_no_names(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("1,0.5,3\n0,1,2\n")
    with pytest.raises(ValueError, match=r"x.csv:1: .* got the numbers '1,0.5,3'; write a line"):
        ltr_data.read(path)
    path.write_text("0,1,2\n7,0.5,3\n")
    table = ltr_data.read(path, columns=Columns(query="0"))
    assert table.names == ("1", "2")


def test_bars_separate_too(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("qid|label|a, b\n1|2|3\n")
    assert ltr_data.read(path).feature_names == ("a, b",)


@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_a_parquet_file_that_is_cut_says_so(tmp_path, kept):
    path = tmp_path / "x.parquet"
    pa.parquet.write_table(pa.table({"qid": [1] * 99, "a": [*range(99)]}), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match=r"x.parquet: the Parquet file is damaged: "):
        ltr_data.read(path)


def test_text_that_is_no_utf_8_has_its_line(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes("qid,label,town\n1,0,Gent\n1,1,Köln\n".encode("latin-1"))
    columns = Columns(kinds={"town": "words"})
    with pytest.raises(ValueError, match=r"x.csv:3: expected text in UTF-8, got the byte b'\\xf6'"):
        ltr_data.read(path, columns=columns)


def test_a_row_of_empty_fields_is_no_blank_line(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text("qid\ta\n\t\n\n\t2\n")
    table = ltr_data.read(path, columns=Columns(nullable="all"))
    assert table.query_ids == ("",)
    np.testing.assert_array_equal(table.features, [[np.nan], [2]])
    path.write_text("qid\ta\n\t\n")
    assert ltr_data.read(path, columns=Columns(nullable="all")).num_documents == 1


def test_a_value_that_speaks_of_utf_8_is_a_value(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("qid,a\n1,invalid UTF8\n")
    with pytest.raises(ValueError, match=r"x.csv:2: column 'a' must hold numbers, got 'invalid UT"):
        ltr_data.read(path)
