"""Hooks after accumulation are called as by `loss.backward()`: once, when `.grad` is whole."""

import pytest
import torch
from torch import nn

from mtl_optim import (
    MGDA,
    JacobianAggregator,
    LinearScalarization,
    MoCo,
    NashMTL,
    SDMGrad,
    UPGrad,
    backward,
)


class Mean(JacobianAggregator):
    def forward(self, jacobian):
        return jacobian.mean(dim=0)


def same(tensor):
    """Average over one process."""


ROUTES = {
    "losses": (lambda: LinearScalarization([0.2, 0.8]), None, {}),
    "losses, processes": (lambda: LinearScalarization([0.2, 0.8]), None, {"reduce": same}),
    "exact": (UPGrad, "shared", {}),
    "exact, processes": (MGDA, "shared", {"reduce": same}),
    "budget": (MGDA, "shared", {"memory_budget": 1}),
    "two batches": (SDMGrad, "shared", {}),
    "features": (UPGrad, "features", {}),
    "features, processes": (MGDA, "features", {"reduce": same}),
    "held": (lambda: NashMTL(update_every=2), "shared", {}),
    "held at features": (lambda: NashMTL(update_every=2), "features", {}),
    "aggregator": (Mean, "shared", {}),
    "aggregator at features": (Mean, "features", {}),
    "tracked": (MoCo, "shared", {}),
}


class Model(nn.Module):
    """A sparse embedding and a layer in the trunk, two heads; the second uses the layer again."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(6, 3, sparse=True, dtype=torch.float64)
        self.layer = nn.Linear(3, 3, dtype=torch.float64)
        self.head = nn.Linear(3, 2, dtype=torch.float64)
        self.idle = nn.Linear(3, 2, dtype=torch.float64)

    def forward(self, shift):
        features = torch.tanh(self.layer(self.words(torch.tensor([1, 2, 2]) + shift)))
        one = (self.head(features) ** 2).mean()
        return features, [one, (self.layer(features) - 1).square().mean()]


def step(model, method, route, shift=0):
    make, where, options = ROUTES[route]
    options = dict(options)
    features, losses = model(shift)
    if where == "features":
        options["features"] = features
    if where == "shared":
        options["shared"] = [*model.words.parameters(), *model.layer.parameters()]
    if make is SDMGrad:
        options["second_batch"] = model(2)[1]
    return backward(losses, method, **options)


@pytest.mark.parametrize("route", ROUTES)
def test_each_hook_is_called_once_with_the_whole_gradient(route):
    plain, hooked = Model(), Model()
    seen = {}

    def hook(name):
        def call(parameter):
            assert not torch.is_grad_enabled()
            seen.setdefault(name, []).append(parameter.grad.to_dense().clone())

        return call

    for name, parameter in hooked.named_parameters():
        parameter.register_post_accumulate_grad_hook(hook(name))
    methods = ROUTES[route][0](), ROUTES[route][0]()
    for shift in (0, 1):  # of which the second adds to the first
        step(plain, methods[0], route, shift)
        step(hooked, methods[1], route, shift)
        for name, parameter in plain.named_parameters():
            if name.startswith("idle"):
                assert name not in seen
                continue
            assert len(seen[name]) == shift + 1
            torch.testing.assert_close(seen[name][shift], parameter.grad.to_dense())


@pytest.mark.parametrize("route", ROUTES)
def test_an_optimizer_in_the_backward_takes_the_steps_of_one_after_it(route):
    """As in PyTorch's tutorial: each hook steps and clears, so that no gradients stay."""
    apart, within = Model(), Model()
    after = torch.optim.SGD(apart.parameters(), lr=0.1)
    steps = {p: torch.optim.SGD([p], lr=0.1) for p in within.parameters()}

    def step_and_clear(parameter):
        steps[parameter].step()
        steps[parameter].zero_grad()

    for parameter in within.parameters():
        parameter.register_post_accumulate_grad_hook(step_and_clear)
    methods = ROUTES[route][0](), ROUTES[route][0]()
    for shift in (0, 1, 2):
        after.zero_grad()
        step(apart, methods[0], route, shift)
        after.step()
        step(within, methods[1], route, shift)
    for p, q in zip(apart.parameters(), within.parameters(), strict=True):
        torch.testing.assert_close(p, q)
        assert q.grad is None


@pytest.mark.parametrize("route", ["exact", "budget", "features", "held", "aggregator"])
def test_a_hook_on_a_gradient_changes_it_once(route):
    """`register_hook` sees each task's gradient, and the method combines what comes of it."""
    found = []
    for factor in (1.0, 3.0):
        model = Model()
        method = Mean() if route.startswith("aggregator") else LinearLike()
        for parameter in model.parameters():
            parameter.register_hook(lambda gradient, factor=factor: gradient * factor)
        _, where, options = ROUTES[route]
        features, losses = model(0)
        given = {"features": features} if where == "features" else {"shared": model.layer.weight}
        backward(losses, method, **given, **options)
        found.append([p.grad.to_dense() for p in model.parameters() if p.grad is not None])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(3 * one, other)


class LinearLike(UPGrad):
    """Even weights, from a method that looks at gradients."""

    def forward(self, gramian, losses):
        return torch.ones_like(gramian[0])


@pytest.mark.parametrize("route", ROUTES)
def test_no_hook_is_called_when_an_error_is_raised(route):
    model, called = Model(), []
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(called.append)
    make, where, options = ROUTES[route]
    features, losses = model(0)
    losses[1] = losses[1] * torch.nan
    given = {}
    if where is not None:
        given[where] = features if where == "features" else model.layer.weight
    if make is SDMGrad:
        given["second_batch"] = model(2)[1]
    with pytest.raises(ValueError, match="task 1"):
        backward(losses, make(), **given, **options)
    assert called == []
    assert all(p.grad is None for p in model.parameters())
