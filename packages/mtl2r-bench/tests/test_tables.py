"""Tables with names, words and gaps: from the file to the ranker and back to a file."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch

from ltr_data import TableTransform, trec
from mtl2r_bench.config import RunConfig, StudyConfig, validate
from mtl2r_bench.data.splits import load_splits
from mtl2r_bench.evaluation.predict import load_ranker, predict
from mtl2r_bench.training import run as training
from mtl2r_models import Ranker

STAYS = Path(__file__).parents[4] / "shared" / "data" / "stays"
LABELS = ["rating", "price:lower"]


@pytest.fixture
def stays():
    """Return 60 lists of stays with words, gaps, money, percentages and ids, shuffled by chance."""
    random = np.random.default_rng(0)
    rows = []
    for query in range(60):
        for item in range(6):
            size, kind = random.integers(1, 6), random.integers(3)
            price = 40 * size + 30 * kind + random.normal(0, 5)
            rows.append(
                {
                    "list": f"city-{query:02}",
                    "item": f"stay {query}/{item}",
                    "rating": "" if item == 5 else f"{3 + kind / 2 + random.normal(0, 0.2):.2f}",
                    "price": f"${price:,.2f}",
                    "beds": "N/A" if random.random() < 0.2 else str(size),
                    "room": ["Entire home", "Private room", "Shared, 4 beds"][kind],
                    "rate": f"{random.integers(50, 100)}%",
                    "host": "t" if random.random() < 0.5 else "f",
                }
            )
    return rows


@pytest.fixture
def write(tmp_path, stays):
    def to(name, rows=stays, **changes):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        rows = [{**row, **changes} for row in rows]
        if name.endswith(".parquet"):
            pa.parquet.write_table(pa.Table.from_pylist(rows), path)
        else:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return path

    return to


def data_of(path, tmp_path, **options):
    return {
        "path": str(path),
        "tasks": LABELS,
        "query": "list",
        "id": "item",
        "cache": str(tmp_path / "cache"),
        **options,
    }


def load(data, **tables):
    study = validate(StudyConfig, {"data": data, **tables})
    return load_splits(study.data, study.evaluation)


def test_one_file_becomes_splits_by_name(write, tmp_path, stays):
    splits = load(data_of(write("stays.csv"), tmp_path))
    assert splits.tasks == ("rating", "price")
    assert splits.train.feature_names == ("beds", "room", "rate", "host")
    assert isinstance(splits.transform, TableTransform)
    ids = [set(split.query_ids) for split in splits.items().values()]
    assert set.union(*ids) == {row["list"] for row in stays}
    assert sum(map(len, ids)) == 60
    # A list is in one split whatever else the file holds.
    fewer = load(data_of(write("fewer.csv", stays[: 6 * 40]), tmp_path))
    for name, split in fewer.items().items():
        assert set(split.query_ids) <= set(splits.items()[name].query_ids)
    # The labels: missing ones are masked, and the cheapest has the highest grade.
    rows = {(row["list"], row["item"]): row for row in stays}
    names = np.repeat(splits.train.query_ids, splits.train.lengths)
    of = [rows[key] for key in zip(names, splits.train.document_ids, strict=True)]
    np.testing.assert_array_equal(splits.train.label_mask[0], [bool(r["rating"]) for r in of])
    price = np.array([float(r["price"][1:].replace(",", "")) for r in of])
    grades = splits.train.labels[1]
    assert set(grades) == {0, 1, 2, 3, 4}
    assert price[grades == 4].max() <= price[grades == 3].min()


def test_every_way_to_bring_the_same_lists(write, tmp_path, stays):
    """A file, Parquet, a folder of parts, files per split and a column are the same lists."""
    whole = load(data_of(write("stays.csv"), tmp_path))
    of = {q: name for name, split in whole.items().items() for q in split.query_ids}
    called = {"train": "Training", "validation": "dev", "test": "test"}
    write("parts/a.csv", stays[:180])
    write("parts/b.csv", stays[180:])
    for name, words in called.items():
        write(f"split/{words}.parquet", [row for row in stays if of[row["list"]] == name])
    said = [{**row, "fold": called[of[row["list"]]]} for row in stays]
    for path, options in (
        (write("stays.parquet"), {}),
        (tmp_path / "parts", {}),
        (tmp_path / "parts" / "*.csv", {}),
        (tmp_path / "split", {}),
        (write("said.csv", said), {"split": "fold"}),
    ):
        found = load(data_of(path, tmp_path, **options))
        assert found.train.feature_names == whole.train.feature_names, path
        for name, split in found.items().items():
            expected = whole.items()[name]
            order = np.argsort(split.query_ids)
            own = split.subset(order)
            other = expected.subset(np.argsort(expected.query_ids))
            assert own.query_ids == other.query_ids, path
            np.testing.assert_array_equal(own.labels, other.labels)
            transformed = [
                splits.transform.transform(part.features)
                for splits, part in ((found, own), (whole, other))
            ]
            np.testing.assert_allclose(*transformed, rtol=1e-5, atol=1e-5)


def test_splits_in_the_order_of_a_column(write, tmp_path, stays):
    for i, row in enumerate(stays):
        row["day"] = f"2026-{1 + i // 60:02}-01"
    path = write("stays.csv")
    splits = load(data_of(path, tmp_path, split={"order": "day", "shares": [0.5, 0.3, 0.2]}))
    assert [len(split) for split in splits.items().values()] == [30, 18, 12]
    assert "day" not in splits.train.feature_names
    assert splits.train.query_ids == tuple(f"city-{i:02}" for i in range(30))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": ["rateing"]}, r"'rateing', did you mean 'rating'\?.*--labels.*beds, room"),
        ({"tasks": ["room"]}, r"task 'room' must be a column of numbers, .* words like 'Shared|'"),
        ({"tasks": ["rating:grade=5"]}, r"did you mean 'grades'\?"),
        ({"query": "lists"}, r"'lists', did you mean 'list'\?; it has list, item"),
        ({"exclude": ["bed"]}, r"'bed', did you mean 'beds'\?"),
        ({"inputs": ["beds", "price"]}, "feature price is the source of task 'price'"),
        ({"split": "room"}, r"`column` must hold words like train.*holds '"),
        ({"split": "rooms"}, r"'rooms', did you mean 'room'\?"),
        ({"kinds": {"beds": "numbers"}}, "`kinds` must be among number, flag"),
        ({"split": [0.5, 0.6]}, "`shares` must be two or three positive numbers with the sum 1"),
        ({"tasks": [{"name": "x"}]}, "`config` of a label|`source` of task 'x'"),
        (
            {"tasks": [{"name": "x", "source": "price", "transform": {"type": "Identity"}}]},
            r"labels of task 'x' reach .* Give the task a transform",
        ),
    ],
)
def test_what_is_refused_before_a_training(write, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        load(data_of(write("stays.csv"), tmp_path, **options))


def test_negative_labels_are_refused_with_what_mends_them(write, tmp_path, stays):
    for i, row in enumerate(stays):
        row["profit"] = str(i % 7 - 3)
    data = data_of(write("stays.csv"), tmp_path, tasks=["rating", "profit:raw"])
    with pytest.raises(ValueError, match=r"'profit' fall to -3 in the train.*profit:grades=5"):
        load(data)
    assert load({**data, "tasks": ["rating", "profit:grades=3"]}).train.labels[1].max() == 2


def test_inputs_that_look_like_ids_or_tell_a_label_are_named(write, tmp_path, stays):
    for i, row in enumerate(stays):
        row["copy"] = f"{float(row['price'][1:].replace(',', '')) * 2:.2f}"
        row["code"] = str(1000 + i)
        row["size"] = f"{i % 9},{i % 7}"
    notes = load(data_of(write("stays.csv"), tmp_path, id=None)).notes
    assert any("'item' looks like an id" in note for note in notes)
    assert any("'code' looks like an id" in note for note in notes)
    assert any("'copy' tells the label 'price'" in note for note in notes)
    assert any("'size' has numbers with a decimal comma" in note for note in notes)
    left_out = ["copy", "code", "size"]
    assert load(data_of(write("plain.csv"), tmp_path, exclude=left_out)).notes == ()


@pytest.mark.parametrize("head", ["shared", "per_task"])
def test_a_ranker_scores_tables_by_name(write, tmp_path, stays, head):
    """`predict`, `Ranker.rank` on columns, and the network on the training's batches agree."""
    path = write("stays.csv")
    tables = {
        "data": data_of(path, tmp_path),
        "model": {"architecture": "mlp", "hidden": [8], "head": head},
        "method": {"name": "ls", "preference": [0.5, 0.5]},
        "train": {"epochs": 1},
    }
    run = validate(RunConfig, tables)
    splits = load_splits(run.data, run.evaluation)
    training.train(run, splits, tmp_path / "run")
    ranker = load_ranker(tmp_path / "run")
    assert ranker.feature_names == ("beds", "room", "rate", "host")
    card = (tmp_path / "run" / "ranker" / "README.md").read_text()
    assert "beds" in card
    assert "Private room" in card
    # Another file: its columns in another order, a new word, no labels.
    some = [
        {name: row[name] for name in ("host", "room", "item", "beds", "list", "rate")}
        for row in stays[:12]
    ]
    some[3]["room"] = "Boat"
    new = write("new.csv", some)
    out = tmp_path / "out.csv"
    predict(tmp_path / "run", new, out, form="csv", cache=tmp_path / "cache")
    with out.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["rank"] for row in found] == [str(i) for _ in range(2) for i in range(1, 7)]
    score_names = ("rating", "price") if head == "per_task" else ("score",)
    columns = {name: [row[name] for row in some[:6]] for name in ("beds", "room", "rate", "host")}
    scores, _ = ranker.rank(columns)
    scores = scores if head == "per_task" else scores[None]
    mine = {row["document"]: row for row in found if row["query"] == "city-00"}
    for values, name in zip(scores, score_names, strict=True):
        for value, row in zip(values.tolist(), some[:6], strict=True):
            assert float(mine[row["item"]][name]) == pytest.approx(value, abs=1e-5)
    first = [row["document"] for row in found[:6]]
    best = torch.argsort(-scores[0], stable=True)
    assert first == [some[i]["item"] for i in best.tolist()]
    # Parquet has the same.
    predict(tmp_path / "run", new, tmp_path / "out.parquet", form="parquet", cache=tmp_path / "c")
    again = pa.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["document"] for row in again] == [row["document"] for row in found]
    # A TREC run cannot hold ids with blanks.
    task = "rating" if head == "per_task" else None
    with pytest.raises(ValueError, match="ids without blanks, got 'stay 0/"):
        predict(tmp_path / "run", new, tmp_path / "o", form="trec", task=task, cache=tmp_path / "c")
    short = write("short.csv", [{k: v for k, v in row.items() if k != "beds"} for row in some])
    with pytest.raises(ValueError, match=r"must name columns of the table, got 'beds'"):
        predict(tmp_path / "run", short, tmp_path / "o", task=task, cache=tmp_path / "c")


