"""Weights for sets of models: the hypervolume's gradient and smooth Chebyshev over a set."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from mtl_optim import SmoothChebyshev
from mtl_optim.pareto import hypervolume, hypervolume_gradient, stch_set_weights
from mtl_optim.pareto.problems import fonseca_fleming, simplex, spheres, zdt1
from mtl_optim.testing import double

several = settings(max_examples=40, derandomize=True, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def slopes(scalar, points):
    """∂ scalar / ∂ points (point, task) by central differences."""
    found = np.zeros_like(points)
    for index in np.ndindex(points.shape):
        step = np.zeros_like(points)
        step[index] = 1e-6
        found[index] = (scalar(points + step) - scalar(points - step)) / 2e-6
    return found


def train(problem, starts, weigh, *, lr, steps, decay=1.0):
    """Where gradient descent takes each of several models: the points, and their losses."""
    x = torch.tensor(starts, dtype=torch.float64, requires_grad=True)
    for step in range(steps):
        x.grad = None
        losses = torch.stack([problem(one) for one in x])
        (losses * torch.from_numpy(weigh(losses.detach()))).sum().backward()
        with torch.no_grad():
            x -= lr * decay**step * x.grad
    return x.detach().numpy(), torch.stack([problem(one) for one in x.detach()]).numpy()


# --- hypervolume


@several
@given(seed=seeds, N=st.integers(1, 6), K=st.integers(1, 4))
def test_the_gradient_is_that_of_the_hypervolume(seed, N, K):
    pytest.importorskip("moocore")
    points, top = np.random.default_rng(seed).random((N, K)), np.full(K, 0.8)
    if K == 1:
        expected = slopes(lambda p: max(0.0, 0.8 - p.min()), points)
    else:
        expected = slopes(lambda p: hypervolume(p, top), points)
    np.testing.assert_allclose(hypervolume_gradient(points, top), expected, atol=1e-7)


@several
@given(seed=seeds, N=st.integers(1, 8), K=st.integers(2, 5))
def test_the_gradient_keeps_the_degree_of_the_hypervolume(seed, N, K):
    pytest.importorskip("moocore")
    # Euler: HV is homogeneous of degree K in the differences from the reference.
    points, top = np.random.default_rng(seed).random((N, K)), np.ones(K)
    total = (hypervolume_gradient(points, top) * (points - top)).sum()
    assert total == pytest.approx(K * hypervolume(points, top), rel=1e-9)


@several
@given(seed=seeds, K=st.integers(2, 4))
def test_the_sense_of_each_task_is_its_own(seed, K):
    pytest.importorskip("moocore")
    rng = np.random.default_rng(seed)
    points, flags = rng.random((5, K)), rng.random(K) < 0.5
    signs = np.where(flags, -1.0, 1.0)
    found = hypervolume_gradient(points * signs, signs, maximize=flags.tolist())
    np.testing.assert_allclose(found, signs * hypervolume_gradient(points, np.ones(K)))


def test_dominated_points_have_no_slope_unless_they_see_their_own_front():
    points = [[0.1, 0.2], [0.2, 0.1], [0.5, 0.6], [0.6, 0.5], [0.7, 0.7]]
    alone = hypervolume_gradient(points, [1, 1])
    assert (alone[2:] == 0).all()
    fronts = hypervolume_gradient(points, [1, 1], by_front=True)
    for part in (slice(0, 2), slice(2, 4), slice(4, 5)):
        np.testing.assert_array_equal(fronts[part], hypervolume_gradient(points[part], [1, 1]))


def test_points_outside_the_reference_have_no_slope_and_equal_ones_that_of_an_improvement():
    pytest.importorskip("moocore")
    assert (hypervolume_gradient([[0.5, 1.5], [2.0, 0.0]], [1, 1]) == 0).all()
    twice = hypervolume_gradient([[0.25, 0.5], [0.25, 0.5]], [1, 1])
    np.testing.assert_allclose(twice, [[-0.5, -0.75]] * 2)
    points = np.array([[0.25, 0.5], [0.25, 0.75]])
    better = points - [[0, 0], [1e-6, 0]]
    gain = (hypervolume(better, [1, 1]) - hypervolume(points, [1, 1])) / 1e-6
    assert hypervolume_gradient(points, [1, 1])[1, 0] == pytest.approx(-gain)


def test_three_tasks_have_the_facets_of_the_example():
    pytest.importorskip("moocore")
    # Two boxes that overlap: each facet is its rectangle less what the other covers of it.
    points = [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5]]
    np.testing.assert_allclose(
        hypervolume_gradient(points, [1, 1, 1]), [[-0.25, -0.25, -0.5], [-0.25, -0.25, -0.5]]
    )


def test_two_models_that_follow_the_hypervolume_end_at_its_largest():
    pytest.importorskip("moocore")
    top = [0.5, 0.5]
    x, losses = train(
        spheres, [[0.4], [0.45]], lambda L: -hypervolume_gradient(L, top), lr=0.5, steps=600
    )

    def volume(t):
        return hypervolume(torch.stack([spheres(double(t)), spheres(double(1 - t))]), top)

    best = optimize.minimize_scalar(lambda t: -volume(t), bounds=(0, 0.5), method="bounded")
    np.testing.assert_allclose(x[:, 0], [best.x, 1 - best.x], atol=1e-5)
    assert hypervolume(losses, top) == pytest.approx(-best.fun, rel=1e-9)


def test_three_models_spread_on_a_concave_front():
    pytest.importorskip("moocore")
    x, losses = train(
        fonseca_fleming,
        [[0.3, -0.2], [0.1, 0.1], [-0.3, 0.1]],
        lambda L: -hypervolume_gradient(L, [1, 1], by_front=True),
        lr=0.3,
        steps=600,
    )

    def volume(u):
        return hypervolume(torch.stack([fonseca_fleming(double(v, v)) for v in (-u, 0, u)]), [1, 1])

    best = optimize.minimize_scalar(lambda u: -volume(u), bounds=(0, 0.7), method="bounded")
    np.testing.assert_allclose(x[:, 0], x[:, 1], atol=1e-9)  # on the Pareto set
    np.testing.assert_allclose(np.sort(x[:, 0]), [-best.x, 0, best.x], atol=1e-5)
    assert hypervolume(losses, [1, 1]) == pytest.approx(-best.fun, rel=1e-9)


def test_a_dominated_model_learns_by_its_front():
    starts = [[0.3, 0.2], [0.35, 0.5]]
    for by_front, moves in ((False, False), (True, True)):
        x, _ = train(
            zdt1,
            starts,
            lambda L, by_front=by_front: -hypervolume_gradient(L, [9, 9], by_front=by_front),
            lr=1e-4,
            steps=1,
        )
        assert (x[1] != starts[1]).any() == moves


def test_hypervolume_gradient_refuses():
    with pytest.raises(ValueError, match=r"`reference`"):
        hypervolume_gradient([[0.0, 1.0]], [1.0])
    with pytest.raises(ValueError, match=r"`points` must be finite"):
        hypervolume_gradient([[0.0, np.nan]], [1.0, 1.0])
    with pytest.raises(TypeError, match=r"`by_front` must be True or False"):
        hypervolume_gradient([[0.0, 1.0]], [1.0, 1.0], by_front="no")


# --- smooth Chebyshev over a set


def scalar(L, mu, r, z):
    least = -mu * np.log(np.exp(-L / mu).sum(axis=0))
    return mu * np.log(np.exp(r * (least - z) / mu).sum())


@several
@given(seed=seeds, M=st.integers(1, 4), K=st.integers(1, 5), mu=st.sampled_from([0.1, 0.5, 2.0]))
def test_the_weights_are_the_slopes_of_the_scalar(seed, M, K, mu):
    rng = np.random.default_rng(seed)
    L, r, z = rng.random((M, K)), rng.random(K), rng.random(K) - 1
    r /= r.sum()
    found = stch_set_weights(L, mu=mu, preference=r.tolist(), ideal=z)
    np.testing.assert_allclose(found, slopes(lambda p: scalar(p, mu, r, z), L), atol=1e-8)
    plain = stch_set_weights(L, mu=mu)
    np.testing.assert_allclose(plain, slopes(lambda p: scalar(p, mu, 1.0, 0.0), L), atol=1e-8)
    assert plain.sum() == pytest.approx(1)


@several
@given(seed=seeds, K=st.integers(1, 5))
def test_one_model_has_the_smooth_chebyshev_weights(seed, K):
    rng = np.random.default_rng(seed)
    L, r = rng.random(K), rng.random(K)
    r /= r.sum()
    expected = SmoothChebyshev(r, mu=0.2).weights(losses=torch.from_numpy(L))
    np.testing.assert_allclose(stch_set_weights(L[None], mu=0.2, preference=r)[0], expected)


def test_a_small_mu_trains_the_best_model_of_the_worst_task():
    L = [[1.0, 5.0, 900.0], [4.0, 2.0, 800.0]]
    np.testing.assert_array_equal(stch_set_weights(L, mu=1e-3), [[0, 0, 0], [0, 0, 1]])


def test_two_models_share_four_tasks_out():
    # Each corner of the simplex is served by the nearer model: at the middle of two corners the
    # worst loss is 1/4, while that of one model for all four is 3/8.
    mu = {"now": 0.5}

    def weigh(L):
        mu["now"] = max(0.005, 0.99 * mu["now"])
        return stch_set_weights(L, mu=mu["now"])

    starts = [[0.5, 0.3, 0.1, 0.2], [0.1, 0.2, 0.6, 0.4]]
    x, losses = train(simplex, starts, weigh, lr=0.3, steps=3000, decay=0.999)
    np.testing.assert_allclose(x, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]], atol=0.01)
    assert losses.min(axis=0).max() == pytest.approx(0.25, abs=0.005)


def test_stch_set_weights_refuse():
    with pytest.raises(ValueError, match=r"`mu` must be positive"):
        stch_set_weights([[1.0, 2.0]], mu=0.0)
    with pytest.raises(ValueError, match=r"`preference` must have one entry per task"):
        stch_set_weights([[1.0, 2.0]], mu=1.0, preference=[1.0])
    with pytest.raises(ValueError, match=r"`losses` must have shape \(point, task\)"):
        stch_set_weights([1.0, 2.0], mu=1.0)
    with pytest.raises(ValueError, match=r"`ideal`"):
        stch_set_weights([[1.0, 2.0]], mu=1.0, ideal=[0.0])
