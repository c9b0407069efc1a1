"""The driver leaves `.grad` as `loss.backward()` would, in as many passes as it promises."""

import pytest
import torch
from torch import nn

from mtl_optim import (
    MGDA,
    GramianWeighting,
    JacobianAggregator,
    LinearScalarization,
    LossWeighting,
    NashMTL,
    PCGrad,
    SecondLook,
    WeightedChebyshev,
    backward,
)
from mtl_optim._gramian import cross_gramian, gramian, products_dtype, resolved


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
    backward([f.sum(), doubled.sum()], MGDA(), features=[f, doubled])
    assert f.grad.tolist() == pytest.approx([0.5, 0.5])
    assert g.grad.tolist() == pytest.approx([1.0, 1.0])


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


# --- a method that looks at the Jacobian, and one that looks twice


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


# --- what is refused


class Bad(nn.Module):
    pass


X = torch.ones(2, requires_grad=True)


@pytest.mark.parametrize(
    ("losses", "method", "options", "error", "message"),
    [
        (lambda x: [x[0], x[1]], MGDA(), {}, ValueError, "`shared=`.*`features=`.*neither"),
        (lambda x: [x[0]], MGDA(), {"shared": [X], "features": X}, ValueError, "both"),
        (
            lambda x: [x[0], x],
            MGDA(),
            {"shared": [X]},
            ValueError,
            r"`losses\[1\]`.*scalar.*\(2,\)",
        ),
        (
            lambda x: x.outer(x),
            MGDA(),
            {"shared": [X]},
            ValueError,
            r"shape \(task,\), got \(2, 2\)",
        ),
        (lambda x: [], MGDA(), {"shared": [X]}, ValueError, "at least one task"),
        (lambda x: [x[0], 1.0], MGDA(), {"shared": [X]}, TypeError, r"`losses\[1\]`.*float"),
        (
            lambda x: [x[0], torch.ones(())],
            MGDA(),
            {"shared": [X]},
            ValueError,
            r"`losses\[1\]`.*graph",
        ),
        (lambda x: torch.ones(2), MGDA(), {"shared": [X]}, ValueError, "graph"),
        (lambda x: [x[0] * torch.nan, x[1]], MGDA(), {"shared": [X]}, ValueError, "loss of task 0"),
        (
            lambda x: [x[0], x[1] / 0],
            LinearScalarization([0.5, 0.5]),
            {},
            ValueError,
            "loss of task 1",
        ),
        (
            lambda x: [x[0], (x - 1).abs().sum().sqrt()],
            MGDA(),
            {"shared": [X]},
            ValueError,
            "gradient of task 1",
        ),
        (lambda x: [x[0]], Bad(), {}, TypeError, "`method`.*Bad"),
        (
            lambda x: [x[0]],
            MGDA(),
            {"shared": [torch.ones(1, requires_grad=True)]},
            ValueError,
            r"`shared` must be tensors that `losses`",
        ),
        (lambda x: [x[0]], MGDA(), {"shared": []}, ValueError, r"`shared`.*requires grad"),
        (lambda x: [x[0]], MGDA(), {"features": X.detach()}, ValueError, r"`features`.*requires"),
        (
            lambda x: [x[0]],
            MGDA(),
            {"features": torch.ones(1, requires_grad=True)},
            ValueError,
            "`features`",
        ),
        (lambda x: [x[0]], MGDA(), {"shared": nn.Linear(1, 1)}, TypeError, r"`parameters\(\)`"),
        (lambda x: [x[0]], MGDA(), {"shared": [("x", X)]}, TypeError, "`shared`.*got tuple"),
        (lambda x: [x[0]], MGDA(), {"features": "x"}, TypeError, "`features`.*got str"),
        (
            lambda x: [x[0]],
            MGDA(),
            {"shared": X, "heads": [Bad()]},
            TypeError,
            "`heads`.*got Bad",
        ),
        (lambda x: [x[0], 1j * x[1]], MGDA(), {"shared": [X]}, TypeError, r"`losses\[1\]`.*real"),
        (lambda x: 1j * x, Mean(), {"shared": [X]}, TypeError, "`losses` must be real"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(losses, method, options, error, message):
    with pytest.raises(error, match=message):
        backward(losses(X), method, **options)
    assert X.grad is None


# --- the Gramian


SHAPES = [(3,), (7, 300), (), (16_384,), (0,), (5, 1, 2), (140_000,)]


def blocks(tasks, dtype, *, one_matrix=False):
    """Rows of blocks, each row of a block apart or all in one matrix; some of them missing."""
    generator = torch.Generator().manual_seed(tasks)
    matrices = [torch.randn(tasks, *s, generator=generator).to(dtype) for s in SHAPES]
    J = [[m[k] if one_matrix else m[k].clone() for m in matrices] for k in range(tasks)]
    if tasks > 1:
        J[1][1] = J[0][0] = None
    for k, row in enumerate(J):  # a layout of its own, as of channels-last weights
        row[5] = row[5].transpose(0, 2).contiguous().transpose(0, 2) + k
    return J


def matrix_of(J):
    return torch.stack(
        [
            torch.cat(
                [
                    (torch.zeros(s) if g is None else g).double().flatten()
                    for g, s in zip(row, SHAPES, strict=True)
                ]
            )
            for row in J
        ]
    )


@pytest.mark.parametrize("one_matrix", [False, True])
@pytest.mark.parametrize("tasks", [1, 3, 6, 13])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_gramian_of_blocks_is_that_of_the_matrix(dtype, tasks, one_matrix):
    J = blocks(tasks, dtype, one_matrix=one_matrix)
    expected = matrix_of(J) @ matrix_of(J).T
    torch.testing.assert_close(gramian(J), expected, rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(cross_gramian(J[:2], J), expected[:2], rtol=1e-12, atol=1e-9)
    assert products_dtype(J) == (torch.float64 if dtype == torch.float64 else torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        quick = gramian(J, torch.float32)
    assert quick.dtype == torch.float64
    gap = (quick - expected).abs() / expected.diagonal().max()
    assert float(gap.max()) <= 64 * torch.finfo(torch.float32).eps


@pytest.mark.parametrize(
    ("J", "enough"),
    [
        (torch.eye(3), True),
        (torch.tensor([[1.0, 0.0, 0.0], [1.0, 1e-1, 0.0]]), True),
        (torch.tensor([[1e-6, 0.0, 0.0], [0.0, 1.0, 0.0]]), True),
        (torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]), False),
        (torch.tensor([[1.0, 2.0, 3.0], [-2.0, -4.0, -6.0]]), False),
        (torch.tensor([[1.0, 0.0, 0.0], [1.0, 1e-3, 0.0]]), False),
        (torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), False),
        (torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), False),
        (1e-25 * torch.eye(3), False),
        (1e25 * torch.eye(3), False),
        (torch.tensor([[torch.nan, 0.0, 0.0], [0.0, 1.0, 0.0]]), False),
    ],
)
def test_products_in_float32_are_kept_where_they_are_enough(J, enough):
    assert resolved(gramian([[row] for row in J], torch.float32)) is enough


@pytest.mark.parametrize("route", ["shared", "features"])
@pytest.mark.parametrize(
    "J",
    [
        torch.tensor([[1.0, 0.0], [1.0, 1e-4]]),
        torch.tensor([[1.0, 0.0], [-1.0, 1e-4]]),
        1e-25 * torch.tensor([[1.0, 0.0], [-1.0, 2.0]]),
        1e25 * torch.tensor([[1.0, 0.0], [-1.0, 2.0]]),
        torch.tensor([[1e15, 0.0], [-1e-15, 1e-15]]),
    ],
)
def test_the_driver_takes_exact_products_where_float32_is_not_enough(J, route):
    x = torch.zeros(2, requires_grad=True)
    step = backward(J @ x, MGDA(), **{route: [x]})
    exact = J.double() @ J.double().T
    torch.testing.assert_close(step.gramian, exact, rtol=1e-14, atol=0)
    assert torch.equal(step.weights, MGDA().weights(gramian=step.gramian))


def test_the_driver_is_content_with_float32_products_where_they_are_enough():
    J = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0))
    x = torch.zeros(1000, requires_grad=True)
    step = backward([(row * x).sum() for row in J], MGDA(), shared=[x])
    assert torch.equal(step.gramian, gramian([[row] for row in J], torch.float32))
    exact = gramian([[row] for row in J])
    assert not torch.equal(step.gramian, exact)
    torch.testing.assert_close(step.gramian, exact, rtol=1e-5, atol=1e-3)


