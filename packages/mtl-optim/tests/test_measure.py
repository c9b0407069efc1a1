"""`measure=` looks at the gradients in one place, and the weights go everywhere."""

import pytest
import torch
from torch import nn

from mtl_optim import (
    IMTLG,
    MGDA,
    CAGrad,
    GradDrop,
    GradNorm,
    LinearScalarization,
    MoCo,
    NashMTL,
    PCGrad,
    SDMGrad,
    UpdateEvery,
    backward,
)

from .test_backward import TwoHeads

METHODS = [MGDA, CAGrad, PCGrad, NashMTL, IMTLG]


def gradients_of(losses, parameters, weights):
    """The gradient of Σ w_k L_k by plain autograd."""
    total = sum(w * loss for w, loss in zip(weights.tolist(), losses, strict=True))
    return torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("heads", [None, "weighted"])
def test_weights_of_the_last_layer_reach_every_layer(method, heads):
    model = TwoHeads()
    last, own = list(model.trunk[2].parameters()), list(model.heads.parameters())
    losses = model.losses(model.features())
    J = torch.stack(
        [
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, last, retain_graph=True)])
            for loss in losses
        ]
    )
    trunk, weights = list(model.trunk.parameters()), method().weights(gramian=J @ J.T)
    expected = gradients_of(losses, trunk, weights)
    at_heads = gradients_of(losses, own, weights if heads else torch.ones(3))
    step = backward(losses, method(), measure=last, heads=heads)
    torch.testing.assert_close(step.gramian, J @ J.T)
    torch.testing.assert_close(step.weights, weights)
    torch.testing.assert_close([p.grad for p in trunk], list(expected))
    torch.testing.assert_close([p.grad for p in own], list(at_heads))
    assert model.unused.weight.grad is None


@pytest.mark.parametrize("method", METHODS)
def test_measured_in_all_that_is_shared_it_is_the_exact_route(method):
    found = []
    for place in ("shared", "measure"):
        model = TwoHeads()
        losses = model.losses(model.features())
        step = backward(losses, method(), **{place: model.trunk.parameters()})
        found.append((step.weights, model.gradients()))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("method", METHODS)
def test_measured_at_the_features_it_is_the_feature_route(method):
    found = []
    for place in ("features", "measure"):
        model = TwoHeads()
        features = model.features()
        step = backward(model.losses(features), method(), **{place: features})
        found.append((step.weights, model.gradients()))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("place", ["shared", "features"])
@pytest.mark.parametrize("method", [MGDA, lambda: UpdateEvery(MGDA(), steps=2)])
@pytest.mark.parametrize("budget", [None, 1])
def test_weighted_heads_of_the_other_routes(place, method, budget):
    model, method = TwoHeads(), method()
    own = list(model.heads.parameters())
    for _ in range(2):
        model.zero_grad()
        features = model.features()
        losses = model.losses(features)
        where = {"shared": model.trunk.parameters(), "memory_budget": budget}
        where = where if place == "shared" else {"features": features}
        step = backward(losses, method, heads="weighted", **where)
        expected = gradients_of(model.losses(model.features()), own, step.weights)
        torch.testing.assert_close([p.grad for p in own], list(expected))


def test_gradnorm_of_the_last_layer_weighs_the_first():
    # With `shared=` the last layer alone, the first one would get the plain sum.
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 2))
    net = net.double()
    method = GradNorm(2)
    with torch.no_grad():
        method.logits.copy_(torch.tensor([1.905, 0.095]).log())
    x = torch.randn(16, 4, dtype=torch.float64)
    losses = list((net(x) - 1).square().mean(0))
    first = list(net[0].parameters())
    expected = gradients_of(losses, first, torch.tensor([1.905, 0.095]))
    step = backward(losses, method, measure=net[2].parameters(), heads="weighted")
    assert step.weights.tolist() == pytest.approx([1.905, 0.095])
    torch.testing.assert_close([p.grad for p in first], list(expected))
    assert float(method.logits.grad.abs().max()) > 0


def test_a_vector_without_graphs_of_its_own_has_no_heads():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)).double()
    losses = net(torch.randn(5, 4, dtype=torch.float64)).square().mean(0)
    expected = gradients_of(losses.unbind(), list(net.parameters()), torch.tensor([0.3, 0.7]))
    method = UpdateEvery(MGDA(), steps=2)
    method.held_weights, method.steps_held = torch.tensor([0.3, 0.7]).double(), torch.tensor(1)
    backward(losses, method, measure=net[0].parameters())
    torch.testing.assert_close([p.grad for p in net.parameters()], list(expected))


def test_heads_that_are_named_are_plain_and_the_rest_is_weighed():
    model = TwoHeads()
    first, rest = model.heads[0], list(model.heads[1].parameters())
    losses = model.losses(model.features())
    step = backward(
        losses,
        MGDA(),
        measure=model.trunk[2].parameters(),
        heads=first.parameters(),
        retain_graph=True,
    )
    plain = gradients_of(losses, list(first.parameters()), torch.ones(3))
    torch.testing.assert_close([p.grad for p in first.parameters()], list(plain))
    torch.testing.assert_close(
        [p.grad for p in rest], list(gradients_of(losses, rest, step.weights))
    )


