"""Wishes in metrics, and sampling noise: what is shown, and what is refused."""

import math

import pytest
import torch
from torch import nn

from mtl_optim.pareto import Metrics, NavigationError, ParetoNavigator, Settings
from mtl_optim.pareto.navigation.objective import Values
from mtl_optim.pareto.navigation.sampling import (
    Slopes,
    measure_slopes,
    paired_errors,
    standard_errors,
)
from mtl_optim.pareto.navigation.tangent import Tangents


class Vector(nn.Module):
    def __init__(self, size, start=0.0):
        super().__init__()
        self.x = nn.Parameter(torch.full((size,), start, dtype=torch.float64))


def data(samples, noise, seed=0, size=2):
    """Targets around one corner per task: L_k = mean_i ½‖x − e_k − noise_ki‖²."""
    generator = torch.Generator().manual_seed(seed)
    spread = noise * torch.randn(size, samples, size, generator=generator, dtype=torch.float64)
    return torch.eye(size, dtype=torch.float64)[:, None] + spread - spread.mean(dim=1, keepdim=True)


def losses(model, targets):
    return 0.1 + ((model.x - targets) ** 2).sum(dim=2) / 2


def start(samples=400, noise=0.1, size=2, **arguments):
    nav = ParetoNavigator(
        Vector(size, 1 / size), losses, data(samples, noise, size=size), **arguments
    )
    nav.start()
    return nav


def test_standard_errors_are_those_of_means():
    nav = start()
    samples = losses(nav.model, data(400, 0.1)).detach()
    expected = samples.std(dim=1) / math.sqrt(400)
    torch.testing.assert_close(nav.point.loss_errors, expected)
    torch.testing.assert_close(nav.local().loss_errors, expected)
    before = samples
    preview = nav.preview(change={"task 0": -0.02})
    point = nav.step(preview)
    after = losses(nav.model, data(400, 0.1)).detach()
    paired = (after - before).std(dim=1) / math.sqrt(400)
    torch.testing.assert_close(point.change_errors, paired)
    # What was foreseen from the slopes is what came.
    noise = nav._iterate.place(nav._tree.theta(nav.point)).here.losses  # of the new place
    assert noise.samples.shape == (2, 400)
    accuracy = Settings().accuracy * 0.02
    assert float(preview.error[0]) >= 2 * float(paired[0]) - accuracy
    assert float(preview.error[0]) < 4 * float(paired[0]) + 0.01


def test_losses_without_samples_have_no_noise():
    nav = ParetoNavigator(Vector(2, 0.5), lambda m, d: losses(m, d).mean(dim=1), data(50, 5.0))
    assert nav.start().loss_errors is None
    assert nav.preview(change={"task 0": -0.001}).refused is None


def test_a_move_below_the_noise_is_refused_and_more_samples_allow_it():
    # Few, noisy samples: along the front each sample moves up or down more than the mean.
    nav = start(samples=12, noise=3.0)
    preview = nav.preview(improve="task 0", give_up={"task 1": 0.01})
    assert preview.refused is not None
    assert "below the sampling noise: the change of task 0" in preview.refused
    assert not preview.feasible
    x = nav.model.x.detach().clone()
    with pytest.raises(NavigationError, match="below the sampling noise"):
        nav.step(preview)
    assert torch.equal(nav.model.x, x)
    nav = start(samples=12_000, noise=3.0)
    preview = nav.preview(improve="task 0", give_up={"task 1": 0.01})
    assert preview.refused is None


def test_a_move_below_rounding_is_refused():
    nav = start()
    preview = nav.preview(change={"task 0": -1e-15})
    assert "below the rounding of the losses" in preview.refused


def accuracy(model, targets):
    """A metric (metric, sample) of jumps: which samples are nearer to x than a threshold."""
    return ((model.x - targets) ** 2).sum(dim=2).lt(0.55).double()


def smooth(model, targets):
    """Smooth metrics, the second one better where smaller; the first sample has no value."""
    values = torch.stack(
        [model.x[0].expand(targets.shape[1]), -(model.x[0] ** 2) + 0 * targets[0, :, 0]]
    )
    values = values + 0.01 * targets[:, :, 0]
    values[:, 0] = math.nan
    return values


SMOOTH = Metrics(smooth, ["up", "down"], higher_is_better=[True, False])


