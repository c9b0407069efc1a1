"""What each paper promises: methods with constraints, preferences, second looks, two batches."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim import (
    EPO,
    FAMO,
    IMTLG,
    MGDA,
    WCMGDA,
    CAGrad,
    GradDrop,
    LinearScalarization,
    LogLosses,
    SDMGrad,
    UncertaintyWeighting,
    WeightedChebyshev,
    backward,
)
from mtl_optim._random import uniforms
from mtl_optim._solvers import ball_minimax, min_norm_point, project_onto_simplex
from mtl_optim.pareto.problems import fonseca_fleming, simplex, spheres
from mtl_optim.testing import (
    assert_same_direction,
    descend,
    problems,
    random_jacobian,
)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


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
    with pytest.raises(ValueError, match=r"LogLosses needs positive.*task 1"):
        LogLosses(MGDA()).weights(gramian=torch.eye(2), losses=double(1, 0))
    with pytest.raises(TypeError, match=r"LogLosses needs `losses`"):
        LogLosses(MGDA()).weights(gramian=torch.eye(2))
    with pytest.raises(TypeError, match=r"`inner`.*GradDrop"):
        LogLosses(GradDrop())


# --- FAMO


def test_famo_weighs_relative_falls():
    method, losses = FAMO(3), double(1, 2, 4)
    w = method.weights(losses=losses)
    torch.testing.assert_close(w * losses, (w * losses).mean().expand(3))
    method.look_again(losses * double(0.5, 0.9, 0.9))
    z = method.logits.softmax(dim=0)
    assert float(z[0]) < float(z[1]) == pytest.approx(float(z[2]))
    even = FAMO(3)
    even.weights(losses=losses)
    even.look_again(losses * 0.8)
    torch.testing.assert_close(even.logits.softmax(dim=0), double(1, 1, 1) / 3)


def test_famo_takes_the_step_of_torchs_adam():
    method, losses = FAMO(2, lr=0.1, weight_decay=0.01), double(1, 2)
    xi = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([xi], lr=0.1, weight_decay=0.01)
    for factor in (double(0.5, 0.9), double(0.8, 0.3), double(1.1, 0.9)):
        method.weights(losses=losses)
        after = losses * factor
        adam.zero_grad()
        (xi.softmax(dim=0) @ (losses.log() - after.log())).backward()
        adam.step()
        method.look_again(after)
        losses = after
        torch.testing.assert_close(method.logits, xi.detach())


def test_famo_names_a_loss_below_its_bound_and_a_forgotten_look():
    method = FAMO(2, lower_bounds=[0.0, 1.0])
    with pytest.raises(ValueError, match=r"got 1.0 with the bound 1.0 for task 1"):
        method.weights(losses=double(1, 1))
    x = torch.ones(2, requires_grad=True)
    backward(x * 2, method)
    with pytest.raises(RuntimeError, match=r"look_again"):
        backward(x * 2, method)


# --- uncertainty weighting


def test_uncertainty_weighting_learns_the_losses():
    method, losses = UncertaintyWeighting(3), torch.tensor([0.5, 1.0, 4.0])
    x = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([x, *method.parameters()], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        step = backward(losses + 0 * x, method)
        optimizer.step()
    torch.testing.assert_close(method.log_variances.exp().detach(), losses, rtol=1e-3, atol=0)
    torch.testing.assert_close(step.weights.float(), 0.5 / losses, rtol=1e-2, atol=0)


def test_uncertainty_weighting_descends_its_scalar():
    method, x = UncertaintyWeighting(2), torch.tensor([1.0, 3.0], requires_grad=True)
    method.log_variances.data = torch.tensor([0.3, -0.2])
    backward(x * 1, method)
    s, y = (t.detach().clone().requires_grad_() for t in (method.log_variances, x))
    (((-s).exp() * y + s) / 2).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    torch.testing.assert_close(method.log_variances.grad, s.grad)


def test_uncertainty_weighting_that_no_optimizer_holds_is_an_error():
    method, x = UncertaintyWeighting(2), torch.tensor([1.0, 3.0], requires_grad=True)
    backward(x * 1, method)
    x.grad = None
    with pytest.raises(RuntimeError, match=r"UncertaintyWeighting.*method.parameters\(\)"):
        backward(x * 1, method)
    assert x.grad is None
    patient = UncertaintyWeighting(2, accumulation=2)
    optimizer = torch.optim.SGD(patient.parameters(), lr=0.1)
    for _ in range(3):
        backward(x * 1, patient)
        backward(x * 1, patient)
        optimizer.step()
    frozen = UncertaintyWeighting(2).requires_grad_(False)
    for _ in range(3):
        backward(x * 1, frozen)


def test_uncertainty_weighting_waits_for_a_scaler_that_skipped_a_step():
    method, x = UncertaintyWeighting(2), torch.tensor([1.0, 3.0], requires_grad=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=1e38)
    optimizer = torch.optim.SGD([x, *method.parameters()], lr=0.1)
    for _ in range(4):
        optimizer.zero_grad()
        backward(x * 1e3, method, scaler=scaler)
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() < 1e38


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
        fonseca_fleming,
        [0.4, -0.3],
        EPO([0.5, 0.5], epsilon=1e-6),
        lr=0.2,
        decay=0.97,
        steps=200,
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
    with pytest.raises(ValueError, match=r"EPO needs positive.*task 1"):
        EPO([0.5, 0.5]).weights(losses=double(1, 0), gramian=torch.eye(2))
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


# --- SDMGrad


@settings(max_examples=50, derandomize=True)
@given(seed=st.integers(0, 999), tasks=st.integers(1, 8))
def test_projection_onto_the_simplex_is_the_nearest_point(seed, tasks):
    v = np.random.default_rng(seed).normal(size=tasks) * 3
    x = project_onto_simplex(v)
    assert x.sum() == pytest.approx(1)
    assert (x >= 0).all()
    # v − x is the same on the support and no larger elsewhere.
    gap = v - x
    assert gap[x > 0] == pytest.approx(np.full((x > 0).sum(), gap.max()), abs=1e-12)


@pytest.mark.parametrize("lam", [0.0, 0.3, 2.0])
def test_sdmgrad_on_one_batch_ends_at_its_program(lam):
    J = random_jacobian(4, 6, generator=seeded(5), conflict=0.6)
    G = J @ J.T
    method = SDMGrad(lam, steps=3000, one_batch=True)
    w = method.weights(gramian=G)
    point = method.simplex_point
    torch.testing.assert_close(w, (point + lam / 4) / (1 + lam))
    slope = G @ (point + lam / 4)
    assert float(slope.min()) >= float(slope[point > 0].max()) - 1e-6
    if lam == 0:
        torch.testing.assert_close(w, MGDA().weights(gramian=G), rtol=1e-5, atol=1e-6)


def test_sdmgrad_looks_at_two_batches():
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    A, B = (random_jacobian(2, 3, generator=seeded(s)) for s in (0, 1))
    step = backward(A @ x, SDMGrad(), second_batch=B @ x, shared=[x])
    torch.testing.assert_close(step.gramian, A @ B.T)
    torch.testing.assert_close(x.grad, A.T @ step.weights)
    torch.testing.assert_close(step.weights, SDMGrad().weights(gramian=A @ B.T))
    assert float(step.weights.sum()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (SDMGrad(), {}, r"SDMGrad.*`second_batch=`"),
        (MGDA(), {"second_batch": True}, r"MGDA looks at one batch"),
        (SDMGrad(one_batch=True), {"second_batch": True}, r"looks at one batch"),
        (LinearScalarization([0.5, 0.5]), {"second_batch": True}, r"looks at one batch"),
    ],
)
def test_a_second_batch_is_neither_forgotten_nor_wasted(method, options, message):
    x = torch.ones(2, requires_grad=True)
    if options:
        options = {"second_batch": x * 3}
    with pytest.raises(ValueError, match=message):
        backward(x * 2, method, shared=[x], **options)
    assert x.grad is None


def test_a_second_batch_has_the_same_tasks_and_the_exact_route():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match=r"`second_batch`.*1 entries for 2 tasks"):
        backward(x * 2, SDMGrad(), shared=[x], second_batch=[x[0]])
    with pytest.raises(ValueError, match=r"`second_batch` needs `shared=`"):
        backward(x * 2, SDMGrad(), features=x, second_batch=x * 3)
    with pytest.raises(ValueError, match=r"`second_batch`: the loss of task 1"):
        backward(x * 2, SDMGrad(), shared=[x], second_batch=x / torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize("options", [{"lam": -1}, {"step_size": 0}, {"steps": 0}])
def test_sdmgrad_refuses(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}`"):
        SDMGrad(**options)


# --- GradDrop


def test_uniform_numbers_are_uniform_and_repeat():
    u = uniforms(seeded(0))(100_001)
    assert u.dtype == torch.float32
    assert float(u.abs().max()) < 1
    counts = torch.histc(u.double(), bins=50, min=-1, max=1)
    chi_squared = float(((counts - 2000.02) ** 2 / 2000.02).sum())  # 49 degrees of freedom
    assert chi_squared < 49 + 5 * 98**0.5
    assert abs(float(u.double().mean())) < 5 / (3 * 100_001) ** 0.5
    draw = uniforms(seeded(0))
    assert torch.equal(torch.cat([draw(50_000), draw(50_001)]), u)


def graddrop_of_the_paper(J, u, leak):
    """Algorithm 1, entry by entry."""
    p = (1 + J.sum(dim=0) / J.abs().sum(dim=0)) / 2
    mask = (p > u) * (J > 0) + (p < u) * (J < 0)
    return ((leak[:, None] + (1 - leak[:, None]) * mask) * J).sum(dim=0)


@pytest.mark.parametrize("leak", [None, [0.0, 0.2, 1.0]])
def test_graddrop_is_algorithm_1(leak):
    J = random_jacobian(3, 200, generator=seeded(0))
    u = (1 + uniforms(seeded(7))(200).double()) / 2
    found = GradDrop(leak, generator=seeded(7))(J)
    parts = torch.zeros(3).double() if leak is None else double(*leak)
    torch.testing.assert_close(found, graddrop_of_the_paper(J, u, parts))


def test_graddrop_at_features_draws_once_per_unit():
    generator = seeded(1)
    features = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    J = torch.randn(3, 5, 4, generator=generator, dtype=torch.float64)
    summed = (J * features.sign()).sum(dim=1)
    u = (1 + uniforms(seeded(7))(4).double()) / 2
    p = (1 + summed.sum(dim=0) / summed.abs().sum(dim=0)) / 2
    mask = (p > u) * (summed > 0) + (p < u) * (summed < 0)
    found = GradDrop(generator=seeded(7)).at_features(J, features)
    torch.testing.assert_close(found, (mask[:, None] * J).sum(dim=0))


def test_graddrop_keeps_what_agrees_and_the_mean_of_what_does_not():
    J = double(3, -1)[:, None].expand(2, 20_000)
    found = GradDrop(generator=seeded(0))(J)
    assert set(found.tolist()) == {3, -1}
    assert float((found == 3).double().mean()) == pytest.approx(0.75, abs=0.02)
    agreeing = J.abs()
    torch.testing.assert_close(GradDrop()(agreeing), agreeing.sum(dim=0))
    assert GradDrop()(torch.zeros(2, 3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("route", ["shared", "features"])
def test_graddrop_in_the_driver(route):
    x = torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(3, 2).requires_grad_()
    losses = [(x * 2).sum(), (x**2).sum()]
    J = torch.stack([torch.full_like(x, 2), 2 * x]).detach()
    step = backward(
        losses, GradDrop(generator=seeded(3)), **{route: [x] if route == "shared" else x}
    )
    other = GradDrop(generator=seeded(3))
    expected = (
        other(J.flatten(1)).reshape(3, 2) if route == "shared" else other.at_features(J, x.detach())
    )
    torch.testing.assert_close(x.grad, expected)
    assert step.weights is None


def test_graddrop_refuses_and_resumes():
    with pytest.raises(ValueError, match=r"`leak`"):
        GradDrop([0.5, 1.5])
    with pytest.raises(ValueError, match=r"`leak`.*2 entries for 3 tasks"):
        GradDrop([0.5, 0.5])(torch.ones(3, 2))
    J = random_jacobian(3, 20, generator=seeded(0))
    method, resumed = GradDrop(), GradDrop()
    method(J)
    resumed.load_state_dict(method.state_dict())
    assert torch.equal(method(J), resumed(J))
