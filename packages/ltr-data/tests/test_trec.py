"""Qrels and runs: what is written reads back, here and in other people's tools."""

import dataclasses
import gzip
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltr_data
from ltr_data import LabelSpec, RankingDataset, Strings, trec

words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1)
documents = st.dictionaries(
    words, st.tuples(st.integers(-2, 4), st.floats(-1e30, 1e30)), min_size=1
)
lists = st.dictionaries(words, documents, min_size=1, max_size=5)
NAMES = ["x.txt", "x.txt.gz"]


def flat(found):
    """Queries, offsets, documents, grades and scores."""
    offsets = np.cumsum([0, *map(len, found.values())])
    ids = Strings.of([name for docs in found.values() for name in docs])
    values = [value for docs in found.values() for value in docs.values()]
    grades, scores = zip(*values, strict=True)
    return tuple(found), offsets, ids, np.array(grades), np.array(scores)


@given(found=lists, name=st.sampled_from(NAMES), shuffle=st.randoms())
@settings(max_examples=60, deadline=None)
def test_what_is_written_reads_back(tmp_path_factory, found, name, shuffle):
    path = tmp_path_factory.mktemp("trec") / name
    queries, offsets, ids, grades, scores = flat(found)
    for written, write, read in (
        (trec.Qrels(queries, offsets, ids, grades), trec.write_qrels, trec.read_qrels),
        (trec.Run(queries, offsets, ids, scores), trec.write_run, trec.read_run),
    ):
        write(path, written)
        back = read(path)
        assert back.to_dict() == written.to_dict()
        assert back.query_ids == queries
        assert np.array_equal(back.offsets, offsets)
        plain = path.read_bytes()
        lines = (gzip.decompress(plain) if name.endswith(".gz") else plain).split(b"\n")[:-1]
        shuffle.shuffle(lines)
        path.with_name("shuffled").write_bytes(b"\r\n\n".join(lines))
        assert read(path.with_name("shuffled")).to_dict() == written.to_dict()


@given(found=lists)
@settings(max_examples=40, deadline=None)
def test_a_run_is_written_in_the_order_of_its_ranks(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("trec") / "run.txt"
    queries, offsets, ids, _, scores = flat(found)
    trec.write_run(path, trec.Run(queries, offsets, ids, scores), tag="a-b")
    lines = [line.split(" ") for line in path.read_text().split("\n")[:-1]]
    assert all(line[1] == "Q0" and line[5] == "a-b" for line in lines)
    for start, end in pairwise(offsets):
        assert [int(line[3]) for line in lines[start:end]] == list(range(1, end - start + 1))
        expected = [ids[start + i] for i in np.argsort(-scores[start:end], kind="stable")]
        assert [line[2] for line in lines[start:end]] == expected


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (trec.read_qrels, "1 0 a 2\n1 0 a 2\n", r":2: document 'a' comes again for query '1'"),
        (trec.read_run, "1 Q0 a 1 2 t\n\n1 Q0 a 2 1 t", r":3: document 'a' comes again"),
        (trec.read_qrels, "1 0 a\n", r":1: expected the 4 fields query, 0, document, grade, got 3"),
        (trec.read_run, "1 Q0 a 1 2\n", r":1: expected the 6 fields query, Q0, .* tag, got 5"),
        (trec.read_qrels, "1 Q0 a 1 2.5 t\n", r":1: .*the content is a run of TREC; .*read_run"),
        (trec.read_run, "1 0 a 1\n", r":1: .*the content is qrels of TREC; .*read_qrels"),
        (trec.read_qrels, "1 0 a 2\n1 0 b 2.5\n", r":2: the grade must be a whole .*, got '2.5'"),
        (trec.read_qrels, "1 0 a 1_0\n", r":1: the grade must be a whole number, got '1_0'"),
        (trec.read_qrels, f"1 0 a {'9' * 5000}\n", r":1: the grade must be .*, got '9{40}'$"),
        (trec.read_run, "1 Q0 a 1 nan t\n", r":1: the score must be a finite number, got 'nan'"),
        (trec.read_run, "1 Q0 a 1 1e999 t\n", r":1: the score must be a finite .*, got '1e999'"),
        (trec.read_run, b"1 Q0 \xff 1 1 t\n", r":1: ids must be UTF-8"),
        (trec.read_qrels, "", r"there are no documents in the file"),
        (trec.read_qrels, gzip.compress(b"1 0 a 2\n"), r"the name must end in \.gz"),
    ],
)
def test_wrong_files(tmp_path, read, text, message):
    path = tmp_path / "x.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=f"^{path}.*{message}"):
        read(path)
    with pytest.raises(FileNotFoundError, match=r"there is no .*absent.txt"):
        read(tmp_path / "absent.txt")


def qrels(queries=("1",), offsets=(0, 2), ids=("a", "b"), grades=(1, 0)):
    return trec.Qrels(queries, np.array(offsets), Strings.of(ids), np.array(grades))


