"""Preference vectors, indicators, and methods on problems whose fronts are known."""

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim import (
    MGDA,
    LinearScalarization,
    NashMTL,
    PCGrad,
    SmoothChebyshev,
    WeightedChebyshev,
    backward,
)
from mtl_optim.pareto import das_dennis, delta_m, evenly_spaced, hypervolume, non_dominated
from mtl_optim.pareto.problems import fonseca_fleming, simplex, spheres

# --- preferences


@pytest.mark.parametrize(("num", "margin"), [(1, 0.0), (2, 0.0), (5, 0.1), (11, 0.01)])
def test_evenly_spaced(num, margin):
    r = evenly_spaced(num, margin=margin)
    assert r.shape == (num, 2)
    torch.testing.assert_close(r.sum(dim=1), torch.ones(num, dtype=torch.float64))
    torch.testing.assert_close(r, r.flip(0, 1))
    if num > 1:
        step = (1 - 2 * margin) / (num - 1)
        torch.testing.assert_close(r[:, 0].diff(), torch.full((num - 1,), step).double())
        assert float(r[0, 0]) == margin


@pytest.mark.parametrize(("num", "margin"), [(0, 0.0), (3, 0.5), (3, -0.1), (3, math.nan)])
def test_evenly_spaced_refuses(num, margin):
    with pytest.raises(ValueError, match=r"`num`|`margin`"):
        evenly_spaced(num, margin=margin)


@pytest.mark.parametrize("tasks", [1, 2, 3, 5])
@pytest.mark.parametrize("divisions", [1, 2, 4, 7])
def test_das_dennis(tasks, divisions):
    r = das_dennis(tasks, divisions)
    assert r.shape == (math.comb(divisions + tasks - 1, tasks - 1), tasks)
    assert bool((r >= 0).all())
    torch.testing.assert_close(r.sum(dim=1), torch.ones(len(r), dtype=torch.float64))
    multiples = r * divisions
    torch.testing.assert_close(multiples, multiples.round())
    assert len({tuple(row) for row in r.tolist()}) == len(r)


def test_das_dennis_refuses():
    with pytest.raises(ValueError, match=r"`num_tasks`"):
        das_dennis(0, 1)
    with pytest.raises(ValueError, match=r"`divisions`"):
        das_dennis(2, 0)


def test_das_dennis_of_two_tasks_is_evenly_spaced():
    torch.testing.assert_close(das_dennis(2, 4), evenly_spaced(5))


# --- indicators


@settings(max_examples=50, derandomize=True)
@given(points=st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12))
def test_non_dominated_is_its_definition(points):
    def dominates(a, b):
        return all(x <= y for x, y in zip(a, b, strict=True)) and a != b

    expected = [not any(dominates(a, b) for a in points) for b in points]
    assert non_dominated(points).tolist() == expected
    assert non_dominated([[-x for x in p] for p in points], maximize=True).tolist() == expected
    mixed = [[-p[0], p[1], p[2]] for p in points]
    assert non_dominated(mixed, maximize=[True, False, False]).tolist() == expected


def front(height, n=2000):
    """Points (t, height(t)) on a decreasing front."""
    t = np.linspace(0, 1, n)
    return np.stack([t, height(t)], axis=1)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (front(lambda t: (1 - np.sqrt(t)) ** 2), 5 / 6),  # spheres
        (front(lambda t: 1 - np.sqrt(t)), 2 / 3),  # ZDT1
        (front(lambda t: 1 - t**2), 1 / 3),  # ZDT2
        (front(lambda t: np.sqrt(1 - t**2)), 1 - math.pi / 4),  # DTLZ2
        (front(lambda t: 1 - t), 1 / 2),
    ],
)
def test_hypervolume_of_known_fronts(points, expected):
    pytest.importorskip("moocore")
    # A staircase below a front loses at most one step of width 1/n.
    found = hypervolume(points, [1, 1])
    assert expected - 1e-3 <= found <= expected + 1e-12
    scaled = points * [10, 0.1] + [3, -5]
    assert hypervolume(scaled, [13, -4.9], ideal=[3, -5]) == pytest.approx(found)
    assert hypervolume(-points, [-1, -1], maximize=True) == pytest.approx(found)
    assert hypervolume(points * [1, -1], [1, -1], maximize=[False, True]) == pytest.approx(found)


def test_hypervolume_of_the_fonseca_fleming_front():
    pytest.importorskip("moocore")
    u = torch.linspace(-1, 1, 4000, dtype=torch.float64)
    points = torch.stack([fonseca_fleming(t[None]) for t in u])
    assert hypervolume(points, [1, 1]) == pytest.approx(0.3421156, abs=1e-3)


@pytest.mark.parametrize(("top", "expected"), [(1.0, 5 / 6), (1.1, None)])
def test_hypervolume_of_three_tasks(top, expected):
    pytest.importorskip("moocore")
    points = das_dennis(3, 60).numpy()
    if expected is None:  # DTLZ2 at 1.1
        points, expected = points / np.linalg.norm(points, axis=1, keepdims=True), 0.8074012
    assert expected - 0.03 <= hypervolume(points, [top] * 3) <= expected


def test_hypervolume_refuses():
    pytest.importorskip("moocore")
    with pytest.raises(ValueError, match=r"`reference`.*1 entries for 2 tasks"):
        hypervolume([[0, 0]], [1])
    with pytest.raises(ValueError, match=r"`ideal`.*better"):
        hypervolume([[0, 0]], [1, 1], ideal=[0, 1])
    with pytest.raises(ValueError, match=r"`points`.*\(point, task\)"):
        hypervolume([0, 0], [1, 1])
    with pytest.raises(ValueError, match=r"`points` must be finite, got nan"):
        hypervolume([[0, math.nan]], [1, 1])
    with pytest.raises(ValueError, match=r"one entry per task"):
        non_dominated([[0, 1]], maximize=[True, False, True])


