"""A study's report: what stands in its files is what its runs measured."""

import csv
import json
import shlex
import shutil
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from mtl2r_bench.analysis.points import gather
from mtl2r_bench.analysis.results import collect
from mtl2r_bench.analysis.select import choose, parse_bound
from mtl2r_bench.config import StudyConfig, validate
from mtl2r_bench.report import study_report, write_report
from mtl2r_bench.report.page.payload import payload
from mtl2r_bench.report.text.markdown import markdown
from mtl2r_bench.runs.run_folder import RunFolder
from mtl2r_bench.study.sweep import StudyFolder, sweep
from mtl_optim.pareto import delta_m, hypervolume

SETS = [("relevance", "quality"), ("relevance", "click")]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A finished study of two pairs with two seeds, and its report."""
    study = validate(
        StudyConfig,
        {
            "methods": ["ls", "mgda"],
            "preferences": 2,
            "seeds": [1, 2],
            "task_sets": SETS,
            "data": {
                "tasks": ["relevance", "quality", "click"],
                "synthetic": {
                    "train_queries": 24,
                    "validation_queries": 12,
                    "test_queries": 16,
                    "mean_length": 8,
                },
            },
            "model": {"hidden": 8, "layers": 1, "heads": 2, "feedforward": 8},
            "train": {"epochs": 2, "batch_size": 8},
        },
    )
    folder = StudyFolder(tmp_path_factory.mktemp("pairs"))
    outcomes = sweep(study, folder.path, jobs=1, console=Console(quiet=True))
    assert [outcome.error for outcome in outcomes] == [None] * (3 * 2 + 2 * 3 * 2)
    return study, folder, write_report(folder.path, resamples=200).sections


def test_a_point_is_the_mean_of_its_runs(pairs):
    _, folder, sections = pairs
    results = collect(folder)
    assert [section.analysis.tasks for section in sections] == SETS
    for section in sections:
        analysis = section.analysis
        assert {p.method for p in analysis.points if p.is_baseline} == {
            f"stl {task}" for task in analysis.tasks
        }
        for point, values in zip(analysis.points, analysis.values, strict=True):
            mine = [r for r in results if r.name in {run.name for run in point.runs}]
            assert {run.seed for run in mine} == {1, 2}
            for task, value in zip(analysis.tasks, values, strict=True):
                means = [run.record["metrics"]["test"]["ndcg@10"][task] for run in mine]
                assert value.value == pytest.approx(np.mean(means))
                assert value.seed_spread == pytest.approx(np.std(means, ddof=1))
                assert value.low <= value.value <= value.high


def test_indicators_are_those_of_mtl_optim(pairs):
    _, _, sections = pairs
    for section in sections:
        analysis = section.analysis
        base = {p.method: p.values for p in analysis.points if p.is_baseline}
        own = [base[f"stl {task}"][k] for k, task in enumerate(analysis.tasks)]
        for point, found in zip(analysis.points, analysis.delta_m, strict=True):
            assert found.value == pytest.approx(delta_m(point.values, own))
        for row in analysis.methods:
            values = np.stack([analysis.points[i].values for i in row.points])
            assert row.hypervolume.value == pytest.approx(
                hypervolume(values, analysis.box.reference, maximize=True, ideal=analysis.box.ideal)
            )


def test_the_files_are_there_and_agree(pairs):
    _, folder, sections = pairs
    report = folder.report.read_text()
    data = json.loads(folder.data.read_text())
    assert [one["tasks"] for one in data["sets"]] == [list(tasks) for tasks in SETS]
    for section in sections:
        prefix = "+".join(section.analysis.tasks)
        for name in ("front", "losses", "validation", "delta_m", "curves"):
            file = f"{prefix}-{name}"
            assert f"figures/{file}.png" in report
            assert (folder.figures / f"{file}.png").read_bytes().startswith(b"\x89PNG")
            assert (folder.figures / f"{file}.pdf").read_bytes().startswith(b"%PDF")
            assert (folder.figures / f"{file}.png").stat().st_size < 200_000
        with (folder.tables / f"{prefix}-points.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["Δm %"]]
        assert len(rows) == len(section.analysis.points)
        here = {
            (p.method, " ".join(f"{v:.3g}" for v in p.preference or ())): values
            for p, values in zip(section.analysis.points, section.analysis.values, strict=True)
        }
        for row in rows:
            for task, value in zip(
                section.analysis.tasks, here[row["method"], row["preference"]], strict=True
            ):
                assert float(row[task]) == value.value
                assert float(row[f"{task} low"]) == value.low
        assert r"\toprule" in (folder.tables / f"{prefix}-points.tex").read_text()
    with (folder.tables / "table1.csv").open() as file:
        first = {row["method"]: row for row in csv.DictReader(file)}
    assert [first[m]["indicator"] for m in ("ls", "mgda")] == ["HVI", "Δm %"]
    for section in sections:
        name = " + ".join(section.analysis.tasks)
        methods = {row.method: row for row in section.analysis.methods}
        assert float(first["ls"][name]) == methods["ls"].improvement.value
        assert float(first["mgda"][name]) == methods["mgda"].delta_m.value
    assert pq.read_table(folder.results).num_rows == 18 * 2 * 4 * 3


def test_the_same_runs_give_the_same_report(pairs):
    _, folder, _ = pairs
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    write_report(folder.path, resamples=200)
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


def test_the_select_command_of_a_point_selects_it(pairs):
    _, folder, _ = pairs
    data = json.loads(folder.data.read_text())
    commands = 0
    for one in data["sets"]:
        for point in one["points"]:
            if point["select"] is None:
                continue
            commands += 1
            words = shlex.split(point["select"])
            given = list(pairwise(words))
            bounds = dict(parse_bound(word) for option, word in given if option == "--bound")
            (tasks,) = (word.split(",") for option, word in given if option == "--tasks")
            assert words[2] == str(folder.path)
            chosen = choose(folder.path, bounds=bounds, tasks=tasks)
            assert chosen.result.name in {run["name"] for run in point["runs"]}
    assert commands > 0


def test_another_set_to_improve_on(pairs):
    _, folder, _ = pairs
    report = study_report(folder.path, against="ls", resamples=100)
    section = report.sections[0]
    row = next(row for row in section.analysis.methods if row.method == "ls")
    assert row.improvement.value == 0
    assert "HVI over ls" in section.tables[0].header
    with pytest.raises(ValueError, match="`against` must be one of stl, ls, mgda, got 'lss'"):
        study_report(folder.path, against="lss")


def test_what_is_missing_is_said(pairs, monkeypatch):
    _, folder, sections = pairs
    run = sections[0].analysis.points[-1].runs[0].folder
    kept = run.record.read_bytes()
    run.record.unlink()
    run.fail("TrainingError: the loss of task 'quality' is nan at epoch 2")
    try:
        found = study_report(folder.path, resamples=100)
    finally:
        run.record.write_bytes(kept)
        run.error.unlink()
    report = markdown(found, [[], []])
    assert "1 of 18 runs are not finished" in report
    assert f"`{run.path.name}`: TrainingError: the loss of task 'quality' is nan" in report
    assert payload(found)["unfinished"][0]["name"] == run.path.name


def test_a_fold_that_has_just_begun_is_left_out(pairs):
    """And a point that lacks a fold of those that count, by name."""
    study, folder, _ = pairs
    results = [r for r in collect(folder) if set(r.tasks) <= set(SETS[0])]

    class Elsewhere(type(results[0])):
        @property
        def fold(self):
            return self.record["elsewhere"]

    def at(result, fold):
        return Elsewhere(result.name, {**result.record, "elsewhere": fold}, result.folder)

    begun = [at(r, 1) for r in results] + [at(results[0], 2)]
    measured = gather(begun, SETS[0], study.evaluation, "test")
    assert measured.folds == (1,)
    assert measured.left_out == ()
    two = [at(r, f) for r in results for f in (1, 2) if not (f == 2 and r.method == "mgda")]
    measured = gather(two, SETS[0], study.evaluation, "test")
    assert measured.folds == (1, 2)
    assert measured.left_out == ("mgda (no run in fold 2)",)
    one = gather([at(r, 1) for r in results], SETS[0], study.evaluation, "test")
    for before, after in zip(one.points, measured.points, strict=False):
        np.testing.assert_allclose(before.values, after.values)
        assert after.queries.shape[1] == 2 * before.queries.shape[1]
    assert measured.strata.tolist() == [0] * 16 + [1] * 16


def test_lists_that_differ_are_an_error(pairs):
    _, folder, sections = pairs
    run = sections[0].analysis.points[-1].runs[0].folder
    table = pq.read_table(run.queries)
    kept = run.queries.read_bytes()
    names = [f"other {name}" for name in table["query"].to_pylist()]
    pq.write_table(table.set_column(1, "query", [names]), run.queries)
    try:
        with pytest.raises(ValueError, match="measured on other lists"):
            study_report(folder.path)
    finally:
        RunFolder(run.path).queries.write_bytes(kept)


def test_empty_lists_count_what_the_study_says(pairs):
    study, folder, _ = pairs
    results = collect(folder)
    skipped = gather(results, SETS[1], study.evaluation, "test")
    counted = gather(results, SETS[1], study.evaluation.model_copy(update={"empty": 1.0}), "test")
    missing = ~skipped.counted
    assert counted.counted.all()
    for before, after in zip(skipped.points, counted.points, strict=True):
        filled = np.where(missing, 1.0, before.queries)
        np.testing.assert_array_equal(after.queries, filled)


def test_a_task_that_no_list_counts_for(pairs, monkeypatch):
    study, folder, _ = pairs
    results = collect(folder)
    measured = type(results[0]).measured

    def nothing(run, *which):
        names, metrics = measured(run, *which)
        return names, {name: np.full_like(values, np.nan) for name, values in metrics.items()}

    monkeypatch.setattr(type(results[0]), "measured", nothing)
    with pytest.raises(ValueError, match="no list has a relevant document for task 'relevance'"):
        gather(results, SETS[0], study.evaluation, "test")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("runs/relevance+click-mgda-s1/record.json", '{"labels": ["rel', "damaged, not JSON"),
        (
            "runs/relevance+click-mgda-s1/record.json",
            "{}",
            "damaged, expected an object with labels",
        ),
        ("references.json", "[]", "damaged, expected an object with data"),
    ],
)
def test_a_damaged_file_is_named(pairs, tmp_path, name, text, message):
    shutil.copytree(pairs[1].path, tmp_path / "study")
    path = tmp_path / "study" / name
    assert path.is_file()
    path.write_text(text)
    with pytest.raises(ValueError, match=f"{path.name}: {message}"):
        study_report(tmp_path / "study")


def test_runs_and_references_of_other_data_are_not_mixed(pairs, tmp_path):
    shutil.copytree(pairs[1].path, tmp_path / "study")
    folder = StudyFolder(tmp_path / "study")
    references = json.loads(folder.references_of(None).read_text())
    for splits in references["random"].values():
        for values in splits.values():
            values["pagerank"] = values.pop("click")
    folder.references_of(None).write_text(json.dumps(references))
    with pytest.raises(
        ValueError, match=r"labels are relevance, quality, click, those of .*pagera"
    ):
        study_report(folder.path)
    run = RunFolder(folder.runs / "relevance+click-mgda-s1")
    run.record.write_text(run.record.read_text().replace('"click"', '"pagerank"'))
    with pytest.raises(ValueError, match="expected runs of one data set"):
        collect(folder)
