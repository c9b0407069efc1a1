"""Indicators of a front against their definitions, and the fronts of the problems."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim.pareto import (
    das_dennis,
    evenly_spaced,
    hypervolume,
    hypervolume_contributions,
    hypervolume_improvement,
    hypervolume_samples,
    igd_plus,
    kkt_residual,
    non_dominated,
    probability_non_dominated,
    r2,
    spread,
)
from mtl_optim.pareto.problems import dtlz2, linear, quadratics, zdt1, zdt2

tasks = st.integers(2, 5)


seeds = st.integers(0, 2**32 - 1)


several = settings(max_examples=25, derandomize=True)


def random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- indicators


@several
@given(seed=seeds, K=st.integers(2, 4))
def test_contributions_and_improvement_are_differences_of_hypervolumes(seed, K):
    pytest.importorskip("moocore")
    points = np.random.default_rng(seed).random((6, K))
    top = np.ones(K)
    whole = hypervolume(points, top)
    rest = [hypervolume(np.delete(points, i, axis=0), top) for i in range(6)]
    contributions = hypervolume_contributions(points, top)
    assert contributions == pytest.approx(whole - np.array(rest), abs=1e-12)
    assert (contributions[~non_dominated(points)] == 0).all()
    added = hypervolume_improvement(points[:2], points[2:], top)
    assert added == pytest.approx(whole - hypervolume(points[2:], top), abs=1e-12)
    ideal = np.full(K, -0.5)
    assert hypervolume_contributions(points, top, ideal=ideal) == pytest.approx(
        contributions / 1.5**K, abs=1e-12
    )
    assert hypervolume_improvement(
        -points[:2], -points[2:], -top, maximize=True, ideal=-ideal
    ) == pytest.approx(added / 1.5**K, abs=1e-12)
    samples = np.stack([points, points[::-1] * 0.5])
    assert hypervolume_samples(samples, top, ideal=ideal) == pytest.approx(
        [hypervolume(one, top, ideal=ideal) for one in samples]
    )


def test_hypervolumes_refuse():
    pytest.importorskip("moocore")
    with pytest.raises(ValueError, match=r"`samples`.*\(resample, point, task\)"):
        hypervolume_samples([[0, 0]], [1, 1])
    with pytest.raises(ValueError, match=r"`front`.*3 entries for 2 tasks"):
        hypervolume_improvement([[0, 0]], [[0, 0, 0]], [1, 1])


@several
@given(seed=seeds)
def test_r2_over_many_preferences_tends_to_the_exact_one(seed):
    pytest.importorskip("moocore")
    points = np.random.default_rng(seed).random((5, 2))
    exact = r2(points, [0, 0])
    assert r2(points, [0, 0], preferences=evenly_spaced(2001)) == pytest.approx(exact, rel=2e-3)
    assert r2(1 - points, [1, 1], maximize=True) == pytest.approx(exact)
    # A point more never makes it worse.
    assert r2(np.vstack([points, [0.1, 0.1]]), [0, 0]) <= exact + 1e-15


def test_r2_of_three_tasks_and_its_refusals():
    r = das_dennis(3, 4)
    assert r2([[1, 1, 1]], [0, 0, 0], preferences=r) == pytest.approx(float(r.max(1)[0].mean()))
    with pytest.raises(ValueError, match=r"`preferences` must be given.*got 3"):
        r2([[1, 1, 1]], [0, 0, 0])
    with pytest.raises(ValueError, match=r"`preferences`.*2 entries for 3 tasks"):
        r2([[1, 1, 1]], [0, 0, 0], preferences=[[0.5, 0.5]])
    with pytest.raises(ValueError, match=r"`ideal` must be nowhere worse"):
        r2([[1, 1]], [0, 2])


def test_igd_plus_counts_only_what_falls_short():
    pytest.importorskip("moocore")
    target = [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    assert igd_plus(target, target) == 0
    assert igd_plus([[-1.0, -1.0]], target) == 0  # dominates all targets
    expected = (1 + 1 / 2 + 0) / 3  # from (1, 0) only the first task falls short
    assert igd_plus([[1.0, 0.0]], target) == pytest.approx(expected)
    assert igd_plus([[-1.0, 0.0]], -np.array(target), maximize=True) == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"`target`.*3 entries for 2 tasks"):
        igd_plus([[0, 0]], [[0, 0, 0]])


def test_spread_is_its_formula():
    even = [[0.0, 3.0], [1.0, 2.0], [2.0, 1.0], [3.0, 0.0]]
    assert spread(even) == 0
    uneven = [[0.0, 4.0], [1.0, 3.0], [4.0, 0.0]]
    a, b = math.sqrt(2), 3 * math.sqrt(2)
    mean = (2 * a + b) / 3
    assert spread(uneven) == pytest.approx((2 * (mean - a) + b - mean) / (2 * a + b))
    missed = math.sqrt(2)
    assert spread(even[1:], extremes=even[::3]) == pytest.approx(missed / (missed + 3 * a))
    with pytest.raises(ValueError, match=r"`points`.*two or more different"):
        spread([[1.0, 1.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match=r"`extremes`.*1 entries for 2 tasks"):
        spread(even, extremes=[[1.0]])


@several
@given(seed=seeds)
def test_probability_non_dominated_is_the_mean_of_the_filter(seed):
    samples = np.random.default_rng(seed).random((7, 5, 3)).round(1)
    expected = np.mean([non_dominated(one, maximize=True) for one in samples], axis=0)
    assert probability_non_dominated(samples, maximize=True).tolist() == expected.tolist()
    with pytest.raises(ValueError, match=r"`samples`.*\(resample, point, task\)"):
        probability_non_dominated(samples[0])


# --- problems with known fronts


def sampled(problem, points):
    return torch.stack([problem(x) for x in points])


def line(n, rest, size=3):
    """Points (t, rest, rest, …) with t from 0 to 1."""
    points = torch.full((n, size), rest, dtype=torch.float64)
    points[:, 0] = torch.linspace(0, 1, n, dtype=torch.float64)
    return points


@pytest.mark.parametrize(
    ("problem", "rest", "expected"),
    [(zdt1, 0.0, 2 / 3), (zdt2, 0.0, 1 / 3), (lambda x: dtlz2(x, 2), 0.5, 1 - math.pi / 4)],
)
def test_fronts_of_two_tasks_have_their_hypervolumes_and_nothing_is_better(problem, rest, expected):
    pytest.importorskip("moocore")
    front = sampled(problem, line(1500, rest))
    found = hypervolume(front, [1, 1])
    assert expected - 1e-3 <= found <= expected + 1e-12
    # What lies off the Pareto set adds nothing.
    off = torch.rand(300, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert hypervolume(sampled(problem, off), [1, 1]) < expected
    assert hypervolume_improvement(sampled(problem, off), front, [1, 1]) < 1e-3


@pytest.mark.parametrize(("K", "top", "expected"), [(2, 1.0, 1 / 2), (3, 1.0, 5 / 6)])
def test_linear_fronts_have_their_hypervolumes(K, top, expected):
    pytest.importorskip("moocore")
    shares = das_dennis(K, 60 if K == 3 else 1000)
    points = torch.cat([shares.clamp_min(1e-12), torch.zeros(len(shares), 2)], dim=1)
    front = sampled(lambda x: linear(x, K), points)
    assert expected - 0.03 <= hypervolume(front, [top] * K) <= expected
    torch.testing.assert_close(front.sum(dim=1), torch.ones(len(front), dtype=torch.float64))


def test_dtlz2_of_three_tasks_has_its_hypervolume_within_1_1():
    pytest.importorskip("moocore")
    grid = torch.linspace(0, 1, 45, dtype=torch.float64)
    points = torch.cartesian_prod(grid, grid)
    points = torch.cat([points, torch.full((len(points), 1), 0.5)], dim=1)
    front = sampled(lambda x: dtlz2(x, 3), points)
    torch.testing.assert_close(front.norm(dim=1), torch.ones(len(front), dtype=torch.float64))
    expected = 1.1**3 - math.pi / 6
    assert expected == pytest.approx(0.8074012, abs=1e-6)
    assert expected - 0.05 <= hypervolume(front, [1.1] * 3) <= expected


@several
@given(K=tasks, seed=seeds)
def test_the_pareto_set_of_the_quadratics_is_stationary_for_its_alpha(K, seed):
    losses, pareto = quadratics(K, 7, seed=seed % 1000)
    alpha = random(K, seed=seed).softmax(dim=0)
    J = torch.autograd.functional.jacobian(losses, pareto(alpha))
    found = kkt_residual(J @ J.T)
    assert float((J.T @ alpha).norm()) < 1e-12
    assert found.absolute < 1e-7
    # Not a straight set: the middle of two optima is no optimum.
    ends = torch.eye(K, dtype=torch.float64)
    middle = (pareto(ends[0]) + pareto(ends[1])) / 2
    J = torch.autograd.functional.jacobian(losses, middle)
    assert kkt_residual((J @ J.T)[:2, :2]).relative > 1e-3