def test_hypervolume_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "moocore", None)
    with pytest.raises(ImportError, match=r"pip install mtl-optim\[pareto\]"):
        hypervolume([[0, 0]], [1, 1])


def test_delta_m_is_the_mean_change_in_percent():
    assert delta_m([0.55, 0.4], [0.5, 0.5]) == pytest.approx(100 / 2 * (-0.1 + 0.2))
    assert delta_m([0.55, 0.4], [0.5, 0.5], higher_is_better=False) == pytest.approx(-5)
    mixed = delta_m([0.55, 2.0], [0.5, 1.0], higher_is_better=[True, False])
    assert mixed == pytest.approx(100 / 2 * (-0.1 + 1.0))
    assert delta_m(torch.tensor([1.0]), torch.tensor([1.0])) == 0
    # A log-likelihood that rises from −2 to −1 gains, and so does an energy that falls.
    assert delta_m([-1.0], [-2.0]) == pytest.approx(-50)
    assert delta_m([-3.0], [-2.0], higher_is_better=False) == pytest.approx(-50)
    with pytest.raises(ValueError, match=r"`baselines`.*not 0"):
        delta_m([1.0], [0.0])
    with pytest.raises(ValueError, match=r"`baselines`.*one per task"):
        delta_m([1.0, 1.0], [1.0])


# --- methods on problems with known answers


def descend(problem, method, start, *, rate=0.3, steps=400, decay=True):
    """Gradient descent; the rate falls as 1/step where the objective has a kink."""
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    for n in range(steps):
        x.grad = None
        backward(problem(x), method, shared=[x])
        with torch.no_grad():
            x -= rate / (1 + n / 5 if decay else 1) * x.grad
    return x.detach()


@pytest.mark.parametrize("r", [(0.5, 0.5), (0.7, 0.3), (0.9, 0.1)])
def test_spheres_end_where_the_formula_says(r):
    t = descend(spheres, LinearScalarization(r), [2.0], decay=False)
    assert float(t) == pytest.approx(r[1])
    t = descend(spheres, WeightedChebyshev(r), [2.0], rate=1, steps=1500)
    assert float(t) == pytest.approx(
        math.sqrt(r[1]) / (math.sqrt(r[0]) + math.sqrt(r[1])), abs=1e-3
    )


def test_spheres_under_chebyshev_land_on_the_ray():
    t = descend(spheres, WeightedChebyshev([0.7, 0.3]), [0.0], rate=1, steps=1500)
    assert float(t) == pytest.approx(0.3956439237, abs=1e-3)
    weighted = torch.tensor([0.7, 0.3]) * spheres(t)
    assert weighted.tolist() == pytest.approx([0.05478694] * 2, abs=3e-4)


@pytest.mark.parametrize(
    ("mu", "t"), [(1, 0.308159), (0.1, 0.347356), (0.01, 0.387146), (1e-3, 0.394727)]
)
def test_spheres_under_smooth_chebyshev(mu, t):
    method = SmoothChebyshev([0.7, 0.3], mu=mu)
    # The curvature grows as 1/μ.
    found = descend(spheres, method, [0.4], rate=min(1, 15 * mu), steps=400, decay=False)
    assert float(found) == pytest.approx(t, abs=1e-6)


@pytest.mark.parametrize("r", [(0.2, 0.3, 0.5), (1 / 3, 1 / 3, 1 / 3)])
def test_simplex_ends_where_the_formula_says(r):
    x = descend(simplex, LinearScalarization(r), [2.0, -1.0, 0.5], decay=False)
    assert x.tolist() == pytest.approx(r)


def test_simplex_under_equal_chebyshev_ends_in_the_middle():
    x = descend(simplex, WeightedChebyshev([1 / 3] * 3), [2.0, -1.0, 0.5], rate=3, steps=1500)
    assert x.tolist() == pytest.approx([1 / 3] * 3, abs=5e-3)


@pytest.mark.parametrize("start", [0.3, -0.3])
def test_a_concave_front_parts_linear_from_chebyshev(start):
    def u(x):
        return float(x.sum() / math.sqrt(len(x)))

    ends = descend(
        fonseca_fleming, LinearScalarization([0.5, 0.5]), [start] * 3, steps=400, decay=False
    )
    assert u(ends) == pytest.approx(math.copysign(0.9575040, start), abs=1e-6)
    ends = descend(fonseca_fleming, WeightedChebyshev([0.5, 0.5]), [start] * 3, steps=800)
    assert u(ends) == pytest.approx(0, abs=2e-3)
    assert fonseca_fleming(ends).tolist() == pytest.approx([1 - 1 / math.e] * 2, abs=2e-3)


@pytest.mark.parametrize("method", [MGDA(), MGDA("norm"), PCGrad(), NashMTL()])
def test_methods_without_a_preference_end_on_the_front(method):
    # Steps of one length (Nash-MTL) or in a random order (PCGrad) come to rest as the rate falls.
    falls = not isinstance(method, MGDA)
    steps = 400 if falls else 60
    x = descend(simplex, method, [2.0, -1.0, 0.5], rate=0.2, steps=steps, decay=falls)
    assert float(x.sum()) == pytest.approx(1, abs=1e-3)
    assert bool((x > -1e-3).all())


def test_mgda_stops_where_it_starts_on_the_front():
    x = descend(spheres, MGDA(), [0.25], steps=10)
    assert float(x) == pytest.approx(0.25, abs=1e-12)
