"""SDMGrad and GradDrop: their algorithms, and what they refuse."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim import MGDA, GradDrop, LinearScalarization, SDMGrad, backward
from mtl_optim._random import uniforms
from mtl_optim._solvers import project_onto_simplex
from mtl_optim.testing import double, random_jacobian, seeded

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


@pytest.mark.parametrize("route", ["shared", "features"])
def test_graddrop_takes_parameters_of_any_shape(route):
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    empty = torch.ones(0, 3, dtype=torch.float64, requires_grad=True)
    losses = [3 * scale + empty.sum(), scale**2 + empty.sum()]
    backward(losses, GradDrop(), **{route: [scale, empty]})  # the signs agree
    assert float(scale.grad) == 3 + 4
    assert empty.grad.shape == (0, 3)


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
