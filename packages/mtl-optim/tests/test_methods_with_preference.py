"""Methods of the Gramian do what their preference says."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim import EPO, WCMGDA, AlignedMTL, ConFIG, DualProj, UPGrad, WeightedChebyshev
from mtl_optim._solvers import min_norm_point
from mtl_optim.pareto.problems import fonseca_fleming, simplex, spheres
from mtl_optim.testing import (
    assert_same_direction,
    descend,
    double,
    problems,
    random_jacobian,
    seeded,
)

# --- EPO


T1_POINT, T4_LOSS = 0.3956439237, 1 - math.exp(-1)


def on_the_ray(r, losses):
    terms = torch.as_tensor(r) * losses
    return float((terms / terms.mean() - 1).abs().max())


@pytest.mark.parametrize("start", [0.02, 0.9])
def test_epo_ends_on_the_ray_of_spheres(start):
    x, step = descend(
        spheres, [start], EPO([0.7, 0.3], epsilon=1e-6), lr=0.1, decay=0.99, steps=500
    )
    assert float(x) == pytest.approx(T1_POINT, abs=2e-3)
    assert on_the_ray([0.7, 0.3], step.losses) <= math.sqrt(8e-6) * 2


def test_epo_ends_on_the_ray_of_the_concave_front():
    _, step = descend(
        fonseca_fleming, [0.4, -0.3], EPO([0.5, 0.5], epsilon=1e-6), lr=0.2, decay=0.97, steps=200
    )
    torch.testing.assert_close(step.losses, double(T4_LOSS, T4_LOSS), rtol=0, atol=5e-3)


def test_epo_ends_on_the_ray_of_three_tasks():
    x, _ = descend(
        simplex, [0.8, 0.3, -0.1], EPO([1 / 3] * 3, epsilon=1e-6), lr=0.2, decay=0.98, steps=300
    )
    torch.testing.assert_close(x, torch.full_like(x, 1 / 3), rtol=0, atol=1e-2)


def test_epo_ignores_the_unit_of_the_losses():
    for losses, J in problems(30, every=5):
        method, G = EPO([1 / len(losses)] * len(losses)), J @ J.T
        if float(G.diagonal().max() / G.diagonal().min()) > 1e12:
            continue
        w = method.weights(losses=losses, gramian=G)
        assert float(w.sum()) == pytest.approx(1)
        assert float(w.min()) >= 0
        assert_same_direction(G, w, method.weights(losses=losses * 1e6, gramian=G * 1e12))


@pytest.mark.parametrize("seed", range(6))
def test_epo_program_agrees_with_an_interior_point_solver(seed):
    cvxpy = pytest.importorskip("cvxpy")
    generator, tasks = seeded(seed), 4
    J = random_jacobian(tasks, 6, generator=generator, decades=1, conflict=0.7)
    r = torch.rand(tasks, generator=generator, dtype=torch.float64) + 0.2
    r /= r.sum()
    losses = torch.rand(tasks, generator=generator, dtype=torch.float64) + 0.1
    if seed % 2:  # on the ray: the descent mode
        losses = (1 + 1e-3 * losses) / r
    found = EPO(r).weights(losses=losses, gramian=J @ J.T).numpy()
    G, terms = (J @ J.T).numpy(), (r * losses).numpy()
    share = terms / terms.sum()
    m = (share * np.log(tasks * share)).sum()
    Ga = G @ (r.numpy() * (np.log(tasks * share) - m))
    alpha = cvxpy.Variable(tasks, nonneg=True)
    constraints = [cvxpy.sum(alpha) == 1]
    if m > 1e-3:
        gain = Ga
        for j in range(tasks):
            if j == terms.argmax() or not (Ga > 0).any():
                constraints.append(G[j] @ alpha >= 0)
            elif Ga[j] <= 0:
                constraints.append(G[j] @ alpha >= Ga[j])
    else:
        gain = G.sum(axis=0)
        constraints += [G @ alpha >= 0, Ga @ alpha >= min(0, Ga.max())]
    problem = cvxpy.Problem(cvxpy.Maximize(gain @ alpha), constraints)
    problem.solve(solver="CLARABEL")
    assert gain @ found == pytest.approx(problem.value, rel=1e-6, abs=1e-8)


def test_epo_refuses_what_it_cannot_use():
    with pytest.raises(ValueError, match=r"`preference` must be positive"):
        EPO([1.0, 0.0])
    with pytest.raises(ValueError, match=r"`epsilon`"):
        EPO([0.5, 0.5], epsilon=0)
    with pytest.raises(ValueError, match=r"EPO needs `losses` of at least 0, got -1.0 for task 1"):
        EPO([0.5, 0.5]).weights(losses=double(1, -1), gramian=torch.eye(2))
    with pytest.raises(TypeError, match=r"EPO needs `losses`"):
        EPO([0.5, 0.5]).weights(gramian=torch.eye(2))


# --- WC-MGDA


def test_wcmgda_without_a_look_ahead_is_chebyshev():
    for losses, J in problems(31, every=5):
        r = torch.arange(1, len(losses) + 1, dtype=torch.float64)
        r /= r.sum()
        torch.testing.assert_close(
            WCMGDA(r, u=0).weights(losses=losses, gramian=J @ J.T),
            WeightedChebyshev(r).weights(losses=losses),
        )


@pytest.mark.parametrize("seed", range(5))
def test_wcmgda_with_a_far_look_is_mgda_on_weighted_gradients(seed):
    J = random_jacobian(4, 6, generator=seeded(seed))
    r, losses = double(0.1, 0.2, 0.3, 0.4), double(1, 2, 3, 4)
    rows = r[:, None] * J
    alpha = torch.from_numpy(min_norm_point((rows @ rows.T).numpy()))
    found = WCMGDA(r, u=1e8).weights(losses=losses, gramian=J @ J.T)
    torch.testing.assert_close(found, r * alpha, rtol=1e-5, atol=1e-7)


def test_wcmgda_ends_within_u_of_chebyshev():
    options = {"decay": 0.98, "steps": 300}
    x, _ = descend(spheres, [0.9], WCMGDA([0.7, 0.3], u=0.01), lr=0.2, **options)
    assert float(x) == pytest.approx(T1_POINT, abs=0.012)
    x, _ = descend(simplex, [0.9, 0.2, 0.0], WCMGDA([1 / 3] * 3, u=0.01), lr=0.3, **options)
    assert float((x - 1 / 3).norm()) <= 0.02
    x, step = descend(fonseca_fleming, [0.4, -0.3], WCMGDA([0.5, 0.5], u=0.01), lr=0.2, **options)
    assert float(x.norm()) <= 0.02
    torch.testing.assert_close(step.losses, double(T4_LOSS, T4_LOSS), rtol=0, atol=0.02)


def test_wcmgda_refuses():
    with pytest.raises(ValueError, match=r"`u`"):
        WCMGDA([0.5, 0.5], u=-1)


# --- methods that may take one


MAY_TAKE = [UPGrad, DualProj, ConFIG, AlignedMTL]
drawn = given(seed=st.integers(0, 9999), tasks=st.integers(2, 8))


def draw(seed, tasks):
    generator = seeded(seed)
    r = 0.05 + torch.rand(tasks, generator=generator, dtype=torch.float64)
    J = random_jacobian(tasks, tasks + 3, generator=generator, decades=2, conflict=0.9)
    return r / r.sum(), J


@pytest.mark.parametrize("make", MAY_TAKE)
@settings(max_examples=20, derandomize=True)
@drawn
def test_an_even_preference_is_none(make, seed, tasks):
    _, J = draw(seed, tasks)
    even = make(preference=[1 / tasks] * tasks).weights(gramian=J @ J.T)
    torch.testing.assert_close(even, make().weights(gramian=J @ J.T), rtol=1e-9, atol=0)


@pytest.mark.parametrize("make", MAY_TAKE)
@settings(max_examples=20, derandomize=True)
@drawn
def test_what_each_preference_promises(make, seed, tasks):
    r, J = draw(seed, tasks)
    d = J.T @ make(preference=r).weights(gramian=J @ J.T)
    inner = torch.nn.functional.normalize(J, dim=1) @ d
    if make is AlignedMTL:  # d is Σ r_k of the rows of the nearest matrix with orthogonal rows
        U, values, Vt = torch.linalg.svd(J, full_matrices=False)
        torch.testing.assert_close(d, values.min() * (r @ U @ Vt), rtol=1e-6, atol=1e-9)
        return
    assert float(inner.min()) >= -1e-9 * float(d.norm())
    if make is ConFIG:
        torch.testing.assert_close(inner / inner.sum(), r, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("make", MAY_TAKE)
@settings(max_examples=20, derandomize=True)
@drawn
def test_orthogonal_gradients_of_one_length_are_served_in_the_ratio_of_the_preference(
    make, seed, tasks
):
    r, _ = draw(seed, tasks)
    w = make(preference=r).weights(gramian=9 * torch.eye(tasks, dtype=torch.float64))
    torch.testing.assert_close(w / w.sum(), r)
    torch.testing.assert_close(w.sum(), 1 / (r @ r) if make is ConFIG else double(1)[0])


@settings(max_examples=20, derandomize=True)
@drawn
def test_upgrad_with_a_preference_is_the_mean_of_its_one_hot_ones(seed, tasks):
    r, J = draw(seed, tasks)
    hot = [UPGrad(preference=row).weights(gramian=J @ J.T) for row in torch.eye(tasks).tolist()]
    torch.testing.assert_close(UPGrad(preference=r).weights(gramian=J @ J.T), r @ torch.stack(hot))


@pytest.mark.parametrize("make", MAY_TAKE)
def test_a_preference_that_may_be_given_is_checked_and_saved(make):
    with pytest.raises(ValueError, match=r"`preference` must sum to 1, got a sum of 2"):
        make(preference=[1.0, 1.0])
    with pytest.raises(ValueError, match=r"`preference`.*2 entries for 3 tasks"):
        make(preference=[0.5, 0.5]).weights(gramian=torch.eye(3))
    one, other = make(preference=[0.3, 0.7]), make(preference=[0.5, 0.5])
    other.load_state_dict(one.state_dict())
    G = torch.tensor([[1.0, -0.5], [-0.5, 2.0]], dtype=torch.float64)
    assert torch.equal(one.weights(gramian=G), other.weights(gramian=G))
