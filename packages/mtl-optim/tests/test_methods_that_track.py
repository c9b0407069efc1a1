"""What each paper promises: methods that keep gradients, scales or weights from step to step."""

import pytest
import torch

from mtl_optim import (
    COSMOS,
    CRMOGM,
    DBMTL,
    FAMO,
    IMTL,
    IMTLG,
    IMTLL,
    MGDA,
    ConFIG,
    ExcessMTL,
    GradNorm,
    LinearScalarization,
    MoCo,
    MoDo,
    MomentumConFIG,
    UncertaintyWeighting,
    UpdateEvery,
    backward,
)
from mtl_optim.pareto.problems import simplex, spheres
from mtl_optim.testing import double, random_jacobian, seeded


def jacobians(steps, tasks=3, size=5):
    generator = seeded(0)
    return [random_jacobian(tasks, size, generator=generator) for _ in range(steps)]


def run(method, J, **options):
    """One step of the driver on losses 1 + J x at x = 0, whose gradients are the rows of J."""
    x = torch.zeros(J.shape[1], dtype=torch.float64, requires_grad=True)
    step = backward(1 + J @ x, method, shared=[x], **options)
    return step, x.grad


@pytest.mark.parametrize(
    ("method", "average"),
    [
        (MoCo(beta=0.3), lambda Y, J, t: Y + (1.0 if t == 1 else 0.3) * (J - Y)),
        (DBMTL(beta=0.8), lambda Y, J, t: J if t == 1 else 0.8 * Y + 0.2 * J),
    ],
)
def test_the_weights_combine_the_averages(method, average):
    Y = torch.zeros(3, 5, dtype=torch.float64)
    for t, J in enumerate(jacobians(4), 1):
        Y = average(Y, J, t)
        step, direction = run(method, J)
        torch.testing.assert_close(step.gramian, Y @ Y.T)
        torch.testing.assert_close(direction, Y.T @ step.weights)


def test_momentum_config_is_config_on_averages_without_their_start():
    method, m = MomentumConFIG(beta=0.7), torch.zeros(3, 5, dtype=torch.float64)
    for t, J in enumerate(jacobians(4), 1):
        m = 0.7 * m + 0.3 * J
        average = m / (1 - 0.7**t)
        _, direction = run(method, J)
        expected = average.T @ ConFIG().weights(gramian=average @ average.T)
        torch.testing.assert_close(direction, expected)


def test_moco_ends_at_the_point_of_least_norm():
    J = jacobians(1)[0]
    method = MoCo(gamma=0.5)
    for _ in range(600):
        step, _ = run(method, J)
    torch.testing.assert_close(step.weights, MGDA().weights(gramian=J @ J.T), rtol=1e-4, atol=1e-4)


def test_moco_averages_the_noise_out():
    J, generator, errors = jacobians(1)[0], seeded(1), []
    method = MoCo(beta=0.02)
    for _ in range(300):
        noisy = J + 3 * torch.randn(J.shape, generator=generator, dtype=torch.float64)
        step, _ = run(method, noisy)
        errors.append(float((step.gramian - J @ J.T).norm()))
    assert errors[-1] < 0.1 * errors[0]


def test_modo_follows_the_two_batches():
    A, B = jacobians(2)
    w = torch.full((3,), 1 / 3, dtype=torch.float64)
    x = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    step = backward(1 + A @ x, MoDo(gamma=0.2), second_batch=1 + B @ x, shared=[x])
    C = A @ B.T
    moved = w - 0.2 * (C / C.norm()) @ w
    moved += (1 - moved.sum()) / 3  # the projection, as long as it stays inside
    assert bool((moved > 0).all())
    torch.testing.assert_close(step.weights, moved)
    G, method = A @ A.T, MoDo(gamma=0.5, one_batch=True)
    for _ in range(1000):
        found = method.weights(gramian=G)
    torch.testing.assert_close(found, MGDA().weights(gramian=G), rtol=1e-4, atol=1e-4)


