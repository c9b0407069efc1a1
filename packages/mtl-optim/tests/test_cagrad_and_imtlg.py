"""CAGrad, IMTL-G, log losses, and the minimax over a ball: against their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim import IMTLG, MGDA, CAGrad, GradDrop, LogLosses
from mtl_optim._solvers import ball_minimax
from mtl_optim.testing import double, random_jacobian, seeded

# --- minimax over a ball, which CAGrad and WCMGDA share


def random_ball(seed):
    rng = np.random.default_rng(seed)
    tasks, rank = rng.integers(1, 9), rng.integers(1, 10)
    J = rng.normal(size=(tasks, rank)) * 10 ** rng.uniform(-1, 1, (tasks, 1))
    if seed % 5 == 0:
        J[0] = 0
    if seed % 7 == 0 and tasks > 2:
        J[1] = -J[2]
    return J, rng.normal(size=tasks) * 10 ** rng.uniform(-1, 1), 10 ** rng.uniform(-2, 1)


def test_ball_minimax_closes_the_duality_gap():
    for seed in range(100):
        J, losses, radius = random_ball(seed)
        v, alpha = ball_minimax(J @ J.T, losses, radius)
        d = J.T @ v
        primal = (losses - J @ d).max()
        dual = alpha @ losses - radius * np.linalg.norm(J.T @ alpha)
        assert (alpha >= 0).all()
        assert alpha.sum() == pytest.approx(1)
        assert np.linalg.norm(d) <= radius * (1 + 1e-9)
        assert primal - dual <= 1e-7 * max(1, np.abs(losses).max())


@pytest.mark.parametrize("tasks", [2, 5, 12, 40])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_ball_minimax_is_exact_for_independent_gradients(tasks, part):
    rng = np.random.default_rng(tasks)
    for _ in range(10):
        J = rng.normal(size=(tasks, tasks + 5))
        J = (J - rng.uniform(0, 0.95) * J.mean(axis=0)) * 10 ** rng.uniform(-1, 1, (tasks, 1))
        G = J @ J.T
        losses, radius = -G.mean(axis=1), part * np.sqrt(G.mean())
        v, alpha = ball_minimax(G, losses, radius)
        d = J.T @ v
        gap = (losses - J @ d).max() - (alpha @ losses - radius * np.linalg.norm(J.T @ alpha))
        assert gap <= 1e-12 * radius * np.linalg.norm(J, axis=1).max()
        assert np.linalg.norm(d) <= radius * (1 + 1e-12)


@pytest.mark.parametrize("tasks", [3, 7, 12])
def test_ball_minimax_keeps_its_digits_at_norms_many_decades_apart(tasks):
    rng = np.random.default_rng(tasks)
    for _ in range(60):
        J = rng.normal(size=(tasks, tasks + 3))
        J = (J - rng.uniform(0, 1) * J.mean(axis=0)) * 10 ** rng.uniform(-6, 6, (tasks, 1))
        losses, radius = -J @ J.mean(axis=0), 0.7 * np.linalg.norm(J.mean(axis=0))
        v, alpha = ball_minimax(J @ J.T, losses, radius)
        d = J.T @ v
        assert np.linalg.norm(d) <= radius * (1 + 1e-9)
        level = alpha @ losses - radius * np.linalg.norm(J.T @ alpha)
        missed = (losses - J @ d - level) / (radius * np.linalg.norm(J, axis=1))
        assert missed.max() <= 1e-7  # each in units of what a step can do for the task


def test_ball_minimax_agrees_with_an_interior_point_solver():
    cvxpy = pytest.importorskip("cvxpy")
    for seed in range(5):
        J, losses, radius = random_ball(seed)
        d = cvxpy.Variable(J.shape[1])
        problem = cvxpy.Problem(
            cvxpy.Minimize(cvxpy.max(losses - J @ d)), [cvxpy.norm(d) <= radius]
        )
        problem.solve(solver="CLARABEL")
        found = (losses - J @ (J.T @ ball_minimax(J @ J.T, losses, radius)[0])).max()
        assert found == pytest.approx(problem.value, abs=4e-7 * max(1, np.abs(losses).max()))


def test_ball_minimax_without_a_radius_is_the_maximum():
    v, alpha = ball_minimax(np.eye(3), np.array([1.0, 2.0, 2.0]), 0.0)
    assert v.tolist() == [0, 0, 0]
    assert alpha.tolist() == [0, 0.5, 0.5]


# --- CAGrad


@settings(max_examples=30, derandomize=True)
@given(seed=st.integers(0, 999), c=st.sampled_from([0.1, 0.5, 0.99]))
def test_cagrad_serves_the_worst_task_best_within_its_ball(seed, c):
    generator = seeded(seed)
    tasks = 2 + seed % 6
    J = random_jacobian(tasks, 5, generator=generator, decades=2, conflict=0.8)
    g0 = J.mean(dim=0)
    d = J.T @ CAGrad(c).weights(gramian=J @ J.T)
    radius = c * g0.norm()
    assert float((d - g0).norm()) <= float(radius) * (1 + 1e-9)
    sampled = torch.randn(500, 5, generator=generator, dtype=torch.float64)
    sampled = g0 + radius * sampled / sampled.norm(dim=1, keepdim=True)
    best = (sampled @ J.T).min(dim=1).values.max()
    assert float((J @ d).min()) >= float(best) - 1e-9 * float(radius * J.norm(dim=1).max())


@pytest.mark.parametrize("seed", range(4))
def test_cagrad_agrees_with_an_interior_point_solver(seed):
    cvxpy = pytest.importorskip("cvxpy")
    J = random_jacobian(5, 7, generator=seeded(seed), conflict=0.8).numpy()
    g0, c = J.mean(axis=0), 0.5
    radius = c * np.linalg.norm(g0)
    w = cvxpy.Variable(5, nonneg=True)
    dual = cvxpy.Minimize(w @ (J @ g0) + radius * cvxpy.norm(J.T @ w))
    cvxpy.Problem(dual, [cvxpy.sum(w) == 1]).solve(solver="CLARABEL")
    d = J.T @ CAGrad(c).weights(gramian=torch.from_numpy(J @ J.T)).numpy()
    assert (J @ d).min() == pytest.approx(dual.value, abs=4e-7)


def test_cagrad_at_its_ends():
    J = random_jacobian(4, 6, generator=seeded(0), conflict=0.9)
    G = J @ J.T
    assert CAGrad(0).weights(gramian=G).tolist() == [0.25] * 4
    w = CAGrad(0.4).weights(gramian=G)
    torch.testing.assert_close(CAGrad(0.4, rescale="1+c").weights(gramian=G), w / 1.4)
    torch.testing.assert_close(CAGrad(0.4, rescale="1+c^2").weights(gramian=G), w / 1.16)
    with pytest.raises(ValueError, match=r"`c`.*1.0"):
        CAGrad(1.0)
    with pytest.raises(ValueError, match=r"`rescale`.*did you mean"):
        CAGrad(rescale="1+c2")


def test_cagrad_serves_a_task_with_a_small_gradient():
    J = torch.stack([double(1, 0, 0), 1e-6 * double(-1, 0.5, 0)])
    d = J.T @ CAGrad(0.9).weights(gramian=J @ J.T)
    assert float(J[1] @ d) > -1e-6 * 0.5


# --- IMTL-G


@settings(max_examples=30, derandomize=True)
@given(seed=st.integers(0, 999), tasks=st.integers(1, 8))
def test_imtlg_has_equal_cosines(seed, tasks):
    J = random_jacobian(tasks, tasks + 2, generator=seeded(seed), decades=6)
    w = IMTLG().weights(gramian=J @ J.T)
    assert float(w.abs().max()) <= 2
    projections = torch.nn.functional.normalize(J, dim=1) @ (J.T @ w)
    spread = float((projections - projections.mean()).abs().max())
    assert spread <= 1e-9 * float((w[:, None] * J).norm(dim=1).max())
    assert float(projections.mean()) > 0
    scale = 10 ** torch.linspace(-2, 2, tasks, dtype=torch.float64)
    scaled = IMTLG().weights(gramian=(J @ J.T) * scale * scale[:, None]) * scale
    torch.testing.assert_close(scaled / scaled.abs().sum(), w / w.abs().sum())


def test_imtlg_sums_to_one_in_the_ordinary_case():
    J = random_jacobian(4, 50, generator=seeded(0))
    assert float(IMTLG().weights(gramian=J @ J.T).sum()) == pytest.approx(1)


def test_imtlg_stays_bounded_where_the_sum_vanishes():
    # u ∝ (1 − ρ a, a (1 − ρ/a)) up to norms: the sum changes sign with the ratio of the norms.
    found = []
    for norm in (0.0999, 0.1, 0.1001):
        J = torch.stack([double(1, 0, 0), norm * double(0.9, 0.43589, 0), double(0.5, -0.2, 0.4)])
        w = IMTLG().weights(gramian=J @ J.T)
        assert float((J @ (J.T @ w)).min()) > 0
        found.append(w)
    torch.testing.assert_close(found[0], found[2], rtol=0.05, atol=0.01)
    opposite = double(1, -1)[:, None]
    assert IMTLG().weights(gramian=opposite @ opposite.T).tolist() == [0, 0]


# --- log losses


@pytest.mark.parametrize("inner", [MGDA, CAGrad, IMTLG])
def test_log_losses_is_the_inner_method_on_logs(inner):
    J, losses = random_jacobian(4, 6, generator=seeded(3), conflict=0.5), double(0.1, 1, 2, 4)
    logs = J / losses[:, None]
    w = inner().weights(gramian=logs @ logs.T, losses=losses.log())
    found = LogLosses(inner()).weights(gramian=J @ J.T, losses=losses)
    torch.testing.assert_close(J.T @ found, logs.T @ w)
    kept = LogLosses(inner(), keep_scale=True).weights(gramian=J @ J.T, losses=losses)
    torch.testing.assert_close(kept, found * 4 / (1 / losses).sum())
    units = double(1e-3, 1, 10, 1e5)
    scaled = LogLosses(inner()).weights(
        gramian=J @ J.T * units * units[:, None], losses=losses * units
    )
    torch.testing.assert_close(scaled * units, found)


def test_log_losses_with_the_scale_kept_is_mgda_normalized_by_losses():
    J, losses = random_jacobian(4, 6, generator=seeded(3)), double(0.1, 1, 2, 4)
    G = J @ J.T
    torch.testing.assert_close(
        LogLosses(MGDA(), keep_scale=True).weights(gramian=G, losses=losses),
        MGDA("loss").weights(gramian=G, losses=losses),
    )


def test_log_losses_refuses_what_it_cannot_use():
    with pytest.raises(ValueError, match=r"LogLosses needs.*at least 0.*-1.0 for task 1"):
        LogLosses(MGDA()).weights(gramian=torch.eye(2), losses=double(1, -1))
    with pytest.raises(TypeError, match=r"LogLosses needs `losses`"):
        LogLosses(MGDA()).weights(gramian=torch.eye(2))
    with pytest.raises(TypeError, match=r"`inner`.*GradDrop"):
        LogLosses(GradDrop())