def test_two_batches_are_compared_where_it_is_measured():
    found = []
    for place in ("shared", "measure"):
        model = TwoHeads()
        losses, x = model.losses(model.features()), model.x
        model.x = x.flip(1)
        second = model.losses(model.features())
        step = backward(losses, SDMGrad(), second_batch=second, **{place: model.trunk.parameters()})
        found.append((step.gramian, model.gradients()))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("budget", [None, 1])
@pytest.mark.parametrize("place", ["shared", "measure"])
def test_a_second_batch_from_elsewhere_is_refused(place, budget):
    model, x = TwoHeads(2), torch.ones(2, requires_grad=True)
    features = model.features()
    where = model.trunk.parameters() if place == "shared" else features
    options = {place: where, "second_batch": [x.sum(), -x.sum()], "memory_budget": budget}
    with pytest.raises(ValueError, match=f"`{place}` must be tensors that `second_batch`"):
        backward(model.losses(features), SDMGrad(), **options)
    assert model.gradients()["trunk.0.weight"] is None


def test_a_scaler_scales_the_gradients_and_no_weight():
    found = []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=1024.0)):
        model = TwoHeads()
        losses = model.losses(model.features())
        step = backward(losses, MGDA(), measure=model.trunk[2].parameters(), scaler=scaler)
        scale = 1.0 if scaler is None else 1024.0
        found.append((step.weights, [p.grad / scale for p in model.trunk.parameters()]))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("place", ["parameters", "features"])
def test_averages_of_two_equal_processes_change_nothing(place):
    found = []
    for reduce in (None, lambda tensor: tensor.mul_(1)):
        model = TwoHeads()
        features = model.features()
        where = model.trunk[2].parameters() if place == "parameters" else features
        step = backward(model.losses(features), MGDA(), measure=where, reduce=reduce)
        found.append((step.weights, model.gradients()))
    torch.testing.assert_close(*found)


def other(x):
    return torch.ones(2, requires_grad=True)


@pytest.mark.parametrize(
    ("method", "measure", "options", "error", "message"),
    [
        (MoCo(), lambda x: x, {}, ValueError, "MoCo keeps each gradient.*got `measure=`"),
        (GradDrop(), lambda x: x, {}, ValueError, "GradDrop combines the gradients themselves"),
        (MGDA(), other, {}, ValueError, "`measure` must be tensors that `losses` were computed"),
        (
            MGDA(),
            lambda x: x.detach(),
            {},
            ValueError,
            "`measure` must hold a tensor that requires",
        ),
        (MGDA(), lambda x: "x", {}, TypeError, "`measure`"),
        (MGDA(), lambda x: x, {"shared": other(0)}, ValueError, "got both shared and measure"),
        (
            MGDA(),
            lambda x: x,
            {"heads": "all"},
            ValueError,
            '`heads` must be parameters, "weighted"',
        ),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(method, measure, options, error, message):
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(error, match=message):
        backward([x.sum(), (x * x).sum()], method, measure=measure(x), **options)
    assert x.grad is None


def test_graddrop_has_no_weights_for_heads():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match=r'`heads` cannot be "weighted" with GradDrop'):
        backward([x.sum(), (x * x).sum()], GradDrop(), shared=[x], heads="weighted")


def test_a_method_of_the_losses_needs_no_place():
    model = TwoHeads()
    losses = model.losses(model.features())
    step = backward(losses, LinearScalarization([0.2, 0.3, 0.5]), measure=model.trunk.parameters())
    assert step.gramian is None


# --- features at which the tasks do not meet


def test_features_of_one_task_each_are_refused():
    # One batch per task: the trunk runs twice, and no tensor is behind two losses.
    torch.manual_seed(0)
    trunk, heads = nn.Linear(3, 4), [nn.Linear(4, 1) for _ in range(2)]
    z = [trunk(torch.randn(5, 3)) for _ in range(2)]
    losses = [head(f).square().mean() for head, f in zip(heads, z, strict=True)]
    with pytest.raises(ValueError, match=r"`features` must be tensors that several.*joined"):
        backward(losses, MGDA(), features=z)
    assert trunk.weight.grad is None
    backward(losses, MGDA(), shared=trunk.parameters())


def test_losses_of_single_samples_warn_at_the_features():
    torch.manual_seed(0)
    trunk, head = nn.Linear(3, 4), nn.Linear(4, 1)
    z = trunk(torch.randn(5, 3))
    with pytest.warns(UserWarning, match="other entries of `features`.*Gramian is diagonal"):
        backward(head(z)[:, 0].square(), MGDA(), features=z)


def test_features_whose_gradients_are_orthogonal_do_not_warn():
    for losses in (lambda z: [z.sum(), z[0] - z[1]], lambda z: [z.sum(), 0 * z.sum()]):
        z = 1 * torch.ones(2, requires_grad=True)
        backward(losses(z), MGDA(), features=z)
