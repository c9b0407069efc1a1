"""Methods that look at the losses: their scalars, and what they refuse."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim import (
    DynamicWeightAverage,
    LinearScalarization,
    RandomLossWeighting,
    ScaleInvariantScalarization,
    SmoothChebyshev,
    WeightedChebyshev,
)
from mtl_optim.testing import double, seeded, slopes

preferences = st.lists(st.floats(0.01, 1), min_size=1, max_size=6).map(
    lambda r: torch.tensor(r, dtype=torch.float64) / sum(r)
)


@settings(max_examples=30, derandomize=True)
@given(r=preferences, seed=st.integers(0, 99))
def test_linear_scalarization_descends_its_scalar(r, seed):
    losses = torch.rand(len(r), generator=seeded(seed), dtype=torch.float64)
    w = LinearScalarization(r).weights(losses=losses)
    torch.testing.assert_close(w, slopes(lambda L: (r * L).sum(), losses))


@settings(max_examples=30, derandomize=True)
@given(r=preferences, seed=st.integers(0, 99))
def test_chebyshev_descends_its_scalar(r, seed):
    losses = torch.rand(len(r), generator=seeded(seed), dtype=torch.float64)
    ideal = -torch.rand(len(r), generator=seeded(seed + 1), dtype=torch.float64)
    w = WeightedChebyshev(r, ideal=ideal).weights(losses=losses)
    torch.testing.assert_close(w, slopes(lambda L: (r * (L - ideal)).max(), losses))


def test_chebyshev_ties_share():
    w = WeightedChebyshev([0.5, 0.25, 0.25]).weights(losses=double(1, 2, 1))
    assert w.tolist() == [0.25, 0.125, 0]


@settings(max_examples=30, derandomize=True)
@given(r=preferences, seed=st.integers(0, 99), mu=st.sampled_from([1.0, 0.1, 0.02]))
def test_smooth_chebyshev_descends_its_scalar(r, seed, mu):
    losses = torch.rand(len(r), generator=seeded(seed), dtype=torch.float64)
    ideal = -torch.rand(len(r), generator=seeded(seed + 1), dtype=torch.float64)

    def scalar(L):
        return mu * torch.logsumexp(r * (L - ideal) / mu, dim=0)

    w = SmoothChebyshev(r, mu=mu, ideal=ideal).weights(losses=losses)
    torch.testing.assert_close(w, slopes(scalar, losses), rtol=1e-5, atol=1e-8)
    hard = (r * (losses - ideal)).max()
    assert hard - 1e-12 <= scalar(losses) <= hard + mu * math.log(len(r)) + 1e-12


def test_smooth_chebyshev_becomes_chebyshev():
    r, losses = [0.2, 0.3, 0.5], torch.tensor([1.0, 3.0, 1.0])
    smooth = SmoothChebyshev(r, mu=1e-4).weights(losses=losses)
    torch.testing.assert_close(smooth, WeightedChebyshev(r).weights(losses=losses))
    for mu in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"`mu`"):
            SmoothChebyshev(r, mu=mu)


@settings(max_examples=30, derandomize=True)
@given(r=preferences, seed=st.integers(0, 99), steps=st.integers(1, 6))
def test_smooth_chebyshev_in_units_of_running_means_has_no_unit(r, seed, steps):
    seen = 0.1 + torch.rand(steps, len(r), generator=seeded(seed), dtype=torch.float64)
    units = 10 ** torch.arange(len(r), dtype=torch.float64)
    plain, scaled = (SmoothChebyshev(r, mu=0.5, average=0.75) for _ in range(2))
    for losses in seen:
        w = plain.weights(losses=losses)
        other = scaled.weights(losses=losses * units)
    mean = seen[0]
    for t, losses in enumerate(seen[1:], start=2):
        mean = mean + max(1 / t, 0.25) * (losses - mean)
    torch.testing.assert_close(plain.means, mean)
    ratio = (other * units * mean) / (w * mean)
    torch.testing.assert_close(ratio, ratio[0].expand(len(r)))
    relative = SmoothChebyshev(r, mu=0.5).weights(losses=losses / mean)
    torch.testing.assert_close(w * mean / mean.mean(), relative)


def test_smooth_chebyshev_in_units_of_running_means_keeps_them_and_names_mistakes():
    method, other = (SmoothChebyshev([0.3, 0.7], mu=1.0, average=0.9) for _ in range(2))
    method.weights(losses=double(3, 1))
    other.load_state_dict(method.state_dict())
    again = double(1, 4)
    assert torch.equal(method.weights(losses=again), other.weights(losses=again))
    with pytest.raises(ValueError, match=r"of at least 0, got -1.0 for task 1"):
        method.weights(losses=double(1, -1))
    for average in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match=r"`average` must be in \[0, 1\), got"):
            SmoothChebyshev([0.3, 0.7], mu=1.0, average=average)


@settings(max_examples=30, derandomize=True)
@given(r=preferences, seed=st.integers(0, 99))
def test_scale_invariant_scalarization_descends_its_scalar(r, seed):
    losses = 0.1 + torch.rand(len(r), generator=seeded(seed), dtype=torch.float64)
    w = ScaleInvariantScalarization(r).weights(losses=losses)
    torch.testing.assert_close(w, slopes(lambda L: (r * L.log()).sum(), losses), rtol=1e-5, atol=0)
    assert float(w @ losses) == pytest.approx(1)
    units = 10 ** torch.arange(len(r), dtype=torch.float64)
    torch.testing.assert_close(
        ScaleInvariantScalarization(r).weights(losses=losses * units) * units, w
    )


@pytest.mark.parametrize("loss", [-1e-9, -1.0])
def test_scale_invariant_scalarization_names_a_loss_without_logarithm(loss):
    with pytest.raises(ValueError, match=rf"got {loss} for task 1"):
        ScaleInvariantScalarization([0.5, 0.5]).weights(losses=double(1, loss))


def test_random_loss_weighting_is_even_in_the_mean():
    method = RandomLossWeighting(generator=seeded(0))
    drawn = torch.stack([method.weights(losses=torch.ones(4).double()) for _ in range(2000)])
    torch.testing.assert_close(drawn.sum(dim=1), torch.ones(2000).double())
    standard_error = drawn.std(dim=0) / math.sqrt(2000)
    assert bool(((drawn.mean(dim=0) - 1 / 4).abs() < 4 * standard_error).all())


def test_dynamic_weight_average_is_equation_7():
    method, epochs = DynamicWeightAverage(temperature=3), [double(4, 2), double(2, 2), double(1, 3)]
    means = []
    for first in epochs:
        for losses in (first, first / 2):
            w = method.weights(losses=losses)
            if len(means) < 2:
                assert w.tolist() == [1, 1]
            else:
                ratio = means[-1] / means[-2]
                torch.testing.assert_close(w, 2 * torch.softmax(ratio / 3, dim=0))
        means.append(first * 3 / 4)
        method.end_epoch()
    with pytest.raises(RuntimeError, match=r"end_epoch"):
        method.end_epoch()
    with pytest.raises(ValueError, match=r"3 entries for 2 tasks"):
        method.weights(losses=torch.ones(3))


def test_dynamic_weight_average_of_constant_losses_is_even():
    method = DynamicWeightAverage()
    for _ in range(4):
        assert method.weights(losses=double(1, 5, 9)).tolist() == [1, 1, 1]
        method.end_epoch()
    resumed = DynamicWeightAverage()
    resumed.load_state_dict(method.state_dict())
    assert torch.equal(resumed.last, double(1, 5, 9))
    with pytest.raises(ValueError, match=r"`temperature`"):
        DynamicWeightAverage(temperature=0)


def test_a_preference_is_normalised_when_nearly_so():
    assert LinearScalarization([0.3333] * 3).preference.sum() == 1


@pytest.mark.parametrize(
    ("preference", "message"),
    [
        ([0.5, 0.8], "`preference` must sum to 1, got a sum of 1.3"),
        ([1.5, -0.5], "finite and non-negative"),
        ([float("nan"), 1.0], "finite and non-negative"),
        ([[1.0]], r"shape \(task,\)"),
        ([], r"shape \(task,\)"),
    ],
)
@pytest.mark.parametrize("method", [LinearScalarization, WeightedChebyshev])
def test_a_bad_preference_is_refused(method, preference, message):
    with pytest.raises(ValueError, match=message):
        method(preference)


@pytest.mark.parametrize("preference", [None, "ab", [None, 1.0]])
def test_a_preference_that_holds_no_numbers_is_refused(preference):
    with pytest.raises(TypeError, match=r"`preference` must hold numbers"):
        WeightedChebyshev(preference)


def test_a_preference_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match=r"`preference`.*2 entries for 3 tasks"):
        LinearScalarization([0.5, 0.5]).weights(losses=double(1, 1, 1))
    with pytest.raises(ValueError, match=r"`ideal`.*1 entries for 2 tasks"):
        WeightedChebyshev([0.5, 0.5], ideal=[0.0])
    with pytest.raises(ValueError, match=r"`ideal`"):
        WeightedChebyshev([0.5, 0.5], ideal=[0.0, float("nan")])