def test_reduced_matrix_products_are_not_used():
    J = [[torch.ones(3)]]
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert products_dtype(J) == torch.float64
    finally:
        torch.set_float32_matmul_precision(before)
    assert products_dtype(J) == torch.float32


def test_the_gramian_of_tiny_float32_gradients_does_not_vanish():
    tiny = torch.full((10,), 1e-25)
    assert float(gramian([[tiny]])) == pytest.approx(1e-49, rel=1e-6)


def test_the_gramian_of_no_gradient_is_zero():
    assert gramian([[None], [None]]).tolist() == [[0, 0], [0, 0]]


def test_a_gramian_weighting_checks_its_arguments():
    with pytest.raises(ValueError, match=r"`gramian`.*\(task, task\)"):
        MGDA().weights(gramian=torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"negative diagonal.*task 0"):
        MGDA().weights(gramian=-torch.eye(2))
    with pytest.raises(ValueError, match=r"`losses`.*3 entries for 2 tasks"):
        MGDA().weights(gramian=torch.eye(2), losses=torch.ones(3))
    with pytest.raises(TypeError, match=r"MGDA needs `gramian`"):
        MGDA().weights(losses=torch.ones(2))
    with pytest.raises(TypeError, match=r"LinearScalarization needs `losses`"):
        LinearScalarization([1.0]).weights(gramian=torch.eye(1))
    with pytest.raises(TypeError, match=r"`gramian` must be a tensor, got list"):
        MGDA().weights(gramian=[[1.0]])
    with pytest.raises(TypeError, match=r"`losses` must be a tensor, got list"):
        LinearScalarization([1.0]).weights(losses=[1.0])
    with pytest.raises(TypeError, match=r"`losses` must be a tensor, got list"):
        MGDA().weights(gramian=torch.eye(1), losses=[1.0])
    assert issubclass(MGDA, GramianWeighting)