def test_wishes_in_metrics_are_converted_by_their_slopes():
    nav = start(metrics=SMOOTH)
    assert nav.point.metrics is not None
    assert nav.point.metric_errors is not None
    x = float(nav.model.x[0].detach())
    before = nav.point.metrics.clone()
    preview = nav.preview(improve={"up": 0.03})
    assert float(preview.metric_change[0]) == pytest.approx(0.03, rel=1e-6)
    assert float(preview.metric_change[1]) == pytest.approx(-2 * x * 0.03, rel=0.1)
    point = nav.step(preview)
    assert float(point.realised_metrics[0]) == pytest.approx(0.03, rel=0.1)
    gap = (point.realised_metrics - preview.metric_change).abs()
    assert bool((gap <= preview.metric_error + 2e-3).all())
    torch.testing.assert_close(point.metrics - before, point.realised_metrics)
    torch.testing.assert_close(point.predicted_metrics, preview.metric_change)
    # A unit fall of task 0's loss is worth this much in each metric.
    slopes = nav.local().metric_slopes
    moved = nav.preview(change={"task 0": -1e-3})
    torch.testing.assert_close(moved.metric_change, 1e-3 * slopes[:, 0])


def test_a_metric_that_is_better_when_smaller_improves_downwards():
    nav = start(metrics=SMOOTH)
    preview = nav.preview(improve="down", give_up={"task 1": 0.02})
    assert float(preview.metric_change[1]) < 0
    assert float(preview.change[1]) == pytest.approx(0.02, rel=0.05)
    capped = nav.preview(improve="task 1", give_up={"up": 0.01})
    assert float(capped.metric_change[0]) == pytest.approx(-0.01, rel=1e-6)
    kept = nav.preview(improve="task 1", protect=["up"])
    assert kept.share == 0


def test_metrics_that_jump_have_an_honest_band():
    nav = start(samples=2000, metrics=Metrics(accuracy, ["near 0", "near 1"]))
    preview = nav.preview(improve="near 0", give_up={"task 1": 0.03})
    assert preview.refused is None
    point = nav.step(preview)
    gap = (point.realised_metrics - preview.metric_change).abs()
    assert bool((gap <= preview.metric_error).all())
    # A smaller move is less certain, relative to its size.
    small = nav.preview(improve="near 0", give_up={"task 1": 0.0003})
    large = nav.preview(improve="near 0", give_up={"task 1": 0.003})
    ratio = small.metric_error / small.metric_change.abs()
    assert bool((ratio > large.metric_error / large.metric_change.abs()).all())


def test_noise_of_jumps_falls_with_the_root_of_the_move():
    covariance = torch.eye(1, dtype=torch.float64)[None]
    one = torch.ones(1, dtype=torch.float64)
    slopes = Slopes(one[None], 0 * one[None], covariance, 0.5 * one)
    assert float(slopes.noise(0.5 * one, jumps=True)) == pytest.approx(0.5)
    assert float(slopes.noise(0.125 * one, jumps=True)) == pytest.approx(0.25)
    assert float(slopes.noise(0.125 * one, jumps=False)) == pytest.approx(0.125)
    assert float(slopes.noise(1.5 * one, jumps=True)) == pytest.approx(1.5)


def test_slopes_of_quadratics_are_exact_and_their_bend_is_the_curvature():
    theta = torch.tensor([0.3, -0.2], dtype=torch.float64)
    V = torch.tensor([[1.0], [2.0]], dtype=torch.float64)

    def measure(x):
        return Values(torch.stack([(x**2).sum(), x[0]]), None)

    zero = torch.zeros(1, 1, dtype=torch.float64)
    front = Tangents(V, torch.full((2, 1), 4.0, dtype=torch.float64), zero, zero)
    found = measure_slopes(measure, theta, measure(theta), front, 0.2)
    assert float(found.reach) == pytest.approx(0.05)
    assert found.slopes[:, 0].tolist() == pytest.approx([2 * (0.3 - 0.4), 1.0])
    assert found.bend[:, 0].tolist() == pytest.approx([5 * 0.05**2, 0.0])
    assert found.covariance is None


def test_samples_without_a_value_are_left_out():
    samples = torch.tensor([[1.0, 2.0, math.nan, 4.0]], dtype=torch.float64)
    values = Values(samples.nanmean(dim=1), samples)
    kept = samples[:, [0, 1, 3]]
    expected = kept.std(dim=1) / math.sqrt(3)
    torch.testing.assert_close(standard_errors(values), expected)
    shifted = Values(values.means + 1, samples + 1)
    assert float(paired_errors(values, shifted)) == pytest.approx(0, abs=1e-15)
    assert paired_errors(values, Values(values.means, None)) is None


def test_metrics_that_fail_after_a_step_leave_the_model_where_it_was():
    broken = []

    def measure(model, _):
        return model.x[:1] / (0 if broken else 1)

    nav = start(metrics=Metrics(measure, ["first"]))
    preview = nav.preview(change={"task 0": -0.01})
    before = nav.model.x.detach().clone()
    broken.append(True)
    with pytest.raises(ValueError, match="`metrics`: the mean of task 0 must be finite"):
        nav.step(preview)
    assert torch.equal(nav.model.x, before)
    assert len(nav.points) == 1
    broken.clear()
    assert nav.step(preview).parent == 0
