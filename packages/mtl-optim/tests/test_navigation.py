"""Navigation on problems whose fronts are known: exact points, tangency, ends, wishes, the tree."""

import copy
import dataclasses
import json
import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mtl_optim.pareto import (
    Cost,
    Metrics,
    NavigationError,
    ParetoNavigator,
    Settings,
    kkt_residual,
    preference_of_ray,
    ray_error,
    ray_of_preference,
)
from mtl_optim.pareto.navigation.curvature import solve_across
from mtl_optim.pareto.problems import dtlz2, fonseca_fleming, quadratics, simplex, spheres

EXACT = Settings(
    iterations=200,
    residual=1e-12,
    damping=0.0,
    tolerance=1e-10,
    accuracy=1e-9,
    corrections=20,
    correct_above=1e-10,
    start_corrections=60,
)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=8, derandomize=True)


class Place(nn.Module):
    """A model that is its parameters."""

    def __init__(self, x):
        super().__init__()
        self.x = nn.Parameter(torch.as_tensor(x, dtype=torch.float64).clone())


def navigator(problem, x, *, settings=EXACT, **arguments):
    nav = ParetoNavigator(
        Place(x), lambda model, _: problem(model.x), settings=settings, **arguments
    )
    nav.start()
    return nav


def jacobian(problem, x):
    return torch.autograd.functional.jacobian(problem, x.detach())


def slope(steps, errors):
    return float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


# --- points on the exact fronts


def test_spheres_walk_on_the_exact_front():
    nav = navigator(spheres, [0.5])
    for _ in range(4):
        point = nav.step(nav.preview(improve="task 0", give_up={"task 1": 0.02}))
        t = nav.model.x.item()
        assert point.losses.tolist() == pytest.approx([t**2 / 2, (1 - t) ** 2 / 2], abs=1e-15)
        assert point.losses.sqrt().sum().item() == pytest.approx(math.sqrt(0.5), abs=1e-8)
        assert point.realised[1].item() == pytest.approx(0.02, abs=1e-8)
        assert point.alpha.tolist() == pytest.approx([1 - t, t], abs=1e-8)
        rate = nav.local().exchange[1, 0].item()  # dL_1 / dL_0
        assert rate == pytest.approx(-(1 - t) / t, rel=1e-8)


@pytest.mark.parametrize("start", [[0.3] * 5, [0.3, 0.1, 0.25, 0.2, 0.05]])
def test_fonseca_fleming_is_walked_to_its_end_across_the_inflection(start):
    nav = navigator(fonseca_fleming, start)  # the second start is off the front
    places, costs, cap = [], [], 0.03
    for _ in range(60):
        x = nav.model.x.detach()
        u = float(x.sum()) / math.sqrt(5)
        assert float((x - x.mean()).norm()) < 1e-8
        exact = [1 - math.exp(-((u - 1) ** 2)), 1 - math.exp(-((u + 1) ** 2))]
        assert nav.point.losses.tolist() == pytest.approx(exact, abs=1e-8)
        places.append(u)
        preview = nav.preview(improve="task 0", give_up={"task 1": cap})
        if not preview.feasible:  # the end is within a hundredth of the wish
            if cap < 1e-4:
                break
            cap /= 10
            continue
        point = nav.step(preview)
        assert float(point.realised[0]) < 0
        assert float(point.realised[1]) <= cap + 1e-8
        costs.append(point.cost.equivalents)
    assert "the front ends here" in preview.messages
    assert places[0] < 1 / math.sqrt(2) < places[-1]
    assert places[-1] == pytest.approx(1, abs=1e-3)
    assert all(b >= a for a, b in pairwise(places))
    assert max(costs) < 60  # nothing blows up at the inflection
    with pytest.raises(NavigationError, match="the front ends here"):
        nav.step(preview)


@pytest.mark.parametrize("u", [1 / math.sqrt(2), 0.7, -1 / math.sqrt(2), 0.0])
def test_the_tangent_is_regular_where_the_front_bends(u):
    nav = navigator(fonseca_fleming, [u / math.sqrt(5)] * 5)
    preview = nav.preview(direction=[-0.01, 0.01])
    before = nav.model.x.detach().clone()
    nav.step(preview)
    moved = float((nav.model.x.detach() - before).norm())
    J = jacobian(fonseca_fleming, before)
    assert moved < 3 * 0.01 / float(J.norm(dim=1).min())
    # The front is convex outside of the inflections and concave between.
    curvature = float(nav.local().curvature[0])
    if abs(u) < 0.6:
        assert curvature < 0