def test_db_mtl_makes_the_averages_equally_long_and_ignores_units():
    J = jacobians(1)[0]
    step, direction = run(DBMTL(), J)
    lengths = step.weights * step.gradient_norms
    torch.testing.assert_close(lengths, step.gradient_norms.max().expand(3))
    units = double(1e-3, 1, 1e3)
    x = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    backward((1 + J @ x) * units, DBMTL(), shared=[x])
    torch.testing.assert_close(x.grad, direction)
    with pytest.raises(ValueError, match=r"DBMTL needs.*at least 0.*-1.0 for task 0"):
        backward(J @ x - 1, DBMTL(), shared=[x])


def test_excess_mtl_is_its_algorithm():
    method, s, log_w, first = ExcessMTL(step_size=0.5), 0, torch.zeros(3).double(), None
    for J in jacobians(4):
        s = s + J**2
        risk = (J**2 / s.sqrt()).sum(dim=1)
        if first is None:
            first = risk
        else:
            log_w = log_w + 0.5 * risk / first
        step, direction = run(method, J)
        torch.testing.assert_close(step.weights, log_w.softmax(dim=0))
        torch.testing.assert_close(direction, J.T @ step.weights)
    with pytest.raises(RuntimeError, match=r"ExcessMTL.*`shared=`"):
        method.weights(gramian=torch.eye(3))


def test_excess_mtl_favours_the_task_that_still_learns():
    method = ExcessMTL(step_size=0.1)
    for k in range(20):
        step, _ = run(method, torch.diag(double(1, 0.5**k)))
    assert float(step.weights[0]) > 0.6


METHODS = [MoCo, DBMTL, ExcessMTL, MomentumConFIG]


@pytest.mark.parametrize("make", METHODS)
def test_what_is_kept_is_saved_and_wrapped(make):
    first, second = jacobians(2)
    method, resumed, wrapped = make(), make(), CRMOGM(make(), gamma=0.0)
    for one in (method, wrapped):
        run(one, first)
    resumed.load_state_dict(method.state_dict())
    found = [run(one, second) for one in (method, resumed, wrapped)]
    for step, direction in found[1:]:
        assert torch.equal(step.weights, found[0][0].weights)
        assert torch.equal(direction, found[0][1])


@pytest.mark.parametrize("make", METHODS)
def test_the_scaler_leaves_what_is_kept(make):
    plain, scaled = make(), make()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    for J in jacobians(3):
        step, direction = run(plain, J)
        other, times = run(scaled, J, scaler=scaler)
        torch.testing.assert_close(other.weights, step.weights)
        torch.testing.assert_close(times / 2.0**16, direction)


@pytest.mark.parametrize("make", METHODS)
def test_a_gradient_that_is_not_finite_is_not_kept(make):
    method, J = make(), jacobians(1)[0]
    run(method, J)
    kept = [[y.clone() for y in row] for row in method.averages]
    x = torch.ones(5, dtype=torch.float64, requires_grad=True)
    losses = [row.abs() @ x for row in J]
    losses[1] = losses[1] + (x - 1).abs().sum().sqrt()
    with pytest.raises(ValueError, match=r"the gradient of task 1"):
        backward(losses, method, shared=[x])
    assert x.grad is None
    torch.testing.assert_close(method.averages, kept, rtol=0, atol=0)


@pytest.mark.parametrize("make", METHODS)
def test_what_keeps_gradients_needs_the_parameters(make):
    x = torch.ones(4, dtype=torch.float64, requires_grad=True)
    y = torch.ones(4, dtype=torch.float64, requires_grad=True)
    losses = [(x * y).sum(), (x + y).sum()]
    with pytest.raises(ValueError, match=rf"{make.__name__} keeps each gradient.*`features=`"):
        backward(losses, make(), features=x, retain_graph=True)
    with pytest.raises(ValueError, match=r"`memory_budget`"):
        backward(losses, make(), shared=[x, y], memory_budget=1, retain_graph=True)
    method = UpdateEvery(make(), steps=1)
    backward(losses, method, shared=[x], retain_graph=True)
    with pytest.raises(ValueError, match=r"`shared` must not change"):
        backward(losses, method, shared=[x, y])


