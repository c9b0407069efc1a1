"""The ε-constraint method ends on its bounds, on concave stretches too where it is damped."""

import math

import pytest
import torch

from mtl_optim import EpsilonConstraint
from mtl_optim.pareto.problems import fonseca_fleming, spheres
from mtl_optim.testing import descend, double


@pytest.mark.parametrize("violation", ["absolute", "relative"])
def test_epsilon_constraint_ends_at_the_kkt_point_of_spheres(violation):
    method = EpsilonConstraint(bounds={1: 0.08}, mu=0.1, violation=violation)
    x, step = descend(spheres, [0.0], method, lr=0.1, steps=2000)
    assert float(x) == pytest.approx(0.6, abs=1e-4)
    assert float(step.losses[0]) == pytest.approx(0.18, abs=1e-4)
    assert float(step.weights[1]) == pytest.approx(1.5, abs=1e-3)


def test_epsilon_constraint_that_is_inactive_leaves_the_main_task():
    x, step = descend(spheres, [1.0], EpsilonConstraint(bounds={1: 0.6}), steps=300)
    assert float(x) == pytest.approx(0, abs=1e-9)
    assert step.weights.tolist() == [1, 0]


def test_epsilon_constraint_multiplier_grows_while_violated_and_then_falls_back():
    method = EpsilonConstraint(main=1, bounds={0: 0.0, 2: 1.0}, mu=0.5)
    grown = [method.weights(losses=double(1, 5, 0)).tolist() for _ in range(3)]
    assert grown == [[0.5, 1, 0], [1, 1, 0], [1.5, 1, 0]]
    fallen = [method.weights(losses=double(-1, 5, 0)).tolist()[0] for _ in range(4)]
    assert fallen == [1, 0.5, 0, 0]


def test_epsilon_constraint_with_a_part_of_the_dual_step_is_its_formula():
    method = EpsilonConstraint(bounds={1: 0.5}, mu=2.0, dual_step=0.25)
    pushes = [float(method.weights(losses=double(1, loss))[1]) for loss in (1.5, 1.0, 0.0)]
    # λ: 0, then 2/4, then 1/2 + 1/4, then 3/4 (1 − 1/4).
    assert pushes == [2.0, 0.5 + 1.0, max(0.0, 0.75 - 1.0)]
    assert float(method.multipliers) == 0.75 * 0.75


def concave_stretch(bound):
    """Fonseca and Fleming's front for n = 1: the KKT point at a bound, its h and a."""
    root = 1 - math.sqrt(-math.log(1 - bound))  # L_2 = 1 − exp(−(t + 1)²) read from −1 upwards
    t = torch.tensor([-root], dtype=torch.float64)
    first, second = zip(*(_derivatives(task, t) for task in (0, 1)), strict=True)
    multiplier = -first[0] / first[1]
    return t, multiplier, second[0] + multiplier * second[1], first[1]


def _derivatives(task, t):
    t = t.clone().requires_grad_()
    (slope,) = torch.autograd.grad(fonseca_fleming(t)[task], t, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, t)
    return slope.item(), curvature.item()


@pytest.mark.parametrize(("bound", "mu"), [(0.7, 10.0), (0.55, 10.0), (0.7, 30.0)])
def test_epsilon_constraint_damps_a_concave_stretch_from_the_promised_part_on(bound, mu):
    t, multiplier, h, a = concave_stretch(bound)
    assert multiplier > 0 > h
    threshold = 1 + h / (mu * a**2)  # (1 − κ) μ a² = −h
    assert 0 < threshold < 1
    away = {}
    for part in (0.9, 1.1):
        method = EpsilonConstraint(bounds={1: bound}, mu=mu, dual_step=min(1.0, part * threshold))
        method.multipliers = torch.tensor([multiplier], dtype=torch.float64)
        x, _ = descend(fonseca_fleming, (t + 1e-6).tolist(), method, lr=0.05, steps=800)
        away[part] = abs(float(x - t)) + abs(float(method.multipliers) - multiplier)
    assert away[0.9] < 1e-7
    assert away[1.1] > 1e-5


@pytest.mark.parametrize("start", [[0.1, 0.3], [-0.3, -0.3]])
def test_epsilon_constraint_ends_on_a_concave_stretch_where_the_whole_dual_step_circles(start):
    missed = {}
    for part in (1.0, 0.1):
        method = EpsilonConstraint(bounds={1: 0.7}, mu=10.0, dual_step=part)
        x, _ = descend(fonseca_fleming, start, method, lr=0.1, steps=400)
        found = []
        for _ in range(20):
            x, step = descend(fonseca_fleming, x.tolist(), method, lr=0.1, steps=1)
            found.append(abs(float(step.losses[1]) - 0.7))
        missed[part] = max(found)
    assert missed[1.0] > 0.01
    assert missed[0.1] < 1e-9
    # At the end the multiplier is the exchange rate of the front.
    G = torch.func.jacrev(fonseca_fleming)(x.detach())
    torch.testing.assert_close(G[0], -float(method.multipliers) * G[1])


def test_epsilon_constraint_with_a_part_of_the_dual_step_does_not_overshoot():
    least = {}
    for part in (1.0, 0.1):
        method, x, room = EpsilonConstraint(bounds={1: 0.08}, mu=10.0, dual_step=part), [0.0], []
        for _ in range(300):
            x, step = descend(spheres, x, method, lr=0.1, steps=1)
            x = x.tolist()
            room.append(0.08 - float(step.losses[1]))
        least[part] = max(room)
        assert x[0] == pytest.approx(0.6, abs=1e-6)
    assert least[1.0] > 0.05  # well past the bound of 0.08, and back
    assert least[0.1] < 1e-9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bounds": {0: 1.0}}, r"`bounds`.*main"),
        ({"bounds": {-1: 1.0}}, r"`bounds`"),
        ({"bounds": {1: math.nan}}, r"`bounds`.*nan for task 1"),
        ({"bounds": {1: 0.0}, "violation": "relative"}, r"`bounds`.*0.0 for task 1"),
        ({"bounds": {1: 1.0}, "mu": 0}, r"`mu`"),
        ({"bounds": {1: 1.0}, "main": -1}, r"`main`"),
        ({"bounds": {1: 1.0}, "dual_step": 0}, r"`dual_step` must be in \(0, 1\], got 0"),
        ({"bounds": {1: 1.0}, "dual_step": 1.5}, r"`dual_step`.*got 1.5"),
        ({"bounds": {1: 1.0}, "violation": "relativ"}, r"did you mean 'relative'"),
    ],
)
def test_epsilon_constraint_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        EpsilonConstraint(**options)


def test_epsilon_constraint_needs_its_tasks():
    with pytest.raises(ValueError, match=r"task 2, got 2 losses"):
        EpsilonConstraint(bounds={2: 1.0}).weights(losses=double(1, 1))
