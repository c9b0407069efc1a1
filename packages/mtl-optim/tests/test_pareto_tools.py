"""Certificates, preferences of any number, and where the next point should lie."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from mtl_optim import MGDA
from mtl_optim.pareto import (
    arc_spaced,
    constraint_slack,
    das_dennis,
    evenly_spaced,
    kkt_residual,
    largest_gap,
    preference_of_ray,
    ray_error,
    ray_of_preference,
    riesz,
)
from mtl_optim.pareto.problems import simplex, spheres

tasks = st.integers(2, 5)


seeds = st.integers(0, 2**32 - 1)


several = settings(max_examples=25, derandomize=True)


def random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- certificates


@several
@given(K=tasks, seed=seeds)
def test_kkt_residual_is_the_least_norm_and_scales_with_the_gradients(K, seed):
    J = random(K, 6, seed=seed)
    found = kkt_residual(J @ J.T)
    torch.testing.assert_close(found.alpha, MGDA().weights(gramian=J @ J.T))
    assert found.absolute == pytest.approx(float((J.T @ found.alpha).norm()), abs=1e-7)
    others = random(200, K, seed=seed + 1).abs()
    norms = ((others / others.sum(1, keepdim=True)) @ J).norm(dim=1)
    assert found.absolute <= float(norms.min()) + 1e-12
    scaled = kkt_residual(9.0 * J @ J.T)
    assert scaled.absolute == pytest.approx(3 * found.absolute, rel=1e-9, abs=1e-7)
    assert scaled.relative == pytest.approx(found.relative, rel=1e-9, abs=1e-7)
    assert 0 <= found.relative <= 1


@pytest.mark.parametrize("t", [0.0, 0.25, 1.0])
def test_kkt_residual_vanishes_on_the_front_with_the_front_s_normal(t):
    x = torch.tensor([t], dtype=torch.float64)
    J = torch.autograd.functional.jacobian(spheres, x)
    found = kkt_residual(J @ J.T)
    assert found.absolute == pytest.approx(0, abs=1e-8)
    torch.testing.assert_close(found.alpha, torch.tensor([1 - t, t], dtype=torch.float64))


def test_kkt_residual_refuses_and_knows_zero():
    found = kkt_residual(torch.zeros(2, 2))
    assert (found.absolute, found.relative) == (0, 0)
    with pytest.raises(ValueError, match=r"`gramian`.*task 1"):
        kkt_residual(torch.tensor([[1.0, 0.0], [0.0, math.nan]]))
    with pytest.raises(ValueError, match=r"`gramian`.*\(task, task\)"):
        kkt_residual(torch.ones(2))


@several
@given(K=tasks, seed=seeds)
def test_ray_error_vanishes_on_the_ray_alone_whatever_the_scale(K, seed):
    r = random(K, seed=seed).abs() + 0.1
    r = r / r.sum()
    z = random(K, seed=seed + 1)
    on = z + 3 / r
    assert ray_error(on, r, ideal=z) == pytest.approx(0, abs=1e-12)
    off = on.clone()
    off[0] += 1 / r[0]  # r (L − z) is 4 for one task and 3 for the others
    mean = (3 * K + 1) / K
    assert ray_error(off, r, ideal=z) == pytest.approx(4 / mean - 1)
    assert ray_error(z + 7 * (off - z), r, ideal=z) == pytest.approx(4 / mean - 1)
    with pytest.raises(ValueError, match=r"above `ideal`"):
        ray_error(z, r, ideal=z)
    with pytest.raises(ValueError, match=r"`preference`.*one entry per task"):
        ray_error(torch.ones(K + 1), r)


def test_constraint_slack():
    losses = torch.tensor([1.0, 2.0, 3.0])
    assert constraint_slack(losses, {2: 2.5, 0: 1.5}).tolist() == [0.5, math.inf, -0.5]
    with pytest.raises(ValueError, match=r"`bounds`.*0 to 2.*for 3"):
        constraint_slack(losses, {3: 1.0})
    with pytest.raises(ValueError, match=r"`bounds`.*nan for task 1"):
        constraint_slack(losses, {1: math.nan})


# --- preferences


def energy(r, s):
    return float((pdist(r) ** -s).sum())


@pytest.mark.parametrize(("num", "K"), [(7, 3), (10, 3), (25, 3), (12, 4)])
def test_riesz_spreads_better_than_what_it_could_have_taken(num, K):
    r = riesz(num, K)
    assert r.shape == (num, K)
    assert bool((r >= 0).all())
    torch.testing.assert_close(r.sum(dim=1), torch.ones(num, dtype=torch.float64))
    for corner in torch.eye(K, dtype=torch.float64):  # the corners belong to any such set
        assert float((r - corner).norm(dim=1).min()) < 1e-6
    drawn = np.random.default_rng(0).dirichlet(np.ones(K), size=(50, num))
    assert energy(r, K**2) < min(energy(one, K**2) for one in drawn)
    # Stationary: no vector gains by a small move along the simplex.
    for seed in range(5):
        step = 1e-4 * random(num, K, seed=seed)
        moved = (r + step).clamp_min(0)
        moved = moved / moved.sum(1, keepdim=True)
        assert energy(moved, K**2) > energy(r, K**2) * (1 - 1e-3)
    torch.testing.assert_close(r, riesz(num, K), rtol=0, atol=0)


def test_riesz_matches_das_dennis_where_that_exists():
    r, lattice = riesz(10, 3), das_dennis(3, 3)
    assert pdist(r).min() > 0.9 * pdist(lattice).min()
    assert energy(r, 9) <= energy(lattice, 9)


def test_riesz_of_few_and_of_two():
    assert riesz(1, 4).tolist() == [[0.25] * 4]
    torch.testing.assert_close(riesz(5, 2), evenly_spaced(5))
    assert pdist(riesz(2, 3)) == pytest.approx(math.sqrt(2))
    for arguments, name in (((0, 3), "`num`"), ((3, 1), "`num_tasks`")):
        with pytest.raises(ValueError, match=name):
            riesz(*arguments)


@several
@given(K=tasks, seed=seeds)
def test_preference_and_ray_are_each_other_s_inverse(K, seed):
    r = random(K, seed=seed).abs() + 0.05
    r = r / r.sum()
    s = random(K, seed=seed + 1).abs() + 0.1
    q = ray_of_preference(r, scale=s)
    torch.testing.assert_close(preference_of_ray(5 * q, scale=s), r)
    # Losses on the normalised ray are on the preference's ray.
    assert ray_error(s * q, r) == pytest.approx(0, abs=1e-12)


def test_rays_refuse():
    with pytest.raises(ValueError, match=r"`ray` must be a positive"):
        preference_of_ray([1.0, 0.0])
    with pytest.raises(ValueError, match=r"`scale` must be positive"):
        preference_of_ray([1.0, 1.0], scale=[1.0, -1.0])
    with pytest.raises(ValueError, match=r"`scale`.*one entry per task"):
        ray_of_preference([0.5, 0.5], scale=[1.0])
    with pytest.raises(TypeError, match=r"`ray` must hold numbers, got 'a'"):
        preference_of_ray("a")


@pytest.mark.parametrize(
    "call",
    [
        lambda: evenly_spaced(2.5),
        lambda: riesz(2.5, 3),
        lambda: das_dennis(3, 2.5),
        lambda: arc_spaced([[0.0, 1.0], [1.0, 0.0]], 2.5),
    ],
    ids=["evenly_spaced", "riesz", "das_dennis", "arc_spaced"],
)
def test_what_counts_is_an_int(call):
    with pytest.raises(TypeError, match=r"`(num|divisions)` must be an int, got float"):
        call()


def test_certificates_take_plain_numbers():
    assert ray_error([1.0, 4.0], [0.8, 0.2]) == 0
    assert constraint_slack([0.5, 0.25], {1: 0.5}).tolist() == [math.inf, 0.25]
    with pytest.raises(TypeError, match=r"`losses` must hold numbers"):
        constraint_slack("ab", {})


# --- where the next point should lie


@several
@given(seed=seeds, num=st.integers(2, 9))
def test_neighbours_on_a_front_of_two_tasks_are_those_that_follow(seed, num):
    t = np.sort(np.random.default_rng(seed).random(num))
    front = np.stack([t, 1 - t**2], axis=1)
    gap = largest_gap(front, ideal=[0, 0], nadir=[1, 1])
    distances = np.linalg.norm(np.diff(front, axis=0), axis=1)
    assert gap.length == pytest.approx(distances.max())
    assert (gap.first, gap.second) == (distances.argmax(), distances.argmax() + 1)
    middle = front[[gap.first, gap.second]].mean(axis=0)
    assert gap.ray.numpy() == pytest.approx(middle / middle.sum())
    scaled = front * [10, 0.1] + [5, -5]
    again = largest_gap(scaled, ideal=[5, -5], nadir=[15, -4.9])
    assert (again.first, again.second) == (gap.first, gap.second)
    assert again.length == pytest.approx(gap.length)


def test_filling_the_largest_gap_closes_a_front_of_three_tasks():
    front = np.eye(3)
    lengths = []
    for _ in range(30):
        gap = largest_gap(front, ideal=[0, 0, 0], nadir=[1, 1, 1])
        lengths.append(gap.length)
        ray = gap.ray.numpy()
        front = np.vstack([front, ray / np.linalg.norm(ray)])  # DTLZ2: the sphere
    assert lengths[0] == pytest.approx(math.sqrt(2))
    assert lengths[-1] < 0.5
    assert (np.diff(lengths) < 1e-9).all()


def test_largest_gap_leaves_dominated_points_out_and_refuses():
    front = [[0.0, 1.0], [0.9, 0.9], [1.0, 0.0]]
    gap = largest_gap(front, ideal=[0, 0], nadir=[1, 1])
    assert (gap.first, gap.second) == (0, 1)  # (0.9, 0.9) is nobody's superior, nor anybody's
    gap = largest_gap([*front, [0.4, 0.4]], ideal=[0, 0], nadir=[1, 1])
    assert 1 not in (gap.first, gap.second)
    with pytest.raises(ValueError, match=r"two or more different points"):
        largest_gap([[0.5, 0.5]], ideal=[0, 0], nadir=[1, 1])
    with pytest.raises(ValueError, match=r"`ideal` must be nowhere worse"):
        largest_gap(front, ideal=[0.5, 0], nadir=[1, 1])


def test_arcs_are_exact_on_a_circle():
    # Three points of DTLZ2's quarter circle, with its normals: a concave front.
    angle = np.array([0.0, 0.3, math.pi / 2])
    front = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    places = arc_spaced(front, 8, normals=front / front.sum(1, keepdims=True))
    even = np.linspace(0, math.pi / 2, 8)
    assert places == pytest.approx(np.stack([np.sin(even), np.cos(even)], axis=1))
    # And on a convex one, seen from the other side.
    convex = 1 - front[:, ::-1]
    places = arc_spaced(convex, 8, normals=front[:, ::-1])
    assert places == pytest.approx(1 - np.stack([np.cos(even), np.sin(even)], axis=1))


def test_arcs_without_normals_are_chords_and_refuse():
    front = [[3.0, 0.0], [0.0, 3.0], [2.0, 1.0]]
    expected = [[0.0, 3.0], [1.5, 1.5], [3.0, 0.0]]
    assert arc_spaced(front, 3).tolist() == pytest.approx(np.array(expected))
    with pytest.raises(ValueError, match=r"all be on the front"):
        arc_spaced([[0.0, 0.0], [1.0, 1.0]], 3)
    with pytest.raises(ValueError, match=r"`num` must be at least 2"):
        arc_spaced(front, 1)
    with pytest.raises(ValueError, match=r"`normals` must have shape \(3, 2\)"):
        arc_spaced(front, 3, normals=[[1.0, 0.0]])
    with pytest.raises(ValueError, match=r"`points` must have shape"):
        arc_spaced(np.eye(3), 3)


def test_certificates_of_the_simplex_problem():
    # x(α) = α: the certificate's α is the point itself.
    x = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    J = torch.autograd.functional.jacobian(simplex, x)
    found = kkt_residual(J @ J.T)
    torch.testing.assert_close(found.alpha, x)
    assert found.relative < 1e-7
