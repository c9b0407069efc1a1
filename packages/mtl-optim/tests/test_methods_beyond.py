"""What each paper promises: the methods beyond DeepMTL2R's, and the wrappers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim import (
    CRMOGM,
    FAMO,
    IMTLG,
    IMTLL,
    MGDA,
    PBI,
    AlignedMTL,
    ConFIG,
    Constant,
    DualProj,
    FairGrad,
    GeometricLossStrategy,
    GradNorm,
    GradVac,
    LinearScalarization,
    LogLosses,
    Mean,
    NashMTL,
    PCGrad,
    RescaledWeights,
    SDMGrad,
    Sum,
    UncertaintyWeighting,
    UpdateEvery,
    backward,
)
from mtl_optim._solvers import alpha_fair
from mtl_optim.pareto.problems import fonseca_fleming, simplex, spheres
from mtl_optim.testing import descend, double, problems, random_jacobian, seeded, slopes

seeds = given(seed=st.integers(0, 999), tasks=st.integers(1, 8))


# --- DualProj, ConFIG


def test_dualproj_conflicts_with_no_task():
    for losses, J in problems(40):
        w = DualProj().weights(losses=losses, gramian=J @ J.T)
        inner = torch.nn.functional.normalize(J, dim=1) @ (J.T @ w)
        assert float(inner.min()) >= -1e-13 * float((w[:, None] * J).norm(dim=1).max())


@pytest.mark.parametrize("ratio", [1e-6, 1e-3, 1.0])
def test_dualproj_keeps_its_guarantee_for_small_gradients(ratio):
    J = torch.stack([double(1, 0, 0), ratio * double(-0.7, 0.5, 0.1), ratio * double(-0.5, -1, 2)])
    d = J.T @ DualProj().weights(gramian=J @ J.T)
    cosines = torch.nn.functional.normalize(J, dim=1) @ d / d.norm()
    assert float(cosines.min()) >= -1e-9


def test_dualproj_without_conflict_is_the_mean():
    J = random_jacobian(5, 9, generator=seeded(0)).abs()
    torch.testing.assert_close(DualProj().weights(gramian=J @ J.T), torch.full((5,), 0.2).double())


@settings(max_examples=30, derandomize=True)
@seeds
def test_config_has_equal_positive_cosines(seed, tasks):
    J = random_jacobian(tasks, tasks + 2, generator=seeded(seed), decades=6)
    d = J.T @ ConFIG().weights(gramian=J @ J.T)
    cosines = torch.nn.functional.normalize(J, dim=1) @ d / d.norm()
    assert float(cosines.min()) > 0
    torch.testing.assert_close(cosines, cosines.mean().expand(tasks), rtol=1e-6, atol=1e-9)
    assert float(d.norm()) == pytest.approx(float((J @ d).sum() / d.norm()))


def test_config_of_opposite_gradients_is_zero():
    J = double(1, -1)[:, None]
    assert ConFIG().weights(gramian=J @ J.T).tolist() == [0, 0]


# --- AlignedMTL


@settings(max_examples=30, derandomize=True)
@seeds
def test_aligned_gradients_have_condition_number_1(seed, tasks):
    J = random_jacobian(tasks, tasks + 2, generator=seeded(seed), decades=2)
    U, s, Vt = torch.linalg.svd(J, full_matrices=False)
    for name, sigma in (
        ("min", s.min()),
        ("median", (s**2).quantile(0.5).sqrt()),
        ("rmse", (s**2).mean().sqrt()),
    ):
        aligned = sigma * U @ Vt
        d = J.T @ AlignedMTL(name).weights(gramian=J @ J.T)
        torch.testing.assert_close(d, aligned.mean(dim=0), rtol=1e-6, atol=1e-9 * float(s.max()))


def test_aligned_of_orthogonal_equal_gradients_is_the_mean():
    torch.testing.assert_close(
        AlignedMTL().weights(gramian=9 * torch.eye(4)), torch.full((4,), 0.25)
    )
    with pytest.raises(ValueError, match=r"did you mean 'median'"):
        AlignedMTL("mediam")


# --- FairGrad


@settings(max_examples=60, derandomize=True)
@given(
    seed=st.integers(0, 9999),
    tasks=st.integers(1, 12),
    decades=st.sampled_from([0.0, 2.0, 6.0]),
    alpha=st.sampled_from([0.5, 1.0, 2.0, 5.0]),
)
def test_fairgrad_solves_its_equation(seed, tasks, decades, alpha):
    J = random_jacobian(tasks, tasks + 3, generator=seeded(seed), decades=decades)
    G = (J @ J.T).numpy()
    w = alpha_fair(G, alpha)
    assert (w > 0).all()
    norms = np.sqrt(G.diagonal())
    gap = np.abs(G @ w - w ** (-1 / alpha)) / norms  # in units of the summands
    assert (gap <= 1e-9 * (norms * w).max()).all()


def test_fairgrad_at_one_is_nash():
    for losses, J in problems(41, every=2):
        G = J @ J.T
        nash, fair = NashMTL().weights(gramian=G), FairGrad(1.0).weights(gramian=G, losses=losses)
        if bool((nash > 0).all()) and float((nash * J.norm(dim=1)).max()) < 1e3:
            torch.testing.assert_close(fair, nash, rtol=1e-6, atol=0)


def test_fairgrad_agrees_with_an_interior_point_solver():
    cvxpy = pytest.importorskip("cvxpy")
    J = np.random.default_rng(0).normal(size=(5, 8))
    w = cvxpy.Variable(5)
    potential = cvxpy.sum_squares(J.T @ w) / 2 - 2 * cvxpy.sum(cvxpy.sqrt(w))
    cvxpy.Problem(cvxpy.Minimize(potential)).solve(solver="CLARABEL")
    assert alpha_fair(J @ J.T, 2.0) == pytest.approx(w.value, rel=1e-4)


@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_fairgrad_has_no_answer_for_opposite_gradients(alpha):
    J = np.array([[1.0, 2.0], [-1.0, -2.0]])
    assert alpha_fair(J @ J.T, alpha).tolist() == [0, 0]
    assert alpha_fair(np.diag([1.0, 0.0]), alpha).tolist() == [1, 0]


# --- GradVac


@settings(max_examples=30, derandomize=True)
@seeds
def test_gradvac_with_targets_at_zero_is_pcgrad(seed, tasks):
    J = random_jacobian(tasks, 5, generator=seeded(seed), decades=2, conflict=1)
    vac = GradVac(0.0, generator=seeded(seed)).weights(gramian=J @ J.T)
    surgery = PCGrad(generator=seeded(seed)).weights(gramian=J @ J.T)
    torch.testing.assert_close(vac, surgery)


def test_gradvac_turns_to_the_target_and_averages_the_cosines():
    G, method = double(1, 0.5, 0.5, 1).reshape(2, 2), GradVac(0.5)
    assert method.weights(gramian=G).tolist() == [1, 1]
    torch.testing.assert_close(method.targets, double(0, 0.25, 0.25, 0).reshape(2, 2))
    method.targets = torch.full((2, 2), 0.8, dtype=torch.float64)
    a = float(method.weights(gramian=G)[0]) - 1  # g_1 + a g_2 has the cosine 0.8 to g_2
    assert (0.5 + a) / (1 + a + a * a) ** 0.5 == pytest.approx(0.8)
    with pytest.raises(ValueError, match=r"3 tasks after 2"):
        method.weights(gramian=torch.eye(3))
    with pytest.raises(ValueError, match=r"`decay`"):
        GradVac(1.5)


# --- methods that learn


def train(method, losses_of, steps=300, lr=0.05, **where):
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam(method.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        step = backward(losses_of(x), method, **({"shared": [x]} if where else {}))
        optimizer.step()
    return step


def test_imtll_makes_the_losses_one():
    losses = double(0.5, 1, 4)
    step = train(IMTLL(3), lambda x: losses + 0 * x)
    torch.testing.assert_close(step.weights, 1 / losses, rtol=1e-2, atol=0)


def test_gradnorm_makes_the_gradients_equally_long():
    slope = double(1, 10, 0.3)
    step = train(GradNorm(3, alpha=0.0), lambda x: 1 + slope * x, lr=0.02, shared=True)
    lengths = step.weights * step.gradient_norms
    torch.testing.assert_close(lengths, lengths.mean().expand(3), rtol=0.1, atol=0)
    assert float(step.weights.sum()) == pytest.approx(3)


def test_gradnorm_descends_its_objective():
    method, G, first = GradNorm(2, alpha=1.5), torch.diag(double(1, 9)), double(2, 2)
    method.weights(losses=first, gramian=G)
    losses = double(1, 2)
    rate = losses / first / (losses / first).mean()
    with torch.no_grad():
        method.logits.copy_(torch.tensor([0.2, -0.1]))
    xi = method.logits.detach().double().requires_grad_()
    lengths = 2 * xi.softmax(dim=0) * double(1, 3)
    (lengths - lengths.detach().mean() * rate**1.5).abs().sum().backward()
    method.learn(losses, G, 1.0)
    torch.testing.assert_close(method.logits.grad.double(), xi.grad)


@pytest.mark.parametrize(
    "method", [GradNorm(2), RescaledWeights(UncertaintyWeighting(2)), IMTLL(2)]
)
def test_learning_that_no_optimizer_holds_is_an_error(method):
    x = torch.tensor([1.0, 3.0], requires_grad=True)
    backward(x * double(1, 2).float(), method, shared=[x])
    x.grad = None
    with pytest.raises(RuntimeError, match=r"method.parameters\(\)"):
        backward(x * double(1, 2).float(), method, shared=[x])
    assert x.grad is None


# --- methods that look at the losses


def test_constant_sum_mean_and_geometric():
    losses = double(0.5, 1, 4)
    assert Constant([1, -2, 3]).weights(losses=losses).tolist() == [1, -2, 3]
    assert Sum().weights(losses=losses).tolist() == [1, 1, 1]
    torch.testing.assert_close(Mean().weights(losses=losses), double(1, 1, 1) / 3)
    torch.testing.assert_close(
        GeometricLossStrategy().weights(losses=losses),
        slopes(lambda L: L.prod() ** (1 / 3), losses),
    )
    with pytest.raises(ValueError, match=r"task 1"):
        GeometricLossStrategy().weights(losses=double(1, -1))
    with pytest.raises(ValueError, match=r"`weights`"):
        Constant([1.0, float("nan")])


@settings(max_examples=30, derandomize=True)
@given(seed=st.integers(0, 99), tasks=st.integers(2, 5))
def test_pbi_descends_its_scalar(seed, tasks):
    losses, r, ideal = torch.rand(3, tasks, generator=seeded(seed), dtype=torch.float64)
    r, ideal = (r + 0.1) / (r + 0.1).sum(), -ideal
    v = (1 / r) / (1 / r).norm()

    def scalar(L):
        along = (L - ideal) @ v
        return along + 3 * (L - ideal - along * v).norm()

    w = PBI(r, theta=3.0, ideal=ideal).weights(losses=losses)
    torch.testing.assert_close(w, slopes(scalar, losses), rtol=1e-5, atol=1e-7)


def test_pbi_ends_on_the_ray():
    options = {"decay": 0.98, "steps": 400}
    x, _ = descend(spheres, [0.9], PBI([0.7, 0.3]), lr=0.1, **options)
    assert float(x) == pytest.approx(0.3956439237, abs=2e-3)
    x, _ = descend(simplex, [0.9, 0.2, 0.0], PBI([1 / 3] * 3), lr=0.1, **options)
    torch.testing.assert_close(x, torch.full_like(x, 1 / 3), rtol=0, atol=5e-3)
    x, _ = descend(fonseca_fleming, [0.3, -0.2], PBI([0.5, 0.5], theta=2.0), lr=0.5, **options)
    assert float(x.norm()) <= 0.02
    with pytest.raises(ValueError, match=r"`preference` must be positive"):
        PBI([1.0, 0.0])
    with pytest.raises(ValueError, match=r"`theta`"):
        PBI([0.5, 0.5], theta=-1)


# --- wrappers


def test_crmogm_averages_the_weights():
    one, other = torch.eye(2).double(), torch.diag(double(1, 3))
    method = CRMOGM(MGDA(), gamma=0.75)
    method.weights(gramian=one)
    torch.testing.assert_close(method.weights(gramian=other), double(0.5625, 0.4375))
    with pytest.raises(ValueError, match=r"`gamma`"):
        CRMOGM(MGDA(), gamma=1.0)


def test_rescaled_weights_have_one_sum():
    for losses, J in problems(42, every=7):
        for inner in (PCGrad(), IMTLG(), NashMTL(), LinearScalarization([1.0])):
            if isinstance(inner, LinearScalarization) and len(losses) > 1:
                continue
            w = RescaledWeights(inner, total=3.0).weights(losses=losses, gramian=J @ J.T)
            assert float(w.abs().sum()) in (0.0, pytest.approx(3.0))
    with pytest.raises(ValueError, match=r"`total`"):
        RescaledWeights(PCGrad(), total=0)


def test_update_every_holds_the_weights_and_saves_the_passes():
    method = UpdateEvery(LogLosses(MGDA()), steps=3)
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    A = random_jacobian(2, 3, generator=seeded(0))
    steps = [backward((A @ x) ** 2 + k, method, shared=[x]) for k in range(1, 5)]
    assert [step.gramian is None for step in steps] == [False, True, True, False]
    assert torch.equal(steps[0].weights, steps[2].weights)
    with pytest.raises(TypeError, match=r"`inner`.*Mean"):
        UpdateEvery(Mean(), steps=2)
    with pytest.raises(ValueError, match=r"`steps`"):
        UpdateEvery(MGDA(), steps=0)


@pytest.mark.parametrize("wrap", [CRMOGM, RescaledWeights, LogLosses])
def test_a_wrapper_is_of_the_inner_kind(wrap):
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    step = backward(x * double(1, 2), wrap(LinearScalarization([0.5, 0.5])))
    assert step.gramian is None
    held = wrap(NashMTL(update_every=2))
    steps = [backward(x * double(1, 2), held, shared=[x]) for _ in range(2)]
    assert steps[1].gramian is None
    twice = wrap(FAMO(2, lower_bounds=[-9.0, -9.0]))
    backward(x * double(1, 2), twice)
    with pytest.raises(RuntimeError, match=r"look_again"):
        backward(x * double(1, 2), twice)
    two = wrap(SDMGrad())
    backward(x * double(1, 2), two, shared=[x], second_batch=x * double(2, 1))


def test_wrappers_nest():
    G, losses = torch.diag(double(1, 9)), double(1, 3)
    method = RescaledWeights(CRMOGM(LogLosses(MGDA())))
    torch.testing.assert_close(method.weights(gramian=G, losses=losses), double(0.75, 0.25))