def test_a_trec_run_joins_with_the_documents(write, tmp_path, stays):
    for row in stays:
        row["item"] = row["item"].replace(" ", "-")
    pytest.importorskip("lightgbm", reason="trees need LightGBM")
    path = write("stays.csv")
    tables = {
        "data": data_of(path, tmp_path),
        "method": {"name": "gbdt_ls", "preference": [0.5, 0.5], "options": {"rounds": 5}},
    }
    run = validate(RunConfig, tables)
    training.train(run, load_splits(run.data, run.evaluation), tmp_path / "run")
    columns = json.loads((tmp_path / "run" / "trees_columns.json").read_text())
    assert columns["names"] == ["beds", "room", "rate", "host"]
    predict(tmp_path / "run", path, tmp_path / "run.trec", form="trec", cache=tmp_path / "cache")
    found = trec.read_run(tmp_path / "run.trec").to_dict()
    assert {d for documents in found.values() for d in documents} == {r["item"] for r in stays}
    # The words of another file have other codes, and the trees the same scores.
    turned = write("turned.csv", stays[::-1])
    predict(tmp_path / "run", turned, tmp_path / "turned", form="trec", cache=tmp_path / "cache")
    again = trec.read_run(tmp_path / "turned").to_dict()
    for query, documents in found.items():
        assert again[query] == pytest.approx(documents)