def test_a_ray_is_reached_and_one_that_misses_the_front_is_reported():
    nav = navigator(spheres, [0.5])
    r = [0.7, 0.3]
    for _ in range(12):
        preview = nav.preview(toward=[1 / 0.7, 1 / 0.3])
        if not preview.feasible:
            break
        nav.step(preview)
    assert nav.model.x.item() == pytest.approx(math.sqrt(0.3) / (0.3**0.5 + 0.7**0.5), abs=1e-8)
    assert ray_error(nav.point.losses, r) < 1e-8

    # Losses of a bounded front: no point has L_0 : L_1 = 1000 : 1.
    losses, pareto = quadratics(2, 6, seed=1)
    nav = navigator(losses, pareto(torch.tensor([0.5, 0.5])), settings=EXACT)
    least = losses(pareto(torch.tensor([0.0, 1.0])))
    ray = [float(least[0]), 1e-9]
    nav = navigator(lambda x: losses(x) + 0.01, pareto(torch.tensor([0.5, 0.5])))
    for _ in range(60):
        preview = nav.preview(toward=ray)
        if not preview.feasible:
            break
        nav.step(preview)
    assert any("front ends" in message for message in preview.messages)
    assert float(nav.point.alpha[1]) > 0.95


# --- tangency


@few
@given(seed=seeds, K=st.integers(2, 4))
def test_tangents_are_tangent_to_second_order_where_the_first_order_step_is_to_first(seed, K):
    losses, pareto = quadratics(K, 20, condition=30, seed=seed)
    alpha = torch.softmax(torch.randn(K, generator=torch.Generator().manual_seed(seed)), 0).double()
    x = pareto(alpha)
    nav = navigator(losses, x)
    model = nav._model()
    direction = torch.zeros(K - 1, dtype=torch.float64)
    direction[seed % (K - 1)] = 1
    v, first = model.front.V @ direction, model.place.at.Q @ direction
    scale = float((model.front.B @ direction).norm())
    steps = np.array([0.04, 0.02, 0.01]) / scale

    def distance(move):
        """From the Pareto set: 0 where x = x(α) for the α of the point's own certificate."""
        errors = []
        for t in steps:
            y = x + t * move
            J = jacobian(losses, y)
            errors.append(kkt_residual(J @ J.T).absolute)
        return errors

    assert slope(steps, distance(v)) > 1.9
    assert 0.8 < slope(steps, distance(first)) < 1.2
    # And the losses change as they should, to second order.
    errors = [
        float((losses(x + t * v) - losses(x) - t * (jacobian(losses, x) @ v)).norm()) for t in steps
    ]
    assert slope(steps, errors) > 1.9
    torch.testing.assert_close(jacobian(losses, x) @ first, jacobian(losses, x) @ v)


@few
@given(seed=seeds, K=st.integers(2, 4))
def test_moves_are_along_the_front_and_its_curvature_is_symmetric(seed, K):
    losses, pareto = quadratics(K, 12, condition=30, seed=seed)
    nav = navigator(losses, pareto(torch.full((K,), 1 / K)))
    front, at = nav._model().front, nav._model().place.at
    # αᵀ J v = 0, 1ᵀ dα = 0 and M = −Bᵀ dα.
    size = float(front.B.norm())
    assert float((at.alpha @ front.B).norm()) < 1e-9 * size
    assert float(front.dalpha.sum(dim=0).abs().max()) < 1e-9 * float(front.dalpha.norm())
    torch.testing.assert_close(front.M, -front.B.T @ front.dalpha, rtol=1e-6, atol=1e-9)
    assert float(torch.linalg.eigvalsh(front.M).min()) > 0  # a convex front
    # The predicted α is that of the place arrived at, to second order.
    errors = []
    for amount in (0.02, 0.01):
        preview = nav.preview(change={"task 0": -amount * float(nav.point.losses[0])})
        point = nav.step(preview)
        errors.append(float((point.alpha - preview.alpha).norm()))
        nav.undo()
    assert errors[1] < errors[0] / 3


