"""Tasks that are not in a batch: the others are treated as the method would treat them alone."""

import copy
from functools import partial

import pytest
import torch
from torch import nn

from mtl_optim import (
    EPO,
    FAMO,
    MGDA,
    PBI,
    Constant,
    DynamicWeightAverage,
    EpsilonConstraint,
    ExcessMTL,
    GradDrop,
    GradNorm,
    GradVac,
    LearningRateAnnealing,
    LinearScalarization,
    MoCo,
    SDMGrad,
    SecondLook,
    SmoothChebyshev,
    UncertaintyWeighting,
    UpdateEvery,
    WeightedChebyshev,
    Weighting,
    backward,
)

from .test_contract import CASES  # every method, and how it is made for K tasks

METHODS = {name: case.make for name, case in CASES.items()}
METHODS |= {
    "Constant": lambda K: Constant([1.0, 3.0] if K == 2 else [1.0, 2.0, 3.0]),
    "ExcessMTL": lambda K: ExcessMTL(),
    "LearningRateAnnealing": lambda K: LearningRateAnnealing(main=K - 1),
    "GradDrop": lambda K: GradDrop([0.1, 0.3] if K == 2 else [0.1, 0.2, 0.3]),
    "SDMGrad(one batch)": lambda K: SDMGrad(one_batch=True),
}
every_method = pytest.mark.parametrize("name", METHODS)


class Net(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh()).double()
            self.heads = nn.ModuleList(nn.Linear(6, 1).double() for _ in range(3))

    def losses(self, batch, tasks=(0, 1, 2)):
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(batch), dtype=torch.float64)
        h = self.trunk(x)
        return [0.5 + (self.heads[k](h)[:, 0] - x[:, k]).square().mean() for k in tasks]


def train(method, batches, present=None, route="shared"):
    """Train the net; `present[t]` are the tasks of batch t, of three; None: two tasks in all."""
    net = Net()
    parameters = [*net.parameters(), *method.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.05)
    steps = []

    def losses(batch, t):
        if present is None:
            return net.losses(batch, (0, 2))
        given = net.losses(batch)
        return [loss if k in present[t] else None for k, loss in enumerate(given)]

    for t in range(batches):
        optimizer.zero_grad()
        options = {"shared": net.trunk.parameters()}
        if route == "measure" and not (isinstance(method, GradDrop) or method.tracks):
            options = {"measure": net.trunk.parameters()}
        if isinstance(method, Weighting) and method.wants_second_batch:
            options["second_batch"] = losses(100 + t, t)
        steps.append(backward(losses(t, t), method, **options))
        optimizer.step()
        for part in method.modules():
            if isinstance(part, SecondLook):
                part.look_again(losses(t, t))
            if hasattr(part, "end_epoch") and t % 2:
                part.end_epoch()
    return net, steps


