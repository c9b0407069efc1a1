"""Chebyshev sweeps that are the ends of the front alone, and the sentence that says so."""

import numpy as np
import pytest
import torch
from rich.console import Console

from mtl2r_bench.analysis.collapse import REMEDY, collapses
from mtl2r_bench.config import StudyConfig, validate
from mtl2r_bench.report import study_report
from mtl2r_bench.report.text.markdown import markdown
from mtl2r_bench.study.sweep import sweep
from mtl_optim import SmoothChebyshev


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Losses of a few tens under μ = 0.1, and under what the sentence recommends."""
    study = validate(
        StudyConfig,
        {
            "methods": [
                "ls",
                "wc",
                "soft_wc",
                {"name": "soft_wc", "options": {"average": 0.99, "mu": 1.0}},
            ],
            "preferences": 3,
            "data": {
                "tasks": ["relevance", "click"],
                "synthetic": {"train_queries": 24, "validation_queries": 12, "mean_length": 20},
            },
            "model": {"hidden": 8, "layers": 1, "heads": 2, "feedforward": 8},
            "train": {"epochs": 2, "batch_size": 8},
        },
    )
    path = tmp_path_factory.mktemp("collapse")
    outcomes = sweep(study, path, jobs=1, console=Console(quiet=True))
    assert all(outcome.error is None for outcome in outcomes)
    return study_report(path, resamples=100)


def share(analysis, method):
    """The first task's share of the weight in the last epoch, by preference."""
    (row,) = [row for row in analysis.methods if row.method == method]
    points = sorted((analysis.points[i] for i in row.points), key=lambda point: point.position)
    weights = [point.runs[0].folder.epochs()[-1]["weight"] for point in points]
    return [w["relevance"] / sum(w.values()) for w in weights]


def test_the_methods_that_train_one_task_alone_are_named(reported):
    (section,) = reported.sections
    analysis = section.analysis
    shown = {row.method: share(analysis, row.method) for row in analysis.methods}
    alone = {m: sum(not 0.01 < one < 0.99 for one in shares) for m, shares in shown.items()}
    assert alone["soft_wc"] >= 2  # else the study does not test what it is to
    assert alone["ls"] == alone["soft_wc (average=0.99, mu=1.0)"] == 0
    named = [warning.partition(" trained one task alone")[0] for warning in section.warnings]
    assert named == [row.method for row in analysis.methods if alone[row.method] >= 2]
    (said,) = [w for w in section.warnings if w.startswith("soft_wc")]
    assert f"at {alone['soft_wc']} of its 3 preferences" in said
    assert "μ = 0.1 is small against them" in said
    assert REMEDY in said
    assert said in markdown(reported, [[]])
    assert collapses(analysis) == section.warnings


def test_what_is_recommended_follows_the_preference(reported):
    analysis = reported.sections[0].analysis
    shares = share(analysis, "soft_wc (average=0.99, mu=1.0)")
    assert np.all(np.diff(shares) > 0)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_weights_of_what_is_recommended_do_not_depend_on_the_losses_unit(scale):
    """r_k softmax(r / μ)_k over L_k, for steady losses: strictly between the ends."""
    r = torch.tensor([0.25, 0.75])
    losses = torch.tensor([30.0 * scale, 10.0])
    weights = SmoothChebyshev(r, mu=1.0, average=0.99).weights(losses=losses)
    expected = r * torch.softmax(r, dim=0) / losses
    torch.testing.assert_close(weights / weights.sum(), expected / expected.sum())
    alone = SmoothChebyshev(r, mu=0.1).weights(losses=torch.tensor([30.0 * scale, 1.0]))
    assert alone[1] < 1e-20 * alone[0]