def test_lists_that_cannot_be(tmp_path):
    for options, message in (
        ({"ids": ("a", "a")}, "`document_ids` must differ within a query, got 'a' twice for '1'"),
        ({"queries": ("1", "1"), "offsets": (0, 1, 2)}, "`query_ids` must be different"),
        ({"grades": (1,)}, r"`offsets` and `grades` must have shapes \(2,\) and \(2,\), got .*1,"),
        ({"offsets": (0, 1)}, "`offsets` must rise from 0 to 2, got"),
    ):
        with pytest.raises(ValueError, match=message):
            qrels(**options)
    with pytest.raises(ValueError, match="`scores` must be finite"):
        trec.Run(("1",), np.array([0, 1]), Strings.of(["a"]), np.array([np.nan]))
    for options, name in (
        ({"ids": ("a", "b c")}, "document_ids"),
        ({"queries": ("",)}, "query_ids"),
    ):
        with pytest.raises(ValueError, match=f"`{name}` must be text without blanks"):
            trec.write_qrels(tmp_path / "x.txt", qrels(**options))
    run = trec.Run(("1",), np.array([0, 1]), Strings.of(["a"]), np.array([1.0]))
    with pytest.raises(ValueError, match="`tag` must be text without blanks, got 'a b'"):
        trec.write_run(tmp_path / "x.txt", run, tag="a b")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def table():
    features = np.arange(10, dtype=np.float32).reshape(5, 2)
    features[2:, 1] = np.nan
    table = ltr_data.from_numpy(np.nan_to_num(features), [2, 0, 1, 0, 4], [7, 7, 8, 8, 9])
    ids = Strings.of(["a", "b", "a", "c", "d"])
    return dataclasses.replace(table, features=features, nullable=(2,), document_ids=ids)


def test_labels_as_judgements(table):
    expected = {"7": {"a": 2, "b": 0}, "8": {"a": 1, "c": 0}, "9": {"d": 4}}
    assert trec.qrels_of(table).to_dict() == expected
    specs = [LabelSpec("relevance"), LabelSpec("gaps", source=2, missing="mask")]
    dataset = RankingDataset.from_table(table, specs)
    assert trec.qrels_of(dataset, "relevance").to_dict() == expected
    assert trec.qrels_of(dataset, "gaps").to_dict() == {"7": {"a": 1, "b": 3}}  # the known ones
    one = RankingDataset.from_table(table, specs[:1])
    assert trec.qrels_of(one).to_dict() == expected
    assert trec.run_of(one, [1, 2, 3, 4, 5.5]).to_dict()["8"] == {"a": 3, "c": 4}
    with pytest.raises(ValueError, match="`task` must be one of relevance, gaps, got None"):
        trec.qrels_of(dataset)
    with pytest.raises(ValueError, match=r"`task` must be one of .*did you mean 'relevance'"):
        trec.qrels_of(dataset, "relevence")
    with pytest.raises(ValueError, match="`task` must be None for a table"):
        trec.qrels_of(table, "relevance")


def test_data_that_cannot_be_judged(table):
    for data, message in (
        (dataclasses.replace(table, document_ids=None), r"must have the ids .*`Columns\(id=...\)`"),
        (dataclasses.replace(table, labels=None), "must have labels, got a table without them"),
        (dataclasses.replace(table, labels=table.labels / 4), r"whole numbers .* 0.5 for .* 'a'"),
        (dataclasses.replace(table, document_ids=Strings.of("aabcd")), "got 'a' twice for '7'"),
    ):
        with pytest.raises(ValueError, match=message):
            trec.qrels_of(data)
    with pytest.raises(ValueError, match=r"`scores` must have shapes \(4,\) and \(5,\)"):
        trec.run_of(table, [1, 2])


@pytest.fixture
def written(tmp_path):
    """Files of ten random lists, and the NDCG of the lists at 5."""
    random = np.random.default_rng(0)
    found = {
        f"q{query}": {
            f"d{i}": (int(random.integers(0, 4)), float(random.normal())) for i in range(9)
        }
        for query in range(10)
    }
    queries, offsets, ids, grades, scores = flat(found)
    trec.write_qrels(tmp_path / "qrels.txt", trec.Qrels(queries, offsets, ids, grades))
    trec.write_run(tmp_path / "run.txt", trec.Run(queries, offsets, ids, scores))
    discounts = 1 / np.log2(np.arange(2, 7))
    expected = {}
    for query, docs in found.items():
        ranked = sorted(docs.values(), key=lambda pair: -pair[1])
        gains = np.array([grade for grade, _ in ranked])
        ideal = np.sort(gains)[::-1]
        expected[query] = float(gains[:5] @ discounts) / float(ideal[:5] @ discounts)
    return tmp_path, expected


@pytest.mark.oracle
def test_ir_measures_and_pytrec_eval_take_the_files_and_the_dictionaries(written):
    measures = pytest.importorskip("ir_measures")
    folder, expected = written
    qrels, run = trec.read_qrels(folder / "qrels.txt"), trec.read_run(folder / "run.txt")
    for theirs in (
        (
            list(measures.read_trec_qrels(str(folder / "qrels.txt"))),
            list(measures.read_trec_run(str(folder / "run.txt"))),
        ),
        (qrels.to_dict(), run.to_dict()),
    ):
        values = measures.iter_calc([measures.nDCG @ 5], *theirs)
        assert {v.query_id: v.value for v in values} == pytest.approx(expected)


@pytest.mark.oracle
def test_ranx_takes_the_files_and_the_dictionaries(written):
    ranx = pytest.importorskip("ranx")
    folder, expected = written
    qrels, run = trec.read_qrels(folder / "qrels.txt"), trec.read_run(folder / "run.txt")
    for theirs in (
        (
            ranx.Qrels.from_file(str(folder / "qrels.txt"), kind="trec"),
            ranx.Run.from_file(str(folder / "run.txt"), kind="trec"),
        ),
        (ranx.Qrels(qrels.to_dict()), ranx.Run(run.to_dict())),
    ):
        found = ranx.evaluate(*theirs, "ndcg@5", return_mean=False)
        assert dict(zip(sorted(expected), found, strict=True)) == pytest.approx(expected)
