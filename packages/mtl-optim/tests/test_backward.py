"""The driver leaves `.grad` as `loss.backward()` would, in as many passes as it promises."""

import pytest
import torch
from torch import nn
from torch.torch_version import TorchVersion

from mtl_optim import (
    MGDA,
    JacobianAggregator,
    LinearScalarization,
    LossWeighting,
    NashMTL,
    PCGrad,
    SecondLook,
    WeightedChebyshev,
    backward,
)


class TwoHeads(nn.Module):
    """A trunk of two layers, K heads, and a layer that nothing uses."""

    def __init__(self, tasks=3, dtype=torch.float64):
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 5))
        self.heads = nn.ModuleList(nn.Linear(5, 1) for _ in range(tasks))
        self.unused = nn.Linear(2, 2)
        self.to(dtype)
        self.x = torch.randn(6, 4, dtype=dtype)
        self.y = torch.randn(tasks, 6, dtype=dtype)

    def features(self):
        return self.trunk(self.x)

    def losses(self, features, rows=slice(None)):
        return [
            ((head(features)[rows, 0] - y[rows]) ** 2).mean()
            for head, y in zip(self.heads, self.y, strict=True)
        ]

    def gradients(self):
        return {name: p.grad for name, p in self.named_parameters()}


def jacobian(model):
    """J over the trunk by plain autograd, one forward per task."""
    rows = []
    for k in range(len(model.heads)):
        loss = model.losses(model.features())[k]
        rows.append(
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, model.trunk.parameters())])
        )
    return torch.stack(rows)


def flat(parameters):
    return torch.cat([p.grad.flatten() for p in parameters])


def head_gradients(model):
    """The heads' gradients that `sum(losses).backward()` leaves."""
    torch.stack(model.losses(model.features())).sum().backward()
    found = [p.grad.clone() for p in model.heads.parameters()]
    model.zero_grad()
    return found


def run(model, method, route, form=list, **options):
    features = model.features()
    losses = model.losses(features)
    if form is torch.stack:
        losses = torch.stack(losses)
    if route == "shared":
        options["shared"] = model.trunk.parameters()
    if route == "features":
        options["features"] = features
    return backward(losses, method, **options)


GRAMIAN = [MGDA, PCGrad, NashMTL]


WITH_FORM = pytest.mark.parametrize("form", [list, torch.stack])


@WITH_FORM
@pytest.mark.parametrize("make", GRAMIAN)
def test_the_exact_route_is_the_formula(make, form):
    model = TwoHeads()
    J, heads = jacobian(model), head_gradients(model)
    w = make().weights(gramian=J @ J.T)
    step = run(model, make(), "shared", form)
    torch.testing.assert_close(step.gramian, J @ J.T)
    torch.testing.assert_close(step.weights, w)
    torch.testing.assert_close(flat(model.trunk.parameters()), J.T @ w)
    torch.testing.assert_close([p.grad for p in model.heads.parameters()], heads)
    assert model.unused.weight.grad is None
    torch.testing.assert_close(step.gradient_norms, J.norm(dim=1))
    torch.testing.assert_close(
        step.cosines, torch.nn.functional.cosine_similarity(J[:, None], J[None], dim=2)
    )


@WITH_FORM
@pytest.mark.parametrize("make", GRAMIAN)
def test_the_feature_route_is_the_formula(make, form):
    model = TwoHeads()
    J, heads = jacobian(model), head_gradients(model)
    features = model.features().detach().requires_grad_()
    rows = [torch.autograd.grad(loss, features)[0].flatten() for loss in model.losses(features)]
    G = torch.stack(rows) @ torch.stack(rows).T
    w = make().weights(gramian=G)
    step = run(model, make(), "features", form)
    torch.testing.assert_close(step.gramian, G)
    torch.testing.assert_close(flat(model.trunk.parameters()), J.T @ w)
    torch.testing.assert_close([p.grad for p in model.heads.parameters()], heads)
    assert model.unused.weight.grad is None


def test_both_routes_agree_where_the_trunk_allows():
    # One sample through an orthogonal trunk: the Gramians are proportional.
    x = torch.eye(3, dtype=torch.float64)[:1]
    trunk = nn.Linear(3, 3, bias=False, dtype=torch.float64)
    targets = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = []
    for route in ("shared", "features"):
        trunk.zero_grad()
        features = trunk(x)
        losses = [((features - target) ** 2).sum() for target in targets]
        options = {"shared": trunk.parameters()} if route == "shared" else {"features": features}
        backward(losses, MGDA(), **options)
        found.append(trunk.weight.grad.clone())
    torch.testing.assert_close(*found)


@WITH_FORM
def test_a_losses_only_method_is_one_weighted_backward(form):
    model = TwoHeads(2)
    losses = torch.stack(model.losses(model.features()))
    (losses * torch.tensor([0.3, 0.7], dtype=torch.float64)).sum().backward()
    expected = model.gradients()
    model.zero_grad()
    step = run(model, LinearScalarization([0.3, 0.7]), None, form)
    torch.testing.assert_close(model.gradients(), expected)
    assert step.gramian is step.cosines is step.gradient_norms is None
    torch.testing.assert_close(step.losses, losses.detach())