def test_the_drift_off_the_tangent_plane_is_foreseen():
    # DTLZ2, a concave sphere: predicted to second order, so that errors are of the third.
    x = torch.tensor([0.4, 0.55, 0.5, 0.5], dtype=torch.float64)
    nav = navigator(lambda y: dtlz2(y, 3), x)
    errors = []
    for size in (0.08, 0.04, 0.02):
        preview = nav.preview(improve="task 2", give_up={"task 0": size})
        point = nav.step(preview)
        assert float(point.losses.norm()) == pytest.approx(1, abs=1e-8)
        errors.append(float((point.realised - preview.change).abs().max()))
        assert bool(((point.realised - preview.change).abs() <= preview.error).all())
        nav.undo()
    assert slope([0.08, 0.04, 0.02], errors) > 2.5


# --- invariances


@few
@given(seed=seeds)
def test_permuted_and_rescaled_tasks_walk_the_same_way(seed):
    losses, pareto = quadratics(3, 10, condition=20, seed=seed)
    start = pareto(torch.tensor([0.4, 0.3, 0.3]))
    order, units = [2, 0, 1], torch.tensor([3.0, 0.1, 20.0], dtype=torch.float64)
    nav = navigator(losses, start, tasks=["a", "b", "c"])
    other = navigator(
        lambda x: (units * losses(x))[order], start, tasks=["c", "a", "b"], settings=EXACT
    )
    size = 0.05 * float(nav.point.losses.min())
    for k, asked in enumerate(({"b": size}, {"b": size / 2, "c": size})):
        nav.step(nav.preview(improve="a", give_up=asked))
        scaled = {name: units["abc".index(name)].item() * x for name, x in asked.items()}
        other.step(other.preview(improve="a", give_up=scaled))
        torch.testing.assert_close(nav.model.x, other.model.x, rtol=1e-6, atol=1e-8)
        assert k == nav.point.id - 1


@few
@given(seed=seeds)
def test_a_preference_in_the_units_of_the_losses_leads_to_the_same_point(seed):
    """r_k / c_k with c_k L_k asks for the same trade-off: the ray 1/r moves with the losses."""
    losses, pareto = quadratics(3, 10, condition=20, seed=seed)
    start = pareto(torch.tensor([0.4, 0.3, 0.3]))
    units = torch.tensor([3.0, 0.1, 20.0], dtype=torch.float64)
    wanted = losses(pareto(torch.tensor([0.3, 0.4, 0.3])))
    r = preference_of_ray(wanted)
    nav = navigator(losses, start)
    other = navigator(lambda x: units * losses(x), start)
    rescaled = r / units
    for _ in range(2):
        nav.step(nav.preview(toward=ray_of_preference(r)))
        other.step(other.preview(toward=ray_of_preference(rescaled / rescaled.sum())))
        torch.testing.assert_close(nav.model.x, other.model.x, rtol=1e-6, atol=1e-8)
    assert ray_error(nav.point.losses, r) < ray_error(losses(start), r)


# --- wishes


def trio():
    return navigator(simplex, [0.4, 0.3, 0.3], tasks=["a", "b", "c"])


def test_caps_hold_and_what_is_not_named_is_protected():
    nav = trio()
    preview = nav.preview(improve="c", give_up={"a": 0.02})
    alpha = nav.point.alpha
    assert preview.share == 1
    assert preview.wish == {"improve": "c", "give_up": {"a": 0.02}, "protect": ["b"]}
    first = -float(alpha[0] / alpha[2]) * 0.02  # αᵀ d = 0
    assert float(preview.change[2]) == pytest.approx(first, rel=0.1)
    point = nav.step(preview)
    assert float(point.realised[0]) == pytest.approx(0.02, abs=1e-8)
    assert abs(float(point.realised[1])) < 1e-8
    assert float(point.realised[2]) == pytest.approx(float(preview.change[2]), rel=0.02)
    # With b free to float the move is larger.
    nav.undo()
    free = nav.preview(improve="c", give_up={"a": 0.02}, protect=[])
    assert float(free.change[2]) < float(preview.change[2])