@pytest.mark.parametrize("make", [lambda: MoCo(beta=0.5), lambda: MoDo(one_batch=True)])
def test_single_step_weights_end_on_the_front(make):
    for problem, start in ((spheres, [1.5]), (simplex, [0.9, 0.8, -0.5])):
        x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        method = make()
        for _ in range(200):
            x.grad = None
            backward(problem(x), method, shared=[x])
            with torch.no_grad():
                x -= 0.1 * x.grad
        J = torch.autograd.functional.jacobian(problem, x.detach())
        w = MGDA().weights(gramian=J @ J.T)
        assert float((J.T @ w).norm()) < 1e-2


def test_imtl_balances_losses_and_gradients():
    losses, J = double(0.5, 1, 4), random_jacobian(3, 5, generator=seeded(0), decades=2)
    method = IMTL(3)
    optimizer = torch.optim.Adam(method.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        x = torch.zeros(5, dtype=torch.float64, requires_grad=True)
        step = backward(losses + J @ x, method, shared=[x])
        optimizer.step()
    scales = method.log_scales.detach().double().exp()
    torch.testing.assert_close(scales, 1 / losses, rtol=1e-2, atol=0)
    inner = torch.nn.functional.normalize(J, dim=1) @ (J.T @ step.weights)
    torch.testing.assert_close(inner, inner.mean().expand(3))
    even = IMTLG().weights(gramian=J @ J.T)
    torch.testing.assert_close(IMTL(3).weights(gramian=J @ J.T), even)


def test_cosmos_descends_its_scalar_and_ends_near_the_preference():
    r, losses = double(0.2, 0.3, 0.5), double(1, 0.5, 2)
    L = losses.clone().requires_grad_()
    (r @ L - 2 * torch.nn.functional.cosine_similarity(r, L, dim=0)).backward()
    torch.testing.assert_close(COSMOS(r, penalty=2).weights(losses=losses), L.grad)
    plain = LinearScalarization(r).weights(losses=losses)
    torch.testing.assert_close(COSMOS(r, penalty=0).weights(losses=losses), plain)
    for preference in (0.2, 0.8):
        x = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
        for _ in range(300):
            x.grad = None
            at = backward(spheres(x), COSMOS([preference, 1 - preference], penalty=20)).losses
            with torch.no_grad():
                x -= 0.003 * x.grad
        assert float(at[0] / at.sum()) == pytest.approx(preference, abs=0.02)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: MoCo(beta=0), "beta"),
        (lambda: MoCo(gamma=0), "gamma"),
        (lambda: MoCo(rho=-1), "rho"),
        (lambda: MoDo(gamma=-1), "gamma"),
        (lambda: MoDo(rho=-1), "rho"),
        (lambda: DBMTL(beta=1), "beta"),
        (lambda: MomentumConFIG(beta=1), "beta"),
        (lambda: ExcessMTL(step_size=0), "step_size"),
        (lambda: COSMOS([0.5, 0.5], penalty=-1), "penalty"),
        (lambda: IMTL(0), "num_tasks"),
    ],
)
def test_arguments_out_of_range_are_named(make, name):
    with pytest.raises(ValueError, match=f"`{name}`"):
        make()


@pytest.mark.parametrize("make", [FAMO, UncertaintyWeighting, IMTLL, GradNorm, IMTL])
def test_a_number_of_tasks_is_an_int(make):
    with pytest.raises(TypeError, match=r"`num_tasks` must be an int, got float"):
        make(2.0)