def test_documents_without_any_label_teach_trees_nothing(write, tmp_path, stays):
    pytest.importorskip("lightgbm", reason="trees need LightGBM")
    blank = [{**row, "rating": "", "item": row["item"] + "x"} for row in stays]
    more = [one for pair in zip(stays, blank, strict=True) for one in pair]
    more.sort(key=lambda row: row["list"])
    texts = []
    for name, rows in (("plain.csv", stays), ("more.csv", more)):
        rows = [row for row in rows if row["rating"] or name == "more.csv"]
        tables = {
            "data": data_of(write(name, rows), tmp_path, tasks=["rating:raw"]),
            "method": {"name": "gbdt_ls", "preference": [1.0], "options": {"rounds": 3}},
            "evaluation": {"gain": "linear"},
        }
        run = validate(RunConfig, tables)
        training.train(run, load_splits(run.data, run.evaluation), tmp_path / name[:4])
        text = (tmp_path / name[:4] / "trees.txt").read_text()
        texts.append([line for line in text.splitlines() if line.startswith("split_feature")])
    assert texts[0] == texts[1]


@pytest.mark.parametrize("city", ["antwerp", "edinburgh"])
def test_stays_train_without_any_preparation(city, tmp_path):
    path = STAYS / f"{city}.csv"
    if not path.is_file():
        pytest.skip("the data of stays are not here")
    tables = {
        "data": {
            "path": str(path),
            "query": "list",
            "tasks": ["rating", "reviews_per_month", "price:lower", "nights_taken_60"],
            "cache": str(tmp_path / "cache"),
        },
        "model": {"architecture": "mlp", "hidden": [8]},
        "method": {"name": "ls", "preference": [0.25] * 4},
        "train": {"epochs": 1},
    }
    run = validate(RunConfig, tables)
    record = training.train(run, load_splits(run.data, run.evaluation), tmp_path / "run")
    assert record["labels"] == ["rating", "reviews_per_month", "price", "nights_taken_60"]
    assert np.isfinite(list(record["metrics"]["test"]["ndcg@10"].values())).all()
    assert Ranker.load(tmp_path / "run" / "ranker").transform.fills_gaps