def test_amounts_are_reached_at_the_least_price_or_as_far_as_caps_allow():
    nav = trio()
    preview = nav.preview(improve={"a": 0.03})
    assert preview.share == 1
    assert float(nav.step(preview).realised[0]) == pytest.approx(-0.03, abs=1e-8)
    nav.undo()
    preview = nav.preview(improve={"a": 0.03}, give_up={"b": 0.01}, protect=["c"])
    allowed = float(nav.point.alpha[1] / nav.point.alpha[0]) * 0.01
    assert preview.share == pytest.approx(allowed / 0.03)
    assert any("caps allow 25% of the wish" in m for m in preview.messages)
    both = nav.preview(improve={"a": 0.01, "b": 0.01})
    assert both.change[:2].tolist() == pytest.approx([-0.01, -0.01], rel=0.1)


def test_nothing_is_free_on_a_front():
    nav = trio()
    preview = nav.preview(improve="a")
    assert (preview.share, preview.feasible) == (0, False)
    assert "improves only where more is given up" in preview.messages[0]
    with pytest.raises(NavigationError, match="only where more is given up"):
        nav.step(preview)
    # Along the normal, in units of the losses at the start.
    preview = nav.preview(direction=-nav.point.alpha * nav.point.losses**2)
    assert preview.share == pytest.approx(0, abs=1e-6)


def test_exact_changes_move_the_rest_along_the_front():
    nav = trio()
    preview = nav.preview(change={"a": -0.02, "b": 0.0})
    assert preview.share == pytest.approx(1)
    assert preview.change[:2].tolist() == pytest.approx([-0.02, 0], abs=1e-9)
    assert nav.step(preview).realised[:2].tolist() == pytest.approx([-0.02, 0], abs=1e-8)
    nav.undo()
    preview = nav.preview(change={"a": -0.02, "b": -0.02, "c": -0.02})
    assert preview.share < 1
    assert "no move along the front has all these changes" in preview.messages


def test_a_direction_is_projected_onto_the_front():
    nav = trio()
    preview = nav.preview(direction=[-0.03, 0.02, 0.02])
    assert 0 < preview.share <= 1
    assert float(preview.change @ nav.point.alpha) == pytest.approx(0, abs=1e-3)
    point = nav.step(preview)
    torch.testing.assert_close(point.realised, preview.change, rtol=0.02, atol=1e-5)


def test_large_wishes_are_taken_in_steps():
    nav = navigator(spheres, [0.5], settings=Settings(largest_step=0.1))
    preview = nav.preview(improve="task 0", give_up={"task 1": 1.0})
    assert float(preview.change.abs().max()) <= 0.1 * 0.125 * 1.1
    assert "limited to the largest step" in preview.messages


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({}, "exactly one of"),
        ({"improve": "a", "direction": [1, 0, 0]}, "got improve, direction"),
        ({"change": {"a": 0.1}, "protect": ["b"]}, "go with `improve`"),
        ({"improve": "aa"}, r"`improve` must be one of .*did you mean 'a'"),
        ({"improve": "a", "give_up": {"x": 0.1}}, r"`give_up` must be one of"),
        ({"improve": "a", "give_up": {"b": -0.1}}, r"`give_up` must be at least 0, got -0.1"),
        ({"improve": {"a": 0.0}}, r"`improve` must be positive, got 0.0 for 'a'"),
        ({"improve": {}}, "`improve` must name a task or metric"),
        ({"improve": "a", "give_up": {"a": 0.1}}, "'a' cannot be improved and given up"),
        ({"improve": "a", "give_up": {"b": 0.1}, "protect": ["b"]}, "'b' cannot be given up and"),
        ({"change": {"a": math.nan}}, "`change` must be finite, got nan"),
        ({"change": {}}, "`change` must name a task or metric"),
        ({"change": {"a": 0.0}}, "`change` must hold a number other than 0"),
        (
            {"direction": [1.0, 2.0]},
            "`direction` must have one entry per task: got 2 entries for 3",
        ),
        ({"direction": [0.0, 0.0, 0.0]}, "`direction` must not be zero"),
        ({"toward": [1.0, 0.0, 1.0]}, "`toward` must be positive"),
        ({"toward": [1.0, math.inf, 1.0]}, "`toward`: the entry of task 1 must be finite"),
    ],
)
def test_wishes_that_make_no_sense(wish, message):
    with pytest.raises(ValueError, match=message):
        trio().preview(**wish)


def test_wishes_of_wrong_types():
    with pytest.raises(TypeError, match=r"`give_up` must have numbers, got '0.1' for 'b'"):
        trio().preview(improve="a", give_up={"b": "0.1"})
    with pytest.raises(TypeError, match=r"`protect` must be a sequence of names"):
        trio().preview(improve="a", protect="b")