@every_method
@pytest.mark.parametrize("route", ["shared", "measure"])
def test_a_task_that_is_always_absent_is_no_task(name, route):
    alone, among = METHODS[name](2), METHODS[name](3)
    expected, one = train(alone, 5, route=route)
    found, other = train(among, 5, [(0, 2)] * 5, route=route)
    for p, q in zip(expected.parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(q, p, rtol=1e-9, atol=1e-12)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(b.losses[[0, 2]], a.losses)
        assert b.losses[1].isnan()
        if a.weights is not None:
            torch.testing.assert_close(b.weights[[0, 2]], a.weights)
            assert b.weights[1] == 0
        if a.gramian is not None:
            torch.testing.assert_close(b.gramian[[0, 2]][:, [0, 2]], a.gramian)
            assert b.gramian[1].isnan().all()


@every_method
def test_coming_and_going_keeps_the_training_whole(name):
    present = [(0, 1, 2), (0, 2), (1,), (0, 1, 2), (1, 2), (0, 1), (0, 1, 2), (0, 1, 2)]
    method = METHODS[name](3)
    net, steps = train(method, len(present), present)
    assert all(p.isfinite().all() for p in net.parameters())
    for step, there in zip(steps, present, strict=True):
        if step.weights is not None:
            assert step.weights.isfinite().all()
            assert (step.weights[[k for k in range(3) if k not in there]] == 0).all()
    again = METHODS[name](3)
    train(again, 3, [(0, 2), (1, 2), (0, 1)])
    resumed = METHODS[name](3)
    resumed.load_state_dict(copy.deepcopy(again.state_dict()))
    assert str(resumed.state_dict()) == str(again.state_dict())


def test_what_a_method_keeps_of_absent_tasks_stands_still():
    kept = {
        "FAMO": (FAMO(3), ["logits"]),
        "GradNorm": (GradNorm(3), ["logits"]),
        "GradVac": (GradVac(0.5), ["targets"]),
        "SmoothChebyshev": (SmoothChebyshev([0.2, 0.3, 0.5], mu=1.0, average=0.9), ["means"]),
        "UncertaintyWeighting": (UncertaintyWeighting(3), ["log_variances"]),
        "DynamicWeightAverage": (DynamicWeightAverage(), ["epoch_sum"]),
        "MoCo": (MoCo(), ["averages.1.0"]),
        "EpsilonConstraint": (EpsilonConstraint(bounds={1: 0.1, 2: 0.1}), ["multipliers"]),
    }
    for name, (method, entries) in kept.items():
        train(method, 3, [(0, 1, 2)] * 3)
        before = copy.deepcopy(method.state_dict())
        train(method, 1, [(0, 2)])
        after = method.state_dict()
        for entry in entries:
            place = 0 if name == "EpsilonConstraint" else slice(None) if "." in entry else 1
            assert torch.equal(after[entry][place], before[entry][place]), (name, entry)
            if "." not in entry:
                assert not torch.equal(after[entry], before[entry]), (name, entry)


@pytest.mark.parametrize(
    ("method", "weights"),
    [
        (LinearScalarization([0.2, 0.5, 0.3]), [0.4, 0.0, 0.6]),
        (WeightedChebyshev([0.2, 0.5, 0.3]), [0.0, 0.0, 0.6]),
        (PBI([0.2, 0.5, 0.3], theta=0.0), [0.6 / 0.52**0.5, 0.0, 0.4 / 0.52**0.5]),
        (Constant([2.0, 5.0, 3.0]), [2.0, 0.0, 3.0]),
        (EpsilonConstraint(main=1, bounds={2: 0.5}), [0.0, 0.0, 0.1 * 0.5]),
    ],
)
def test_a_preference_is_renormalised_over_the_tasks_present(method, weights):
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    step = backward([x[0], None, x[2]], method)
    torch.testing.assert_close(step.weights, torch.tensor(weights, dtype=torch.float64))
    assert x.grad.tolist() == pytest.approx(weights)


@pytest.mark.parametrize("route", ["shared", "features", "budget"])
@pytest.mark.parametrize("make", [MGDA, partial(EPO, [0.2, 0.5, 0.3]), GradDrop])
def test_every_route_leaves_the_absent_out(make, route):
    gradients = []
    for losses_of in (lambda net: net.losses(0, (0, 2)), None):
        net, method = Net(), make()
        if losses_of is not None and isinstance(method, EPO):
            method = EPO([0.4, 0.6])
        x = torch.ones(8, 4, dtype=torch.float64)
        h = net.trunk(x)
        losses = [1 + (head(h)[:, 0] - k).square().mean() for k, head in enumerate(net.heads)]
        given = [losses[0], losses[2]] if losses_of is not None else [losses[0], None, losses[2]]
        where = {"features": h} if route == "features" else {"shared": net.trunk.parameters()}
        if route == "budget":
            where["memory_budget"] = 1
        backward(given, method, **where)
        gradients.append([p.grad for p in net.parameters()])
    torch.testing.assert_close(*gradients)
    assert gradients[1][4] is None  # the head of the absent task: not even zeros


def test_a_zero_loss_in_its_place_would_freeze_the_trunk():
    net = Net()
    losses = net.losses(0)
    backward([losses[0], 0 * losses[1], losses[2]], MGDA(), shared=net.trunk.parameters())
    assert float(net.trunk[0].weight.grad.abs().max()) == 0.0
    backward(
        [*net.losses(0, (0,)), None, *net.losses(0, (2,))], MGDA(), shared=net.trunk.parameters()
    )
    assert float(net.trunk[0].weight.grad.abs().max()) > 0.0


def test_weights_held_for_other_tasks_are_found_again():
    method, net = UpdateEvery(MGDA(), steps=10), Net()
    sets = [(0, 1, 2), (0, 1, 2), (0, 2), (0, 2), (0, 1, 2)]
    looked = []
    for there in sets:
        losses = [loss if k in there else None for k, loss in enumerate(net.losses(0))]
        looked.append(backward(losses, method, shared=net.trunk.parameters()).gramian is not None)
    assert looked == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("losses", "method", "message"),
    [
        (lambda x: [None, None], MGDA(), "`losses` must hold at least one task, got None alone"),
        (
            lambda x: [x[0], None, x[2]],
            LinearScalarization([0.0, 1.0, 0.0]),
            "`preference` must be",
        ),
        (
            lambda x: [x[0], None],
            LinearScalarization([0.2, 0.3, 0.5]),
            "`preference` must have one",
        ),
        (lambda x: [x[0], None, 1j * x[2]], MGDA(), r"`losses\[2\]` must be real"),
        (lambda x: [x[0], None, x[2] / 0], MGDA(), "must be finite"),
    ],
)
def test_mistakes_are_named_and_change_nothing(losses, method, message):
    x = torch.ones(3, requires_grad=True)
    before = copy.deepcopy(method.state_dict())
    with pytest.raises((ValueError, TypeError), match=message) as error:
        backward(losses(x), method, shared=[x])
    assert x.grad is None
    assert str(method.state_dict()) == str(before)
    if "finite" in message:
        assert "tasks are counted among those present, [0, 2]" in error.value.__notes__


def test_two_batches_have_the_same_tasks():
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match=r"same tasks as `losses`: got the tasks \[0, 1\] beside"):
        backward([x[0], None], SDMGrad(), shared=[x], second_batch=[x[0], x[1]])


def test_processes_have_the_same_tasks():
    x = torch.ones(3, requires_grad=True)

    def reduce(tensor):  # the other process has all tasks, with losses of 3
        other = torch.ones_like(tensor)
        other[0] = 3
        tensor.add_(other).div_(2)

    with pytest.raises(ValueError, match="same tasks on every process, got task 1 on 50%"):
        backward([x[0], None, x[2]], LinearScalarization([0.2, 0.3, 0.5]), reduce=reduce)
    assert x.grad is None


def test_a_second_look_sees_the_tasks_that_were_present():
    x, method = torch.ones(3, requires_grad=True), FAMO(3)
    backward([x[0], None, 2 * x[2]], method)
    method.look_again([x[0] / 2, None, 2 * x[2]])
    assert method.logits[1] == 0
    assert method.logits[0] < method.logits[2]  # the one that fell
    with pytest.raises(RuntimeError, match="nothing to compare"):
        method.look_again([x[0], None, x[2]])
