"""Gradients that are opposed up to float32 rounding: no step goes uphill, or too far.

The weights of opposed gradients are large and their sum is short, so that a sum in float32 would be
rounding alone.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mtl_optim import MGDA, AlignedMTL, CAGrad, ConFIG, DualProj, NashMTL, PCGrad, UPGrad, backward
from mtl_optim._gradients import cancels
from mtl_optim.testing import double, random_jacobian, seeded

EPS, EPS64 = 2.0**-24, 2.0**-53
ROUTES = ["shared", "budget", "features"]


@st.composite
def opposed(draw):
    """Draw a float32 Jacobian in which some rows are −Σ c_j g_j of others, c ≥ 0, nearly."""
    generator = seeded(draw(st.integers(0, 2**31)))
    tasks, columns = draw(st.integers(2, 6)), draw(st.integers(1, 8))
    J = random_jacobian(tasks, columns, generator=generator, decades=draw(st.sampled_from([0, 4])))
    dependent = draw(st.integers(1, tasks - 1))
    noise = draw(st.sampled_from([0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-3]))
    parts = torch.rand(dependent, tasks - dependent, generator=generator, dtype=torch.float64)
    parts *= torch.rand(parts.shape, generator=generator) < draw(st.sampled_from([0.4, 1.0]))
    parts[:, 0] += 0.1
    J[tasks - dependent :] = -parts @ J[: tasks - dependent]
    size = J.norm(dim=1, keepdim=True)
    return (J + noise * size * random_jacobian(tasks, columns, generator=generator)).float()


def step(J, make, route):
    """The direction in `.grad` for linear losses, whose gradients are exactly J."""
    x = torch.zeros(J.shape[1], requires_grad=True)
    y = torch.zeros(J.shape[1], requires_grad=True)
    if route == "features":
        features = 1 * x
        record = backward([(row * features).sum() for row in J], make(), features=features)
        return record, x.grad.double(), J.double()
    budget = 1 if route == "budget" else None
    losses = [(row * x).sum() + 0.5 * (row * y).sum() for row in J]
    record = backward(losses, make(), shared=[x, y], memory_budget=budget)
    whole = torch.cat([J, 0.5 * J], dim=1).double()
    return record, torch.cat([x.grad, y.grad]).double(), whole


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("make", [UPGrad, DualProj, MGDA, CAGrad, ConFIG, AlignedMTL, PCGrad])
@settings(max_examples=40)
@given(J=opposed())
def test_the_direction_is_that_of_float64(J, make, route):
    record, d, whole = step(J, make, route)
    w, sizes = record.weights, whole.norm(dim=1)
    exact = whole.T @ w
    # A float32 sum is taken where its summands are up to 2⁷ times as long as the result.
    bound = (2**7 * len(J) + 1) * EPS * exact.norm() + len(J) * EPS64 * (w.abs() @ sizes)
    assert float((d - exact).norm()) <= float(bound) + 1e-44


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("make", [UPGrad, DualProj, MGDA])
@settings(max_examples=40)
@given(J=opposed())
def test_no_task_goes_uphill(J, make, route):
    record, d, whole = step(J, make, route)
    sizes = whole.norm(dim=1)
    # Beyond the float32 rounding of d, the weights solve their problem up to float64 rounding.
    slack = 2**7 * len(J) * EPS * d.norm() + 16 * len(J) * EPS64 * (record.weights.abs() @ sizes)
    assert bool((whole @ d >= -sizes * slack - 1e-44).all())


@given(J=opposed())
def test_cagrad_serves_the_worst_task_no_worse_than_the_mean_within_its_ball(J):
    _, d, whole = step(J, CAGrad, "shared")
    mean, sizes = whole.mean(dim=0), whole.norm(dim=1)
    slack = 1e-6 * float(sizes.max())
    assert float((d - mean).norm()) <= 0.5 * float(mean.norm()) + slack
    assert float((whole @ d).min()) >= float((whole @ mean).min()) - slack * float(sizes.max())


@pytest.mark.parametrize("make", [UPGrad, DualProj])
@pytest.mark.parametrize("route", ROUTES)
def test_one_gradient_and_its_opposite(make, route):
    J = torch.tensor([[1.1, -0.4, 1.1], [0.0, 0.0, 0.0], [-0.7, -1.8, -0.3]])
    J[1] = -0.1 * J[0]
    record, d, whole = step(J, make, route)
    assert cancels(record.weights, record.gramian)
    cosines = nn.functional.cosine_similarity(whole, d[None])
    assert float(cosines.min()) >= -16 * EPS
    # The direction is the third gradient's part across the plane of the others.
    assert float(d.norm()) <= float(whole[2].norm())


@pytest.mark.parametrize("relative", [1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 0.0])
def test_cagrad_stays_in_its_ball_where_the_gramian_is_blurred(relative):
    generator = seeded(0)
    for _ in range(50):
        J = random_jacobian(3, 6, generator=generator)
        J[1] = -0.1 * (J[0] + relative * random_jacobian(1, 6, generator=generator)[0])
        d, mean = J.T @ CAGrad().weights(gramian=J @ J.T), J.mean(dim=0)
        assert float((d - mean).norm()) <= 0.5 * float(mean.norm()) * (1 + 1e-5)


def test_a_step_of_cagrad_on_opposed_losses_of_a_network_stays_in_its_ball():
    for seed in range(10):
        torch.manual_seed(seed)
        trunk, head = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 4)), nn.Linear(4, 2)
        x, y = torch.randn(32, 6), torch.randn(32, 2)
        one, other = ((head(trunk(x)) - y) ** 2).mean(dim=0)
        mean = torch.autograd.grad((0.9 * one + other) / 3, trunk.parameters(), retain_graph=True)
        backward([one, -0.1 * one, other], CAGrad(), shared=trunk.parameters())
        moved = [p.grad - g for p, g in zip(trunk.parameters(), mean, strict=True)]
        radius = 0.5 * float(torch.cat([g.flatten() for g in mean]).norm())
        assert float(torch.cat([g.flatten() for g in moved]).norm()) <= radius * (1 + 1e-4)


def test_usual_weights_are_summed_as_before():
    J = random_jacobian(5, 40, generator=seeded(0), conflict=0.5)
    for make in (MGDA, UPGrad, CAGrad, PCGrad, NashMTL):
        assert not cancels(make().weights(gramian=J @ J.T), J @ J.T)
    assert cancels(double(1, 1), double(1, -1)[:, None] * double(1, -1 + 1e-6))
    assert not cancels(double(0, 0), double(1, -1)[:, None] * double(1, -1))
