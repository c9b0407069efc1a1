"""The main job on real lists; skipped where the data are missing."""

from rich.console import Console

from mtl2r_bench.config import StudyConfig, load_study, validate
from mtl2r_bench.report import write_report
from mtl2r_bench.report.results import collect, load_references
from mtl2r_bench.sweep import StudyFolder, sweep

SMALL = {"hidden": 64, "layers": 2, "heads": 2, "feedforward": 128, "dropout": 0.1}


def run(tables, out):
    outcomes = sweep(validate(StudyConfig, tables), out, console=Console(quiet=True))
    assert [outcome.error for outcome in outcomes] == [None] * len(outcomes)
    write_report(out)
    return StudyFolder(out)


def test_mq2008_beats_a_random_order_and_the_best_single_feature(real_data, tmp_path):
    path = real_data("mq2008-fold1")
    tables = load_study("mq2008")
    tables["data"]["path"] = str(path)
    folder = run({**tables, "seeds": [44]}, tmp_path)
    references = load_references(folder)
    (result,) = collect(folder)
    for split in ("validation", "test"):
        random, feature, learned = (
            values[split]["ndcg@10"]["relevance"]
            for values in (
                references["random"],
                references["single_feature"],
                result.record["metrics"],
            )
        )
        assert feature > random
        assert learned > random
    # On the validation lists the best feature is level with the ranker: over six seeds .7202
    # against a mean of .721. On the test lists it is far below.
    assert learned > feature


def test_mslr_sample_with_two_tasks_and_no_test_split(real_data, tmp_path):
    path = real_data("mslr-sample")
    folder = run(
        {
            "data": {"path": str(path), "tasks": ["relevance", "133"]},
            "model": SMALL,
            "train": {"epochs": 2, "batch_size": 16},
            "methods": ["ls", "mgda"],
            "preferences": 2,
        },
        tmp_path,
    )
    report = folder.report.read_text()
    assert "relevance and click" in report
    assert "There is no test split" in report
    assert "132 inputs" in report
    assert len(collect(folder)) == 2 + 2 + 1
