"""The feature route where a parameter is reached behind the features and past them as well.

A parameter used twice has the gradient of two parameters that are used once each, added: so the
expected gradients are those of a graph in which each use has a leaf of its own.
"""

import pytest
import torch

from mtl_optim import MGDA, CAGrad, GradDrop, NashMTL, backward

SHAPES = {"first": (4, 5), "second": (5, 5), "head": (5, 3)}


def leaves(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for name, shape in SHAPES.items()
    }


X = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def tied(p, past):
    """The second layer's weights serve in the heads again."""
    features = torch.tanh(torch.tanh(X @ p["first"]) @ p["second"])
    return features, features @ past["second"].T @ p["head"]


def skip(p, past):
    """The heads see the first layer too, which lies behind the features."""
    features = torch.tanh(torch.tanh(X @ p["first"]) @ p["second"])
    return features, (features + torch.tanh(X @ past["first"])) @ p["head"]


def step(graph, p, past, make, **options):
    features, output = graph(p, past)
    losses = (output**2).mean(dim=0) + 0.1
    record = backward(losses, make(), features=features, **options)
    return record, {name: leaf.grad for name, leaf in p.items()}


@pytest.mark.parametrize("make", [MGDA, CAGrad, GradDrop])
@pytest.mark.parametrize("reduce", [None, lambda tensor: tensor])
@pytest.mark.parametrize("graph", [tied, skip])
def test_each_use_of_a_parameter_counts_once(graph, make, reduce):
    p, apart, past = leaves(), leaves(), leaves()
    record, found = step(graph, p, p, make, reduce=reduce)
    expected, once = step(graph, apart, past, make, reduce=reduce)
    if record.weights is not None:
        torch.testing.assert_close(record.weights, expected.weights)
    for name, gradient in found.items():
        other = past[name].grad
        both = once[name] if other is None else once[name] + other
        torch.testing.assert_close(gradient, both)


@pytest.mark.parametrize("graph", [tied, skip])
def test_each_use_counts_once_where_weights_are_held(graph):
    p, method = leaves(), NashMTL(update_every=2)
    step(graph, p, p, lambda: method)
    for leaf in p.values():
        leaf.grad = None
    apart, past, other = leaves(), leaves(), NashMTL(update_every=2)
    other.load_state_dict(method.state_dict())
    record, found = step(graph, p, p, lambda: method)
    assert record.gramian is None
    _, once = step(graph, apart, past, lambda: other)
    for name, gradient in found.items():
        rest = past[name].grad
        torch.testing.assert_close(gradient, once[name] if rest is None else once[name] + rest)


@pytest.mark.parametrize("graph", [tied, skip])
@pytest.mark.parametrize("both", [False, True])
def test_one_task_gets_the_gradient_of_its_loss(graph, both):
    def loss(p):
        features, output = graph(p, p)
        hidden = torch.tanh(X @ p["first"])
        nested = torch.tanh(hidden @ p["second"])
        return hidden, nested, features, (output**2).mean() + (nested * hidden).sum()

    p, plain = leaves(), leaves()
    loss(plain)[-1].backward()
    hidden, nested, features, value = loss(p)
    # Features of which one is computed from another: each is taken with the others held.
    backward([value], MGDA(), features=[features, hidden, nested] if both else features)
    for name, leaf in p.items():
        torch.testing.assert_close(leaf.grad, plain[name].grad)


def test_the_trunk_is_walked_once_where_nothing_goes_past_the_features():
    p, walks = leaves(), []
    hidden = torch.tanh(X @ p["first"])
    hidden.register_hook(lambda gradient: walks.append(1))
    features = torch.tanh(hidden @ p["second"])
    backward(((features @ p["head"]) ** 2).mean(dim=0), MGDA(), features=features)
    assert len(walks) == 1
    assert not features._backward_hooks