# --- the tree


def trained_net(seed=0):
    """A small float32 network, two losses, close to the front."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(128, 4, generator=generator)
    y = x @ torch.randn(4, 2, generator=generator) + torch.randn(128, 2, generator=generator)
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.3 * torch.randn(p.shape, generator=generator))

    def samples(model, _):
        return ((model(x) - y) ** 2).T + 0.01 * sum((p**2).sum() for p in model.parameters())

    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=300, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = samples(model, None).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return model, samples


def test_undo_goto_and_branch_come_back_to_the_bit():
    model, samples = trained_net()
    nav = ParetoNavigator(model, samples, tasks=["left", "right"])
    assert nav.start().message == ""  # close enough
    first = {n: p.clone() for n, p in model.named_parameters()}
    nav.branch("home")
    second = nav.step(nav.preview(improve="left", give_up={"right": 0.05}))
    there = nav.parameters()
    assert any(not torch.equal(p, first[n]) for n, p in model.named_parameters())
    assert nav.undo().name == "home"
    assert all(torch.equal(p, first[n]) for n, p in model.named_parameters())
    third = nav.step(nav.preview(improve="right", give_up={"left": 0.05}))
    assert (second.parent, third.parent) == (0, 0)
    nav.goto(second)
    assert all(torch.equal(p, there[n]) for n, p in model.named_parameters())
    assert nav.goto("home").id == nav.goto(0).id == 0
    assert [p.id for p in nav.points] == [0, 1, 2]
    with pytest.raises(NavigationError, match="nothing to undo"):
        nav.undo()
    with pytest.raises(ValueError, match=r"`point` must be one of \['home', 1, 2\], got 9"):
        nav.goto(9)
    stale = nav.preview(improve="left", give_up={"right": 0.05})
    nav.goto(1)
    with pytest.raises(NavigationError, match="made at point 0, the current one is 1"):
        nav.step(stale)
    with pytest.raises(ValueError, match="`name` must be new, got 'home'"):
        nav.branch("home")


def test_a_network_in_float32_keeps_its_word():
    model, samples = trained_net(1)
    nav = ParetoNavigator(model, samples, tasks=["left", "right"])
    start = nav.start()
    for _ in range(4):
        preview = nav.preview(improve="left", give_up={"right": 0.05})
        point = nav.step(preview)
        assert 0.045 <= float(point.realised[1]) <= 0.05
        assert float(point.realised[0]) == pytest.approx(float(preview.change[0]), rel=0.1)
        assert point.kkt < 10 * max(start.kkt, Settings().tolerance)
        assert point.cost.equivalents < 200


def test_a_failed_step_leaves_the_model_as_it_was():
    class Failing(Place):
        fail = False

    model = Failing([0.5])

    def losses(m, _):
        if m.fail:
            return m.x.new_tensor([math.nan, 1.0]) * m.x.sum()
        return spheres(m.x)

    nav = ParetoNavigator(model, losses, settings=EXACT)
    nav.start()
    preview = nav.preview(improve="task 0", give_up={"task 1": 0.01})
    model.fail = True
    with pytest.raises(ValueError, match="task 0 must be finite"):
        nav.step(preview)
    assert model.x.item() == 0.5
    model.fail = False
    nav.step(preview)


def test_records_are_plain_json():
    nav = trio()
    preview = nav.preview(improve="a", give_up={"b": 0.01})
    local = nav.local()
    point = nav.step(preview)
    for record in (preview, local, point):
        json.dumps(record.as_dict(), allow_nan=False)
    assert point.as_dict()["losses"].keys() == {"a", "b", "c"}
    assert local.as_dict()["exchange"]["a"]["b"] == pytest.approx(-3 / 4)
    assert point.as_dict()["cost"]["equivalents"] == point.cost.equivalents
    assert point.cost == Cost(
        **{k: v for k, v in point.as_dict()["cost"].items() if k != "equivalents"}
    )


def test_before_the_start_there_is_nothing():
    nav = ParetoNavigator(Place([0.5]), lambda m, _: spheres(m.x))
    with pytest.raises(RuntimeError, match="`start` must be called first"):
        nav.local()
    with pytest.raises(RuntimeError, match="`start` must be called first"):
        _ = nav.point


# --- far from the front, and models


def test_start_corrects_first_where_the_residual_is_large():
    nav = navigator(simplex, [1.0, -0.5, 0.2], settings=Settings(tolerance=1e-6))
    assert "corrected first: the KKT residual went from" in nav.point.message
    assert nav.point.kkt <= Settings().correct_above
    still = navigator(simplex, [1.0, -0.5, 0.2], settings=Settings(start_corrections=0))
    assert still.model.x.tolist() == [1.0, -0.5, 0.2]


def test_start_leaves_the_model_where_it_is_if_asked_to():
    nav = navigator(simplex, [1.0, -0.5, 0.2], settings=Settings())
    nav.model.x.data.copy_(torch.tensor([1.0, -0.5, 0.2], dtype=torch.float64))
    point = nav.start(correct=False)
    assert nav.model.x.tolist() == [1.0, -0.5, 0.2]
    assert point.kkt > Settings().correct_above
    assert "all losses could fall together" in point.message
    wish = nav.preview(improve="task 0", give_up={"task 1": 0.01}, protect=[])
    assert nav.step(wish).realised[0] < 0


def test_first_order_steps_need_no_second_derivative():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x**2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, grad):
            return 2 * grad * ctx.saved_tensors[0]

    def losses(x):
        return Square.apply(x - torch.eye(3).double()).sum(dim=1).log1p()

    with pytest.raises(RuntimeError, match=r"differentiable twice.*second_order=False"):
        navigator(losses, [0.5, 0.3, 0.2]).local()
    nav = navigator(losses, [0.5, 0.3, 0.2], settings=Settings(second_order=False))
    point = nav.step(nav.preview(improve="task 0", give_up={"task 1": 0.01}))
    assert point.realised[1].item() == pytest.approx(0.01, rel=0.03)
    assert point.realised[0].item() < 0
    assert point.cost.products == 0


def test_dropout_is_off_modes_are_kept_and_frozen_parameters_stay():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 2)
    )
    x, y = torch.randn(32, 3), torch.randn(32, 2)
    model[0].weight.requires_grad_(False)
    frozen, statistics = model[0].weight.clone(), model[1].running_mean.clone()
    model.train()
    nav = ParetoNavigator(model, lambda m, _: ((m(x) - y) ** 2).mean(dim=0))
    nav.start()
    nav.step(nav.preview(improve="task 0", give_up={"task 1": 0.01}))
    assert model.training
    assert torch.equal(model[0].weight, frozen)
    assert torch.equal(model[1].running_mean, statistics)
    assert "0.weight" not in nav.parameters()


def test_a_buffer_that_changes_is_refused():
    class Counting(Place):
        def __init__(self, x):
            super().__init__(x)
            self.register_buffer("calls", torch.zeros(()))

    def losses(model, _):
        model.calls += 1
        return spheres(model.x)

    nav = ParetoNavigator(Counting([0.5]), losses)
    with pytest.raises(RuntimeError, match="changes its buffer `calls`"):
        nav.start()


def test_models_and_losses_that_cannot_be_navigated():
    with pytest.raises(TypeError, match="`model` must be a Module, got int"):
        ParetoNavigator(3, lambda m, _: torch.zeros(2))
    with pytest.raises(TypeError, match="`losses` must be a function, got Tensor"):
        ParetoNavigator(Place([1.0]), torch.zeros(2))
    with pytest.raises(ValueError, match="`model` must have a parameter"):
        ParetoNavigator(nn.ReLU(), lambda m, _: torch.zeros(2))
    with pytest.raises(ValueError, match=r"`losses` must give a tensor .*, got \(\)"):
        ParetoNavigator(Place([1.0]), lambda m, _: m.x.sum()).start()
    with pytest.raises(ValueError, match="`losses`: the loss of task 1 must be finite"):
        ParetoNavigator(Place([1.0]), lambda m, _: torch.stack([m.x[0], m.x[0] / 0])).start()
    with pytest.raises(ValueError, match="`tasks` must have one entry per task"):
        ParetoNavigator(Place([1.0]), lambda m, _: spheres(m.x), tasks=["one"]).start()
    with pytest.raises(ValueError, match="different names, got 'a' twice"):
        ParetoNavigator(Place([1.0]), lambda m, _: spheres(m.x), tasks=["a", "a"])
    # Parallel gradients: no direction to go.
    nav = navigator(lambda x: torch.stack([x[0] ** 2, 2 * x[0] ** 2]) + 1, [0.0])
    preview = nav.preview(direction=[1.0, -1.0])
    assert preview.messages == (
        "the gradients of all losses are parallel: there is no direction to go",
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"iterations": 0}, "`iterations` must be at least 1"),
        ({"tolerance": 0.0}, "`tolerance` must be positive"),
        ({"damping": -1.0}, "`damping` must be at least 0"),
        ({"largest_step": math.nan}, "`largest_step` must be positive"),
    ],
)
def test_settings_refuse(setting, message):
    with pytest.raises(ValueError, match=message):
        Settings(**setting)


def test_metrics_refuse():
    def measure(model, _):
        return torch.stack([model.x[0], model.x[0]])

    with pytest.raises(ValueError, match="`names` must have one entry per task: got 1"):
        navigator(spheres, [0.5], metrics=Metrics(measure, ["one"]))
    with pytest.raises(ValueError, match=r"`higher_is_better`.*3 entries for 2 metrics"):
        navigator(spheres, [0.5], metrics=Metrics(measure, ["m", "n"], None, [True] * 3))


def test_curvature_that_is_not_finite_is_refused_in_words():
    # |x|^1.5 has an infinite second derivative at 0.
    def losses(x):
        return torch.stack([(x[0] - 1) ** 2 + x[1].abs() ** 1.5, (x[0] + 1) ** 2 + x[1] ** 2])

    nav = navigator(losses, [0.0, 0.0], settings=Settings(start_corrections=0))
    with pytest.raises(NavigationError, match="curvature of the losses is not finite"):
        nav.local()


def test_negative_curvature_across_does_not_break_a_tangent():
    # A saddle across the front: stationary, not optimal.
    def losses(x):
        return torch.stack([(x[0] - 1) ** 2, (x[0] + 1) ** 2]) + x[0] * x[1] - x[1] ** 2 + 5

    nav = navigator(losses, [0.0, 0.0], settings=Settings(start_corrections=0))
    preview = nav.preview(change={"task 0": -0.05})
    assert bool(torch.isfinite(preview.change).all())
    assert math.isfinite(float(nav.step(preview).losses.sum()))


def test_navigators_in_threads_do_not_disturb_one_another():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    torch.manual_seed(0)
    x, y = torch.randn(4, 5, 8), torch.randn(2, 4, 5, 8)

    def losses(model, _):
        return ((model(x, x, x, need_weights=False)[0] - y) ** 2).flatten(1).mean(dim=1)

    def walk(_):
        nav = ParetoNavigator(copy.deepcopy(attention), losses, settings=Settings(iterations=5))
        nav.start()
        nav.local()
        return nav.point.losses

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(walk, range(6)))
    assert all(torch.equal(one, found[0]) for one in found)
    assert torch.backends.cuda.flash_sdp_enabled()


# --- solves


@few
@given(seed=seeds, K=st.integers(2, 4))
def test_caps_are_used_up_at_the_exchange_rates(seed, K):
    losses, pareto = quadratics(K, 12, condition=20, seed=seed)
    nav = navigator(losses, pareto(torch.full((K,), 1 / K)))
    draw = torch.rand(K, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    caps = {f"task {k}": 1e-4 * float(draw[k]) for k in range(1, K)}
    preview = nav.preview(improve="task 0", give_up=caps)
    rates = nav.local().exchange[0, 1:]
    gained = float(rates @ torch.tensor(list(caps.values()), dtype=torch.float64))
    assert preview.share == 1
    assert float(preview.change[0]) == pytest.approx(gained, rel=1e-2)
    assert preview.change[1:].tolist() == pytest.approx(list(caps.values()), rel=1e-6)


@few
@given(seed=seeds, K=st.integers(2, 3))
def test_tangents_do_not_depend_on_where_their_solve_starts(seed, K):
    losses, pareto = quadratics(K, 15, condition=20, seed=seed)
    nav = navigator(losses, pareto(torch.full((K,), 1 / K)))
    size = 0.05 * float(nav.point.losses.min())
    nav.step(nav.preview(change={"task 0": -size}))
    warm = nav._model().front
    cold = navigator(losses, nav.model.x.detach())._model().front
    # Up to signs of the columns of Q, and to the damping of nothing.
    torch.testing.assert_close(warm.V @ warm.V.T, cold.V @ cold.V.T, rtol=1e-4, atol=1e-6)


@few
@given(seed=seeds)
def test_conjugate_gradients_solve_within_the_null_space_and_the_radius(seed):
    generator = torch.Generator().manual_seed(seed)
    A = torch.randn(9, 9, generator=generator, dtype=torch.float64)
    H = A @ A.T + 0.1 * torch.eye(9, dtype=torch.float64)
    Q = torch.linalg.qr(torch.randn(9, 2, generator=generator, dtype=torch.float64))[0]
    b = torch.randn(9, generator=generator, dtype=torch.float64)
    P = torch.eye(9, dtype=torch.float64) - Q @ Q.T
    exact = torch.linalg.pinv(P @ H @ P, rtol=1e-10) @ P @ b
    options = Settings(damping=0.0, iterations=100, residual=1e-12)
    found = solve_across(lambda v: H @ v, b, Q, options)
    assert found.end == "solved"
    torch.testing.assert_close(found.w, exact, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(found.Hw, H @ found.w)
    short = solve_across(lambda v: H @ v, b, Q, options, radius=0.5 * float(exact.norm()))
    assert short.end == "radius"
    assert float(short.w.norm()) == pytest.approx(0.5 * float(exact.norm()))
    torch.testing.assert_close(short.Hw, H @ short.w)
    down = solve_across(lambda v: -H @ v, b, Q, options, radius=3.0)
    assert down.end == "negative curvature"
    assert float(down.w.norm()) == pytest.approx(3)
    enough = solve_across(lambda v: H @ v, b, Q, options, enough=2 * float((P @ b).norm()))
    assert not bool(enough.w.any())


def test_the_first_order_step_is_taken_where_a_tangent_leads_away():
    losses, pareto = quadratics(2, 12, condition=5, seed=3)
    nav = navigator(losses, pareto(torch.tensor([0.5, 0.5])), settings=Settings(tolerance=1e-6))
    preview = nav.preview(change={"task 0": -0.05 * float(nav.point.losses[0])})
    model = nav._model()
    noise = torch.randn(12, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise = noise - model.place.at.Q @ (model.place.at.Q.T @ noise)  # across the front
    worse = model.front.V + 3 * noise / noise.norm() * model.front.V.norm()
    nav._iterate._model = dataclasses.replace(
        model, front=dataclasses.replace(model.front, V=worse)
    )
    point = nav.step(preview)
    assert "the first-order step ended nearer the front" in point.message
    assert float(point.realised[0]) == pytest.approx(float(preview.change[0]), rel=0.03)


def test_curvature_may_come_from_a_sample_of_its_own():
    model, _ = trained_net(2)
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(128, 4, generator=generator)
    y = x @ torch.randn(4, 2, generator=generator) + torch.randn(128, 2, generator=generator)
    seen = []

    def losses(model, rows):
        seen.append(rows)
        decay = 0.01 * sum((p**2).sum() for p in model.parameters())
        return ((model(x[:rows]) - y[:rows]) ** 2).T + decay

    nav = ParetoNavigator(model, losses, 128, curvature_data=100)
    nav.start()
    preview = nav.preview(improve="task 0", give_up={"task 1": 0.05})
    point = nav.step(preview)
    assert {100, 128} == set(seen)
    assert 0.045 <= float(point.realised[1]) <= 0.05
    assert float(point.realised[0]) == pytest.approx(float(preview.change[0]), rel=0.15)


def test_a_start_that_fails_leaves_the_walk_and_the_model_as_they_were():
    failing = []

    def losses(model, _):
        return spheres(model.x) / (0 if failing else 1)

    nav = ParetoNavigator(Place([0.5]), losses, settings=EXACT)
    nav.start()
    nav.step(nav.preview(improve="task 0", give_up={"task 1": 0.01}))
    preview, x = nav.preview(change={"task 0": -0.01}), nav.model.x.item()
    failing.append(True)
    with pytest.raises(ValueError, match="task 0 must be finite"):
        nav.start()
    failing.clear()
    assert nav.model.x.item() == x
    assert len(nav.points) == 2
    assert float(nav.step(preview).realised[0]) == pytest.approx(-0.01, abs=1e-8)