@pytest.mark.parametrize(
    ("method", "route", "passes"),
    [
        (LinearScalarization([0.2, 0.3, 0.5]), "shared", 1),
        (WeightedChebyshev([0.2, 0.3, 0.5]), None, 1),
        (MGDA(), "shared", 3),
        (MGDA(), "features", 1),
        (NashMTL(), "shared", 3),
    ],
)
def test_passes_through_the_trunk(method, route, passes):
    model = TwoHeads()
    counts = {"forward": 0, "backward": 0}

    def count(name):
        def hook(*args):
            counts[name] += 1

        return hook

    model.trunk[0].register_forward_hook(count("forward"))
    model.trunk[2].register_full_backward_hook(count("backward"))
    run(model, method, route)
    assert counts == {"forward": 1, "backward": passes}


@WITH_FORM
@pytest.mark.parametrize("route", ["shared", "features"])
def test_each_head_is_walked_once(route, form):
    if form is torch.stack and TorchVersion(torch.__version__) < "2.7":
        pytest.skip("PyTorch cannot walk from the parts of a stack before 2.7")
    model, passes = TwoHeads(), []
    for k, head in enumerate(model.heads):
        head.register_full_backward_hook(lambda *args, k=k: passes.append(k))
    run(model, MGDA(), route, form)
    assert sorted(passes) == [0, 1, 2]


def test_a_stack_of_leaves_and_of_other_dtypes():
    leaf, other = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (2.0, 3.0))
    step = backward(torch.stack([leaf, leaf * other]), MGDA(), shared=[leaf, other])
    assert step.gramian.tolist() == [[1, 3], [3, 13]]
    mixed = torch.stack([(leaf * other).float(), leaf**2])
    assert backward(mixed, MGDA(), shared=[leaf]).gramian.tolist() == [[9, 12], [12, 16]]


@pytest.mark.parametrize("route", ["shared", "features"])
def test_held_weights_take_one_pass(route):
    model, passes = TwoHeads(), []
    method = NashMTL(update_every=2)
    first = run(model, method, route)
    model.zero_grad()
    heads = head_gradients(model)
    model.trunk[2].register_full_backward_hook(lambda *args: passes.append(1))
    step = run(model, method, route)
    J = jacobian(TwoHeads())
    assert len(passes) == 1
    assert torch.equal(step.weights, first.weights)
    torch.testing.assert_close(flat(model.trunk.parameters()), J.T @ first.weights)
    torch.testing.assert_close([p.grad for p in model.heads.parameters()], heads)


@pytest.mark.parametrize("route", ["shared", "features"])
def test_gradients_accumulate_over_micro_batches(route):
    model, total = TwoHeads(), 0
    for rows in (slice(0, 3), slice(3, 6)):
        for accumulate in (False, True):
            other = model if accumulate else TwoHeads()
            features = other.features()
            where = (
                {"shared": other.trunk.parameters()}
                if route == "shared"
                else {"features": features}
            )
            backward(other.losses(features, rows), MGDA(), **where)
            if not accumulate:
                total = total + flat([*other.trunk.parameters(), *other.heads.parameters()])
    torch.testing.assert_close(flat([*model.trunk.parameters(), *model.heads.parameters()]), total)


def test_frozen_parameters_are_skipped():
    model = TwoHeads()
    model.trunk[0].requires_grad_(False)
    model.heads[1].requires_grad_(False)
    run(model, MGDA(), "shared")
    assert model.trunk[0].weight.grad is None
    assert model.heads[1].weight.grad is None
    assert model.trunk[2].weight.grad is not None


def test_heads_can_be_named():
    model = TwoHeads()
    expected = head_gradients(model)
    run(model, MGDA(), "shared", heads=model.heads[0].parameters())
    torch.testing.assert_close([p.grad for p in model.heads[0].parameters()], expected[:2])
    assert model.heads[1].weight.grad is None