def test_text_that_counts_from_0_with_numbers_beyond_float32(tmp_path):
    random = np.random.default_rng(0)
    for split in ("train", "vali", "test"):
        lines = [
            f"{random.integers(3)} qid:{query} 0:{random.random():.3f} 1:{size} 2:3\n"
            for query in range(9)
            for size in ("1.79769313486232e+308", "5", "-1e300")
        ]
        (tmp_path / f"{split}.txt").write_text("".join(lines))
    data = {"path": str(tmp_path), "tasks": ["relevance"], "cache": str(tmp_path / "cache")}
    tables = {
        "data": {**data, "clip": True, "zero_based": "auto"},
        "model": {"architecture": "mlp", "hidden": [4]},
        "method": {"name": "stl", "task": "relevance"},
        "train": {"epochs": 1},
    }
    run = validate(RunConfig, tables)
    training.train(run, load_splits(run.data, run.evaluation), tmp_path / "run")
    scored = predict(tmp_path / "run", tmp_path / "test.txt", tmp_path / "scores.txt")
    assert scored == 27
    assert np.isfinite(np.loadtxt(tmp_path / "scores.txt")).all()
    with pytest.raises(ValueError, match=r"train.txt:1: .*"):
        load({**data, "clip": True})
    with pytest.raises(ValueError, match=r"train.txt:1: .*clip"):
        load({**data, "zero_based": True})
