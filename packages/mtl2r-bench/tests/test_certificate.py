"""What a ranker can prove of itself."""

import numpy as np
import pytest
import torch

from ltr_losses import lambda_loss
from mtl2r_bench.training.run import train
from mtl2r_models import Ranker


@pytest.fixture
def ranker_of(run_config, splits, tmp_path):
    """Trains a run and gives its record and its ranker, ready to be measured."""

    def build(name, **options):
        record = train(run_config(name, **options), splits, tmp_path / "run")
        return record, Ranker.load(tmp_path / "run" / "ranker").eval()

    return build


def gradients(ranker, splits):
    """(task,) losses on all training lists in one batch, and (task, param) gradients."""
    batch = splits.train.batch(range(len(splits.train)))
    losses = lambda_loss(ranker(batch.features, batch.mask), batch.labels, mask=batch.mask)
    rows = []
    for loss in losses:
        found = torch.autograd.grad(loss, list(ranker.parameters()), retain_graph=True)
        rows.append(torch.cat([g.flatten() for g in found]).double())
    return losses.detach().double(), torch.stack(rows)


def test_the_residual_is_the_least_norm_of_a_combination(ranker_of, splits):
    record, ranker = ranker_of("ls", preference=(0.3, 0.7))
    found = record["certificate"]
    losses, jacobian = gradients(ranker, splits)
    assert found["lists"] == len(splits.train)
    assert list(found["losses"].values()) == pytest.approx(losses.tolist(), rel=1e-4)
    norms = jacobian.norm(dim=1)
    assert list(found["gradient_norms"].values()) == pytest.approx(norms.tolist(), rel=1e-3)
    alpha = torch.tensor(list(found["alpha"].values()), dtype=torch.float64)
    assert float((alpha @ jacobian).norm()) == pytest.approx(found["kkt_residual"], rel=1e-3)
    for share in np.linspace(0, 1, 101):
        mixed = torch.tensor([share, 1 - share], dtype=torch.float64) @ jacobian
        assert found["kkt_residual"] <= float(mixed.norm()) * (1 + 1e-3)
    assert found["kkt_relative"] == pytest.approx(found["kkt_residual"] / float(norms.max()), 1e-3)
    assert found["ray_error"] is None
    assert found["constraint_slack"] is None


def test_ray_and_slack_are_of_the_losses_that_training_sees(ranker_of):
    record, _ = ranker_of("wc", preference=(0.3, 0.7))
    seen = record["certificate"]["training_losses"]
    terms = np.array([0.3, 0.7]) * list(seen.values())
    error = np.abs(terms / terms.mean() - 1).max()
    assert record["certificate"]["ray_error"] == pytest.approx(error)
    assert seen != record["certificate"]["losses"]  # dropout


def test_slack_is_what_is_left_of_a_bound(ranker_of):
    record, _ = ranker_of("ec", options={"bounds": {"quality": 3.0}})
    found = record["certificate"]
    assert found["constraint_slack"] == {
        "quality": pytest.approx(3.0 - found["training_losses"]["quality"])
    }
    assert record["bounds"] == {"rule": "given", "values": {"quality": 3.0}}


def test_a_baseline_knows_the_losses_of_the_other_labels(ranker_of):
    record, _ = ranker_of("stl", task="quality")
    found = record["certificate"]
    assert set(found["losses"]) == {"relevance", "quality"}
    assert set(found["gradient_norms"]) == {"quality"}
    assert found["alpha"] == {"quality": 1.0}
    assert found["kkt_residual"] == pytest.approx(found["gradient_norms"]["quality"])
