"""A folder of parts is one data set, and folders like year=2024 are columns."""

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltr_data
from ltr_data.readers import _partitions, _parts


def write_csv(path, query, grade=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"qid,label,bm25\n{query},{grade},0.5\n{query},0,0.25\n")


def write_parquet(path, query, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {"qid": [query, query], "label": [1, 0], "bm25": [query + 0.5, 0.25], **more}
    pa.parquet.write_table(pa.table(table), path)


@pytest.mark.parametrize("cache", [True, False])
def test_a_folder_is_its_parts_sorted_by_name(tmp_path, cache):
    folder = tmp_path / "stays"
    for number, query in ((2, 8), (1, 9), (3, 7)):
        write_csv(folder / f"part-{number}.csv", query)
    for name in ("_SUCCESS", ".part-0.csv", "_part-0.csv", "README.md", "part-1.csv.safetensors"):
        (folder / name).write_text("no table")
    write_csv(folder / "more" / "part-4.csv", 4)
    expected = ltr_data.read([folder / f"part-{number}.csv" for number in (1, 2, 3)])
    for name in (folder, str(folder), f"{folder}/"):
        found = ltr_data.open(name, cache=cache)
        assert found.query_ids == ("9", "8", "7")
        assert np.array_equal(found.features, expected.features)


def test_several_formats_or_splits_are_no_data_set(tmp_path):
    write_csv(tmp_path / "two" / "a.csv", 1)
    write_parquet(tmp_path / "two" / "b.parquet", 2)
    with pytest.raises(ValueError, match=r"in one format, .*two has a\.csv and b\.parquet"):
        ltr_data.open(tmp_path / "two")
    for name in ("train.csv", "test.csv"):
        write_csv(tmp_path / "splits" / name, 1)
    with pytest.raises(ValueError, match=r"parts of one split, .*has train\.csv and test\.csv"):
        ltr_data.open(tmp_path / "splits")
    for name, query in (("train-0.csv", 1), ("train-1.csv", 2)):
        write_csv(tmp_path / "train" / name, query)
    assert len(ltr_data.open(tmp_path / "train")) == 2
    write_csv(tmp_path / "above" / "train" / "part-0.csv", 1)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        ltr_data.open(tmp_path / "above")


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("name", ["", "year=*/month=0?/*.parquet", "**/*.parquet"])
def test_names_of_folders_are_columns(tmp_path, cache, name):
    folder = tmp_path / "run=3" / "stays"  # what is above the data set is no column
    for query, (year, month) in enumerate([(2023, "01"), (2023, "02"), (2024, "01")]):
        write_parquet(folder / f"year={year}" / f"month={month}" / "part-0.parquet", query)
    found = ltr_data.open_table(f"{folder}/{name}", cache=cache)
    assert found.names == ("bm25", "year", "month")
    assert found.query_ids == ("0", "1", "2")
    assert found.column("year").tolist() == [2023] * 4 + [2024] * 2
    assert found.column("month").tolist() == [1, 1, 2, 2, 1, 1]
    assert found.column("bm25").tolist() == [0.5, 0.25, 1.5, 0.25, 2.5, 0.25]
    files = sorted(folder.glob("*/*/*.parquet"))
    assert ltr_data.open_table(files, cache=cache).names == ("bm25",)


def test_a_column_of_the_folders_may_be_the_query(tmp_path):
    for query in (12, 7):
        write_parquet(tmp_path / f"search={query}" / "0.parquet", query)
    columns = ltr_data.Columns(query="search", features=["bm25"])
    assert ltr_data.read(tmp_path, columns=columns).query_ids == ("12", "7")
    whole = ltr_data.read(tmp_path)
    assert whole.column("search").tolist() == [12, 12, 7, 7]


def test_a_column_that_is_in_the_file_too_is_that_of_the_file(tmp_path):
    write_parquet(tmp_path / "year=2024" / "0.parquet", 1, year=[5, 6])
    table = ltr_data.read(tmp_path)
    assert table.names == ("bm25", "year")
    assert table.column("year").tolist() == [5, 6]


def test_the_files_are_converted_anew_when_they_are_read_as_a_data_set(tmp_path):
    write_parquet(tmp_path / "year=2024" / "0.parquet", 1)
    file = tmp_path / "year=2024" / "0.parquet"
    for _ in range(2):
        assert ltr_data.open_table(file).names == ("bm25",)
        assert ltr_data.open_table(tmp_path).names == ("bm25", "year")
    (target,) = ltr_data.convert_all(tmp_path)
    assert ltr_data.open_table(target).names == ("bm25", "year")


def test_columns_of_folders_need_parquet(tmp_path):
    write_csv(tmp_path / "year=2024" / "0.csv", 1)
    with pytest.raises(ValueError, match=r"0\.csv: columns in the names of folders, year, need"):
        ltr_data.read(tmp_path)


def test_parts_with_other_folders_are_named(tmp_path):
    write_parquet(tmp_path / "year=2024" / "0.parquet", 1)
    write_parquet(tmp_path / "month=1" / "0.parquet", 2)
    with pytest.raises(
        ValueError, match=r"0\.parquet: expected the columns of .*month, got .*year"
    ):
        ltr_data.read(tmp_path)


# pyarrow takes only what fits int32 for a number.
VALUES = st.integers(-(2**31), 2**31 - 1) | st.text("ab 1.%=é", min_size=1, max_size=4)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4))
def test_partitions_are_those_of_pyarrow(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("hive")
    count = len(rows)
    first, second = zip(*rows, strict=True)
    table = {"x": list(range(count)), "first": list(map(str, first)), "b c": list(map(str, second))}
    pa.dataset.write_dataset(
        pa.table(table),
        folder,
        format="parquet",
        max_partitions=100,
        basename_template="{i}.parquet",
        partitioning=["first", "b c"],
        partitioning_flavor="hive",
    )
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
    assert _parts.choose_parts(names, "folder") == names
    expected = {}
    for fragment in pa.dataset.dataset(folder, partitioning="hive").get_fragments():
        keys = pa.dataset.get_partition_keys(fragment.partition_expression)
        expected[str(fragment.path).removeprefix(f"{folder.as_posix()}/")] = keys
    found = _partitions.read_partitions(names)
    assert dict(zip(names, found, strict=True)) == expected


def test_a_value_of_no_name_is_missing():
    names = [f"year={year}/0.pq" for year in ("2024", "__HIVE_DEFAULT_PARTITION__")]
    assert _partitions.read_partitions(names) == ({"year": 2024}, {"year": None})