def test_a_task_may_leave_out_shared_parameters():
    a, b = (torch.ones(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    step = backward([(a**2).sum() + (b**2).sum(), (3 * a).sum()], MGDA(), shared=[a, b])
    assert step.gramian.tolist() == [[16, 12], [12, 18]]
    w = step.weights
    torch.testing.assert_close(a.grad, w[0] * 2 * torch.ones_like(a) + w[1] * 3)
    torch.testing.assert_close(b.grad, w[0] * 2 * torch.ones_like(b))


def test_several_features_and_a_leaf_feature():
    f, g = (torch.ones(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    doubled = 2 * g
    losses = [f.sum() + 0.5 * doubled.sum(), 0.5 * f.sum() + doubled.sum()]
    backward(losses, MGDA(), features=[f, doubled])
    assert f.grad.tolist() == pytest.approx([0.75, 0.75])
    assert g.grad.tolist() == pytest.approx([1.5, 1.5])


@pytest.mark.parametrize("route", ["shared", "features"])
def test_one_task_is_a_plain_backward(route):
    model = TwoHeads(1)
    model.losses(model.features())[0].backward()
    expected = model.gradients()
    model.zero_grad()
    run(model, MGDA(), route)
    torch.testing.assert_close(model.gradients(), expected)


@pytest.mark.parametrize("route", ["shared", "features"])
def test_retain_graph_allows_another_backward(route):
    model = TwoHeads()
    features = model.features()
    losses = model.losses(features)
    where = (
        {"shared": list(model.trunk.parameters())} if route == "shared" else {"features": features}
    )
    backward(losses, MGDA(), retain_graph=True, **where)
    once = flat(model.trunk.parameters()).clone()
    backward(losses, MGDA(), **where)
    torch.testing.assert_close(flat(model.trunk.parameters()), 2 * once)


@pytest.mark.parametrize(
    "method", [MGDA(), MGDA("loss"), NashMTL(), LinearScalarization([0.2, 0.8])]
)
@pytest.mark.parametrize("route", ["shared", "features"])
def test_the_scaler_changes_nothing(method, route):
    plain, scaled = TwoHeads(2), TwoHeads(2)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    optimizer = torch.optim.SGD(scaled.parameters(), lr=0.1)
    step = run(scaled, method, route, scaler=scaler)
    assert torch.equal(step.weights, run(plain, method, route).weights)
    scaler.unscale_(optimizer)
    torch.testing.assert_close(scaled.gradients(), plain.gradients())


def test_an_overflow_is_left_for_the_scaler():
    model = TwoHeads(2, torch.float32)
    before = [p.clone() for p in model.parameters()]
    scaler = torch.amp.GradScaler("cpu", init_scale=1e38)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    features = model.features()
    backward(
        [1e3 * loss for loss in model.losses(features)], MGDA(), features=features, scaler=scaler
    )
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() < 1e38
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW, torch.optim.Adagrad])
def test_any_optimizer_trains(optimizer):
    model = TwoHeads()
    steps = optimizer(model.parameters(), lr=0.01)
    first = None
    for _ in range(30):
        steps.zero_grad()
        step = run(model, MGDA(), "shared")
        first = step.losses if first is None else first
        steps.step()
    assert bool((step.losses < first).all())


def test_an_optimizer_with_a_closure_takes_the_steps_of_the_plain_scalar():
    weights = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    method = LinearScalarization(weights)
    found = []
    for ours in (True, False):
        model = TwoHeads()
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=8, line_search_fn="strong_wolfe")

        def closure(model=model, optimizer=optimizer, ours=ours):
            optimizer.zero_grad()
            losses = torch.stack(model.losses(model.features()))
            if ours:
                backward(losses, method)
            else:
                (weights @ losses).backward()
            return (weights @ losses).detach()

        optimizer.step(closure)
        found.append([*model.trunk.parameters(), *model.heads.parameters()])
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-8)
    start = TwoHeads()
    assert not torch.equal(found[0][0], start.trunk[0].weight)


def test_shared_may_be_one_tensor():
    one, other = (torch.ones(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    backward([one[0], 2 * one[1]], MGDA(), shared=one)
    backward([other[0], 2 * other[1]], MGDA(), shared=[other])
    assert torch.equal(one.grad, other.grad)


class Mean(JacobianAggregator):
    def forward(self, jacobian):
        return jacobian.mean(dim=0)


@pytest.mark.parametrize("route", ["shared", "features"])
def test_an_aggregator_sees_the_jacobian(route):
    model = TwoHeads()
    J = jacobian(model)
    step = run(model, Mean(), route)
    torch.testing.assert_close(flat(model.trunk.parameters()), J.mean(dim=0))
    assert step.weights is None


def test_an_aggregator_is_told_of_no_bad_gradient():
    x = torch.zeros(1, requires_grad=True)
    with pytest.raises(ValueError, match=r"the gradient of task 1"):
        backward([x.sum(), x.sqrt().sum()], Mean(), shared=[x])
    assert x.grad is None


class Looks(SecondLook, LossWeighting):
    def forward(self, losses):
        return torch.ones_like(losses)

    def look(self, losses):
        self.seen = losses


def test_a_forgotten_look_is_an_error():
    method, x = Looks(), torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"nothing to compare"):
        method.look_again(x.detach())
    backward(x * 2, method)
    with pytest.raises(RuntimeError, match=r"look_again"):
        backward(x * 2, method)
    method.look_again(torch.tensor([3.0, 4.0]))
    assert method.seen.tolist() == [3, 4]
    backward(x * 2, method)
    resumed = Looks()
    resumed.load_state_dict(method.state_dict())
    with pytest.raises(RuntimeError, match=r"look_again"):
        resumed.weights(losses=torch.ones(2))
