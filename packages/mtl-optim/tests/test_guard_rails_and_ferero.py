"""GuardRails and FERERO: programs whose constraints hold and whose optimality can be checked."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from mtl_optim import FERERO, GuardRails
from mtl_optim._solvers import project_onto_dual_cone
from mtl_optim._state import among_tasks
from mtl_optim.pareto.problems import fonseca_fleming, simplex, spheres
from mtl_optim.testing import descend, double, problems, random_jacobian, seeded

several = settings(max_examples=60, derandomize=True, deadline=None)
seeds, tasks = st.integers(0, 2**32 - 1), st.integers(2, 7)


def slopes_of(J, w, main):
    """⟨g_k, d⟩ / (‖g_k‖ ‖g_main‖)."""
    return normalize(J, dim=1) @ (J.T @ w) / J[main].norm()


# --- GuardRails


@several
@given(seed=seeds, K=tasks, highest=st.sampled_from([0.0, 0.3]))
def test_guard_rails_solve_the_quadratic_program(seed, K, highest):
    generator = seeded(seed)
    J = random_jacobian(K, K + 2, generator=generator, decades=4, conflict=0.9)
    main = seed % K
    draws = highest - 0.5 * torch.rand(K, generator=generator, dtype=torch.float64)
    floors = {k: float(draws[k]) for k in range(K) if k != main}
    w = GuardRails(main=main, floors=floors, longest=1e6).weights(gramian=J @ J.T)
    assert w[main] == 1
    slopes = slopes_of(J, w, main)
    for k, floor in floors.items():  # feasible, v ≥ 0, and v (slope − floor) = 0: KKT
        multiplier = float(w[k] * J[k].norm() / J[main].norm())
        assert slopes[k] >= floor - 1e-8
        assert multiplier >= 0
        assert multiplier * abs(float(slopes[k]) - floor) <= 1e-7 * max(1, multiplier**2)


def test_guard_rails_hold_at_all_ranks_and_norm_ratios():
    for losses, J in problems(77):
        others = range(1, len(losses))
        for floors in (None, dict.fromkeys(others, 0.2)):
            w = GuardRails(floors=floors).weights(gramian=J @ J.T)
            slopes = slopes_of(J, w, 0)
            assert all(slopes[k] >= -1e-9 for k in others)
            assert float((J.T @ w).norm()) <= (2 + 1e-8) * float(J[0].norm())


@several
@given(seed=seeds, K=tasks)
def test_guard_rails_at_0_are_the_projection_onto_the_dual_cone(seed, K):
    J = random_jacobian(K, K + 1, generator=seeded(seed), decades=2, conflict=1.2)
    G = (J @ J.T).numpy()
    expected = project_onto_dual_cone(G, np.eye(K)[:1])[0]
    found = GuardRails().weights(gramian=J @ J.T).numpy()
    size = np.sqrt(G[0, 0])
    assert np.linalg.norm(J.numpy().T @ (found - expected)) <= 1e-7 * size


@pytest.mark.parametrize("floors", [None, {1: 0.5}, {2: -1.0}, {}])
def test_guard_rails_that_do_not_bind_leave_the_main_gradient(floors):
    J = random_jacobian(4, 6, generator=seeded(1)).abs()
    assert GuardRails(floors=floors).weights(gramian=J @ J.T).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("longest", [1.0, 1.5, 2.5])
def test_floors_that_need_too_long_a_step_are_lowered_together(longest):
    J = torch.stack([double(1, 0, 0), double(0, 1, 0.1), double(0, -1, 0.1)])
    asked = {1: 0.4, 2: 0.2}
    d = J.T @ GuardRails(floors=asked, longest=1e6).weights(gramian=J @ J.T)
    assert d.norm() > 3
    w = GuardRails(floors=asked, longest=longest).weights(gramian=J @ J.T)
    assert float((J.T @ w).norm()) <= longest + 1e-9
    slopes = slopes_of(J, w, 0)
    assert float(slopes[1]) == pytest.approx(2 * float(slopes[2]), abs=1e-9)
    assert slopes[1] < 0.4
    if longest > 1:
        assert slopes[1] > 0
        assert float((J.T @ w).norm()) == pytest.approx(longest, rel=1e-6)


def test_floors_that_contradict_each_other_leave_no_loss_to_rise():
    J = torch.stack([double(1, 1), double(1, 0), double(-1, 0)])
    w = GuardRails(floors={1: 0.5, 2: 0.5}).weights(gramian=J @ J.T)
    torch.testing.assert_close(J.T @ w, double(0, 1), rtol=0, atol=1e-6)


def test_the_main_task_gains_and_no_guarded_loss_rises():
    start = double(-0.1, 0.8, 0.1)
    x, step = descend(simplex, start, GuardRails(), lr=0.01, steps=1000)
    before, after = simplex(start), simplex(x)
    assert after[0] < before[0] - 0.05
    assert float((after[1:] - before[1:]).max()) <= 2e-3  # of second order in the step
    left = float((step.weights @ step.gramian @ step.weights).clamp(min=0)) ** 0.5
    assert left <= 1e-3 * float(step.gradient_norms[0])  # no direction is left that all allow


def test_an_unguarded_task_plays_no_part():
    J = random_jacobian(3, 5, generator=seeded(4), conflict=1.4)
    some = GuardRails(floors={1: 0.0}).weights(gramian=J @ J.T)
    without = GuardRails().weights(gramian=(J @ J.T)[:2, :2])
    torch.testing.assert_close(some, torch.cat([without, torch.zeros(1).double()]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"floors": {0: 0.1}}, r"`floors` must be.*other than `main`, 0, got 0.1 for task 0"),
        ({"floors": {1: 1.5}}, r"`floors` must be in \[-1, 1\].*got 1.5 for task 1"),
        ({"floors": {1: float("nan")}}, r"`floors` must be in \[-1, 1\]"),
        ({"floors": {-1: 0.0}}, r"`floors` must name tasks counted from 0"),
        ({"main": -1}, r"`main` must be at least 0"),
        ({"longest": 0.5}, r"`longest` must be at least 1"),
    ],
)
def test_guard_rails_refuse(options, message):
    with pytest.raises(ValueError, match=message):
        GuardRails(**options)


def test_guard_rails_refuse_tasks_that_are_not_there():
    with pytest.raises(ValueError, match=r"`main` and `floors` need task 2, got 2 tasks"):
        GuardRails(floors={2: 0.0}).weights(gramian=torch.eye(2))
    with pytest.raises(TypeError, match=r"`floors` must be a mapping"):
        GuardRails(floors=[0.0])


def test_without_the_main_task_there_is_nothing_to_follow():
    method = GuardRails(main=1, floors={0: 0.1, 2: 0.1})
    with among_tasks(method, [0, 2], 3):
        assert method.weights(gramian=torch.eye(2)).tolist() == [0, 0]
    with among_tasks(method, [1, 2], 3):
        assert method.weights(gramian=torch.eye(2)).tolist() == pytest.approx([1, 0.1])
    assert (method.main, method.floors) == (1, {0: 0.1, 2: 0.1})


# --- FERERO


def case(seed, K, rank=2):
    generator = seeded(seed)
    J = random_jacobian(K, K + rank, generator=generator, conflict=0.5)
    losses, r = (0.2 + torch.rand(K, generator=generator, dtype=torch.float64) for _ in range(2))
    return J, losses, r / r.sum()


@several
@given(seed=seeds, K=tasks)
def test_the_losses_close_in_on_the_ray_at_one_rate(seed, K):
    J, losses, r = case(seed, K)
    d = J.T @ FERERO(r, rate=1e-6).weights(losses=losses, gramian=J @ J.T)
    apart, fall = r * losses, r * (J @ d)
    apart, fall = apart - apart.mean(), fall - fall.mean()
    c = 1e-6 * float(((r[:, None] * J) ** 2).sum() / (r * losses).sum())
    torch.testing.assert_close(fall, c * apart, rtol=1e-6, atol=1e-12)


@several
@given(seed=seeds, K=tasks, rows=st.integers(1, 4))
def test_ferero_is_the_least_of_its_program_along_the_ray(seed, K, rows):
    J, losses, r = case(seed, K)
    A = torch.rand(rows, K, generator=seeded(seed), dtype=torch.float64)
    w = FERERO(r, cone=A).weights(losses=losses, gramian=J @ J.T)
    d = J.T @ w
    ray = torch.linalg.lstsq(J, 1 / r).solution  # the losses move along the ray, and nowhere else
    t = torch.linspace(-3, 3, 601, dtype=torch.float64)[:, None]
    values = [
        -(A @ J @ x).min() + x @ x / 2 for x in (d, *(d + t * ray / ray.norm() * float(d.norm())))
    ]
    assert values[0] <= min(values) + 1e-9 * (1 + abs(float(values[0])))
    assert float((w / r).sum()) <= float((A @ (1 / r)).max()) + 1e-9
    assert float((w / r).sum()) >= float((A @ (1 / r)).min()) - 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_ferero_agrees_with_an_interior_point_solver(seed):
    cvxpy = pytest.importorskip("cvxpy")
    J, losses, r = case(seed, 4)
    A = torch.eye(4, dtype=torch.float64)
    if seed % 2:
        A = A + torch.rand(4, 4, generator=seeded(seed), dtype=torch.float64)
    w = FERERO(r, cone=A, rate=0.01).weights(losses=losses, gramian=J @ J.T)
    c = 0.01 * float(((r[:, None] * J) ** 2).sum() / (r * losses).sum())
    B = np.linalg.svd(1 / r.numpy()[None])[2][1:]  # the complement of the ray
    d = cvxpy.Variable(J.shape[1])
    worst = cvxpy.max(-(A @ J).numpy() @ d) + cvxpy.sum_squares(d) / 2
    problem = cvxpy.Problem(cvxpy.Minimize(worst), [(B @ J.numpy()) @ d == c * B @ losses.numpy()])
    problem.solve(solver="CLARABEL")
    np.testing.assert_allclose((J.T @ w).numpy(), d.value, atol=1e-6)


@pytest.mark.parametrize("start", [0.02, 0.9])
def test_ferero_ends_on_the_ray_of_spheres(start):
    x, _ = descend(spheres, [start], FERERO([0.7, 0.3]), lr=0.1, steps=400)
    assert float(x) == pytest.approx(0.3956439237, abs=1e-8)


@pytest.mark.parametrize("r", [0.5, 0.45])
def test_ferero_ends_on_the_ray_of_the_concave_front(r):
    preference = double(r, 1 - r)
    x, step = descend(fonseca_fleming, [0.4, -0.3], FERERO(preference), lr=0.2, steps=500)
    terms = preference * step.losses
    assert float(terms[0]) == pytest.approx(float(terms[1]), rel=1e-8)
    assert float(x[0]) == pytest.approx(float(x[1]), abs=1e-6)  # the Pareto set


def test_ferero_ends_on_the_ray_of_three_tasks_whatever_the_cone():
    r = double(0.2, 0.3, 0.5)
    cone = [[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.5, 0.0, 1.0]]
    ends = [
        descend(simplex, [0.8, 0.3, -0.1], FERERO(r, cone=A), lr=0.1, steps=600)
        for A in (None, cone)
    ]
    for x, step in ends:
        terms = r * step.losses
        torch.testing.assert_close(terms, terms.mean().expand(3), rtol=1e-8, atol=0)
        assert float(x.sum()) == pytest.approx(1, abs=1e-6)  # the plane of the Pareto set


def test_of_a_cone_the_columns_of_absent_tasks_are_left_out():
    J, losses, _ = case(5, 2)
    method = FERERO([0.2, 0.3, 0.5], cone=[[1.0, 2.0, 0.5], [0.0, 1.0, 0.0]])
    alone = FERERO([0.4, 0.6], cone=[[1.0, 2.0], [0.0, 1.0]])
    with among_tasks(method, [0, 1], 3):
        found = method.weights(losses=losses, gramian=J @ J.T)
    torch.testing.assert_close(found, alone.weights(losses=losses, gramian=J @ J.T))
    alone = FERERO([2 / 7, 5 / 7], cone=[[1.0, 0.5]])
    with among_tasks(method, [0, 2], 3):
        found = method.weights(losses=losses, gramian=J @ J.T)
    torch.testing.assert_close(found, alone.weights(losses=losses, gramian=J @ J.T))


@pytest.mark.parametrize("apart", [1e-4, 1e-7])
def test_nearly_dependent_gradients_do_not_ask_for_endless_steps(apart):
    J = torch.stack([double(1, 0), double(1, apart)])
    losses = double(1, 4)
    d = J.T @ FERERO([0.5, 0.5]).weights(losses=losses, gramian=J @ J.T)
    assert float(d.norm()) <= 2 * float(J.norm())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cone": [[1.0, -0.1]]}, r"`cone` must be finite and not negative"),
        ({"cone": [[1.0, 1.0], [0.0, 0.0]]}, r"`cone` must be finite and not negative"),
        ({"cone": [1.0, 1.0]}, r"`cone` must have shape \(row, task\)"),
        ({"cone": [[1.0, 1.0, 1.0]]}, r"`cone` must have one entry per task"),
        ({"rate": 0.0}, r"`rate` must be positive"),
    ],
)
def test_ferero_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        FERERO([0.5, 0.5], **options)


def test_ferero_needs_positive_losses():
    with pytest.raises(ValueError, match=r"FERERO needs positive.*task 1"):
        FERERO([0.5, 0.5]).weights(losses=double(1, 0), gramian=torch.eye(2))
    with pytest.raises(TypeError, match=r"FERERO needs `losses`"):
        FERERO([0.5, 0.5]).weights(gramian=torch.eye(2))
