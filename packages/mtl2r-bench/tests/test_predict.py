"""Scores for a whole file: those of the ranker, in the file's order, or a TREC run."""

import sys

import numpy as np
import pytest
import torch

from ltr_data import LogStandardize, read_svmrank, write_svmrank
from ltr_data.datasets import synthetic
from mtl2r_bench.cli import app as cli
from mtl2r_bench.evaluation.predict import predict
from mtl2r_bench.training.run import train
from mtl2r_models import ListTransformer, Ranker


@pytest.fixture
def table():
    return synthetic.generate(30, seed=1, mean_length=6)


@pytest.fixture
def ranker(table):
    ids = (1, 3, 50, 130)
    columns = [table.feature_ids.index(i) for i in ids]
    transform = LogStandardize.fit(table.features[:, columns], ids)
    return Ranker(
        ListTransformer(4, hidden=8, layers=1, heads=2), transform=transform, feature_ids=ids
    )


@pytest.fixture
def paths(table, ranker, tmp_path):
    write_svmrank(tmp_path / "data.txt", table)
    (tmp_path / "run").mkdir()
    ranker.save(tmp_path / "run" / "ranker")
    return tmp_path / "run", tmp_path / "data.txt"


def test_scores_are_those_of_each_list_in_the_order_of_the_file(paths, ranker, table, tmp_path):
    seen = []
    count = predict(*paths, tmp_path / "out.txt", on_progress=lambda *at: seen.append(at))
    found = np.loadtxt(tmp_path / "out.txt", dtype=np.float32)
    columns = [table.feature_ids.index(i) for i in ranker.feature_ids]
    expected = np.concatenate(
        [
            ranker.scores(table.features[start:stop, columns]).numpy()
            for start, stop in zip(table.offsets, table.offsets[1:], strict=False)
        ]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert count == len(found) == seen[-1][0] == seen[-1][1]


def test_a_trec_run_ranks_by_the_scores(paths, table, tmp_path):
    predict(*paths, tmp_path / "scores")
    predict(paths[0] / "ranker", paths[1], tmp_path / "run.trec", form="trec")
    scores = np.loadtxt(tmp_path / "scores", dtype=np.float32)
    rows = [line.split() for line in (tmp_path / "run.trec").read_text().splitlines()]
    assert len(rows) == len(scores)
    for query, name in enumerate(table.query_ids):
        own = scores[table.offsets[query] : table.offsets[query + 1]]
        found = [row for row in rows if row[0] == name]
        assert [int(row[3]) for row in found] == list(range(1, len(own) + 1))
        assert [int(row[2]) - 1 for row in found] == np.argsort(-own, kind="stable").tolist()
        assert [np.float32(row[4]) for row in found] == sorted(own, reverse=True)
        assert {(row[1], row[5]) for row in found} == {("Q0", "mtl2r")}


def test_a_file_with_other_columns_is_refused(paths, tmp_path):
    narrow = read_svmrank(paths[1])
    (tmp_path / "narrow.txt").write_text("1 qid:1 1:2 2:3 3:4\n0 qid:1 1:2 2:3 3:1\n")
    assert len(narrow.feature_ids) == 136
    with pytest.raises(ValueError, match=r"trained on 4 columns.*2 are not in this file, 50 the"):
        predict(paths[0], tmp_path / "narrow.txt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_of_other_data_is_refused(run_config, splits, paths, tmp_path):
    """The columns of the ranker may all be there, and mean something else."""
    train(run_config("mgda", train={"epochs": 1}), splits, tmp_path / "trained")
    predict(tmp_path / "trained", paths[1], tmp_path / "out")
    wide = " ".join(f"{i}:1" for i in range(1, 138))
    (tmp_path / "wide.txt").write_text(f"1 qid:1 {wide}\n")
    with pytest.raises(ValueError, match="trained on files of 136 columns, this one has 137"):
        predict(tmp_path / "trained", tmp_path / "wide.txt", tmp_path / "out")


def test_the_command(paths, tmp_path, monkeypatch, capsys):
    arguments = ["predict", "--model", paths[0], "--data", paths[1], "--out", tmp_path / "o"]
    monkeypatch.setattr(sys, "argv", ["mtl2r-bench", *map(str, arguments), "--format", "trec"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert "documents scored" in capsys.readouterr().out
    assert " Q0 " in (tmp_path / "o").read_text()


def test_a_ranker_with_a_score_per_task_is_asked_for_one(paths, table, tmp_path):
    model = ListTransformer(2, hidden=8, layers=1, heads=2, num_tasks=2)
    ranker = Ranker(model, feature_ids=(1, 2), tasks=("relevance", "click"))
    ranker.save(tmp_path / "two")
    with pytest.raises(ValueError, match="`task` must be one of relevance, click, got None"):
        predict(tmp_path / "two", paths[1], tmp_path / "out")
    predict(tmp_path / "two", paths[1], tmp_path / "out", task="click")
    first = torch.from_numpy(table.features[: table.offsets[1], :2])[None]
    with torch.inference_mode():
        expected = ranker.eval()(first)[1, 0].numpy()
    found = np.loadtxt(tmp_path / "out")[: len(expected)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="`task` must be left out"):
        predict(paths[0], paths[1], tmp_path / "out", task="click")


def test_the_exported_program_gives_the_same_scores(paths, ranker, table, tmp_path, monkeypatch):
    arguments = ["export", "--model", paths[0], "--out", tmp_path / "ranker.pt2"]
    monkeypatch.setattr(sys, "argv", ["mtl2r-bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    program = torch.export.load(tmp_path / "ranker.pt2").module()
    columns = [table.feature_ids.index(i) for i in ranker.feature_ids]
    documents = torch.from_numpy(table.features[: table.offsets[1]][:, columns])
    found = program(documents[None], torch.ones(1, len(documents), dtype=torch.bool))[0]
    torch.testing.assert_close(found, ranker.scores(documents), rtol=1e-4, atol=1e-5)


def test_a_device_that_is_not_there_is_refused(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"`device` must be auto, cpu or cuda\[:n\], got 'gpu'"):
        predict(*paths, tmp_path / "out", device="gpu")
    with pytest.raises(ValueError, match=r"`device` is 'cuda', but torch finds no GPU"):
        predict(*paths, tmp_path / "out", device="cuda")
    assert not (tmp_path / "out").exists()
