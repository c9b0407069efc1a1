"""With each sample an objective, `modules=` gives what the exact route gives, and says when not."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.torch_version import TorchVersion
from torch.utils.checkpoint import checkpoint

import mtl_optim
from mtl_optim import MGDA, GradDrop, LinearScalarization, MoCo, UPGrad, backward, watch
from mtl_optim._losses import TaskLosses

SAMPLES, LENGTH = 5, 4
MASKED = torch.arange(LENGTH) >= torch.tensor([4, 2, 3, 1, 4])[:, None]  # padding of each sample


def numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def codes(*shape):
    return torch.randint(7, shape, generator=torch.Generator().manual_seed(0))


class Encoder(nn.Module):
    """A transformer layer with padding, and a mask of the positions ahead or none."""

    def __init__(self, ahead, dropout=0.0):
        super().__init__()
        self.first, self.last = nn.Linear(3, 8), nn.Linear(8, 2)
        self.layer = nn.TransformerEncoderLayer(8, 2, 8, dropout=dropout, batch_first=True)
        self.ahead = torch.triu(torch.ones(LENGTH, LENGTH, dtype=torch.bool), 1) if ahead else None

    def forward(self, x):
        torch.manual_seed(0)  # the same draws in each forward
        z = self.layer(self.first(x), src_mask=self.ahead, src_key_padding_mask=MASKED)
        return self.last(z).masked_fill(MASKED[..., None], 0).sum(dim=1)


class Attention(nn.Module):
    """Attention to other inputs, of other widths, with weights that are not asked for, or are."""

    def __init__(self, asked):
        super().__init__()
        self.asked = asked
        self.attention = nn.MultiheadAttention(4, 2, kdim=3, vdim=5, batch_first=True)
        self.scores, self.last = numbers(SAMPLES * 2, 3, LENGTH), nn.Linear(4, 2)

    def forward(self, x):
        key, value = x.sin(), torch.cat([x, x[..., :2]], dim=-1)
        query = torch.cat([x, x[..., :1]], dim=-1)[:, :3]
        mixed, _ = self.attention(
            query, key, value=value, attn_mask=self.scores, need_weights=self.asked
        )
        return self.last(mixed).mean(dim=1)


class Tied(nn.Module):
    """One table to read from and to write with, and a layer that is called twice."""

    def __init__(self):
        super().__init__()
        self.table, self.layer = nn.Embedding(7, 3, padding_idx=0), nn.Linear(3, 3)
        self.out = nn.Linear(3, 7, bias=False)
        self.out.weight = self.table.weight

    def forward(self, x):
        z = self.table(x)
        z = z + self.layer(z).tanh()
        z = z + self.layer(z).tanh()
        return self.out(z).log_softmax(dim=-1).mean(dim=1)[:, :2]


class Conditioned(nn.Module):
    """Scales and shifts from a condition, parameters of its own, layers of other kinds."""

    def __init__(self):
        super().__init__()
        self.condition, self.layer, self.last = nn.Linear(2, 8), nn.Linear(3, 4), nn.Linear(4, 2)
        self.scale, self.slope = nn.Parameter(torch.randn(4)), nn.PReLU()
        self.both = nn.Bilinear(3, 2, 4)
        self.frozen, self.unused = nn.Linear(4, 4).requires_grad_(False), nn.Linear(2, 2)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))

    def forward(self, x):
        scale, shift = self.condition(x[:, :2]).chunk(2, dim=-1)
        z = self.slope(self.layer(x) * (1 + scale) + shift + self.both(x, x[:, 1:]))
        z = z + self.normed(self.frozen(z * self.scale))
        return self.last(z + self.slope(-z))


class Recurrent(nn.Module):
    """A recurrent layer, and a cell that is called twice."""

    def __init__(self):
        super().__init__()
        self.layer, self.cell = nn.GRU(3, 2, batch_first=True), nn.RNNCell(3, 2)

    def forward(self, x):
        return self.layer(x)[0][:, -1] + self.cell(x[:, 1], self.cell(x[:, 0]))


class Token(nn.Module):
    """A parameter that is given to a layer, at a place of its own."""

    def __init__(self):
        super().__init__()
        self.token, self.layer = nn.Parameter(torch.randn(1, 1, 3)), nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(torch.cat([self.token.expand(len(x), 1, 3), x], dim=1)).tanh().sum(dim=1)


def convolutions():
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, stride=2, padding=1),
        nn.GroupNorm(2, 6),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 6, (3, 2), groups=3, dilation=2, padding="same", padding_mode="circular"),
        nn.InstanceNorm2d(6, affine=True),
        nn.Conv2d(6, 4, 1, bias=False),
        nn.BatchNorm2d(4).eval(),
        nn.Conv2d(4, 4, 2, groups=4),
        nn.Flatten(),
        nn.Linear(32, 2),
    )


MODELS = {
    "perceptron": (
        lambda: nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)), numbers(5, 3)
    ),
    "sequence": (
        lambda: nn.Sequential(
            nn.Linear(3, 6), nn.LayerNorm(6), nn.Tanh(), nn.RMSNorm((4, 6)), nn.Linear(6, 2),
            nn.Flatten(), nn.Linear(8, 2),
        ),
        numbers(5, 4, 3),
    ),
    "convolutions": (convolutions, numbers(5, 2, 9, 6)),
    "convolution of sequences": (
        lambda: nn.Sequential(nn.Conv1d(4, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(6, 2)),
        numbers(5, 4, 3),
    ),
    "convolution of volumes": (
        lambda: nn.Sequential(nn.Conv3d(2, 3, 2, padding=1), nn.Flatten(), nn.Linear(192, 2)),
        numbers(5, 2, 3, 3, 3),
    ),
    "encoder": (lambda: Encoder(ahead=False), numbers(5, 4, 3)),
    "encoder that looks back": (lambda: Encoder(ahead=True), numbers(5, 4, 3)),
    "attention": (lambda: Attention(asked=False), numbers(5, 4, 3)),
    "attention and its weights": (lambda: Attention(asked=True), numbers(5, 4, 3)),
    "tied": (Tied, codes(5, 4)),
    "table": (lambda: nn.Sequential(nn.Embedding(7, 3), nn.Tanh(), nn.Linear(3, 2)), codes(5)),
    "bag": (
        lambda: nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Tanh(), nn.Linear(12, 2)),
        codes(5, 4),
    ),
}  # fmt: skip
# What takes walks of its own: through a layer, or through all.
SLOW = {
    "conditioned": (Conditioned, numbers(5, 3)),
    "recurrent": (Recurrent, numbers(5, 4, 3)),
    "token": (Token, numbers(5, 4, 3)),
    "random": (lambda: Encoder(ahead=False, dropout=0.3), numbers(5, 4, 3)),
}


def made(make):
    torch.manual_seed(0)
    model = make().double()
    watch(model)
    return model


def losses_of(model, x, tasks):
    """Losses (sample,) or (sample, task)."""
    errors = (model(x) - numbers(SAMPLES, 2)).square()
    return errors.mean(dim=1) if tasks == 1 else errors


def gradients(model):
    found = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    return found


def exactly(model, x, tasks, method):
    losses = losses_of(model, x, tasks)
    shared = list(model.parameters())
    step = backward(list(losses.flatten()), method, shared=shared)
    return step, gradients(model)


def check_equal(model, x, tasks, expected=None):
    """The Gramian is the exact route's; the gradient is that of the losses with the weights."""
    # MGDA's weights are bounded: large ones would show the rounding of gradients that repeat.
    expected = expected or exactly(model, x, tasks, MGDA())[0]
    step = backward(losses_of(model, x, tasks), MGDA(), modules=model)
    ours = gradients(model)
    torch.testing.assert_close(step.gramian, expected.gramian, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(step.losses, expected.losses)
    losses_of(model, x, tasks).flatten().backward(step.weights)
    torch.testing.assert_close(ours, gradients(model), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("tasks", [1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_covered_layers_are_the_exact_route_without_a_walk_per_objective(name, tasks, monkeypatch):
    make, x = MODELS[name]
    model = made(make)
    expected, _ = exactly(model, x, tasks, UPGrad())
    monkeypatch.delattr(TaskLosses, "gradient")
    monkeypatch.setattr("mtl_optim._per_sample._engine._FROM_EDGES", False)
    check_equal(model, x, tasks, expected)


@pytest.mark.parametrize("tasks", [1, 2])
@pytest.mark.parametrize("name", SLOW)
def test_what_no_rule_covers_is_the_exact_route_too(name, tasks):
    make, x = SLOW[name]
    check_equal(made(make), x, tasks)


@pytest.mark.parametrize("name", ["conditioned", "recurrent"])
def test_so_it_is_where_no_walk_may_start_within_the_graph(name, monkeypatch):
    monkeypatch.setattr("mtl_optim._per_sample._engine._FROM_EDGES", False)
    make, x = SLOW[name]
    check_equal(made(make), x, 1)


@pytest.mark.parametrize("held", [1, 16, 100])
@pytest.mark.parametrize("name", MODELS)
def test_nor_does_it_matter_how_much_is_held_at_once(name, held, monkeypatch):
    monkeypatch.setattr("mtl_optim._per_sample._factors._HELD", held)
    make, x = MODELS[name]
    check_equal(made(make), x, 2)


@pytest.mark.parametrize(
    "name",
    ["AlignedMTL", "CAGrad", "ConFIG", "DualProj", "FairGrad", "GradVac", "IMTLG", "MGDA",
     "NashMTL", "PCGrad", "UPGrad"],
)  # fmt: skip
def test_every_method_sees_the_samples(name):
    make = getattr(mtl_optim, name)
    model = made(MODELS["perceptron"][0])
    x = MODELS["perceptron"][1]
    expected, theirs = exactly(model, x, 1, make())
    step = backward(losses_of(model, x, 1), make(), modules=model)
    torch.testing.assert_close(step.weights, expected.weights, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(gradients(model), theirs, rtol=1e-8, atol=1e-10)


class Random(nn.Module):
    """Layers in a random order, each perhaps called again, some with a connection past them."""

    def __init__(self, plan, width):
        super().__init__()
        kinds = {
            "linear": lambda: nn.Linear(width, width),
            "norm": lambda: nn.LayerNorm(width),
            "filter": lambda: nn.Conv1d(3, 3, 3, padding=1),
            "gate": nn.PReLU,
        }
        self.layers = nn.ModuleList([kinds[kind]() for kind, _, _ in plan])
        self.plan = plan

    def forward(self, x):
        for layer, (_, times, past) in zip(self.layers, self.plan, strict=True):
            for _ in range(times):
                x = layer(x).tanh() + (x if past else 0)
        return x.flatten(1)[:, :2]


@settings(max_examples=40, deadline=None)
@given(
    plan=st.lists(
        st.tuples(
            st.sampled_from(["linear", "norm", "filter", "gate"]), st.integers(1, 2), st.booleans()
        ),
        min_size=1,
        max_size=4,
    ),
    width=st.integers(2, 5),
    tasks=st.sampled_from([1, 2]),
)
def test_random_networks_are_the_exact_route(plan, width, tasks):
    check_equal(made(lambda: Random(plan, width)), numbers(SAMPLES, 3, width), tasks)


@pytest.mark.parametrize("name", ["perceptron", "sequence", "encoder"])
def test_in_float32_the_gramian_is_that_of_float64_to_its_rounding(name):
    make, x = MODELS[name]
    expected, _ = exactly(made(make), x, 1, UPGrad())
    model = made(make).float()
    losses = (model(x.float()) - numbers(SAMPLES, 2).float()).square().mean(dim=1)
    step = backward(losses, UPGrad(), modules=model)
    torch.testing.assert_close(step.gramian, expected.gramian, rtol=2e-5, atol=2e-6)


def test_rows_of_one_sample_may_be_told_apart_later():
    model = made(lambda: nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2)))
    folded = made(lambda: nn.Sequential(model, nn.Unflatten(0, (SAMPLES, LENGTH))))
    x = numbers(SAMPLES, LENGTH, 3)
    whole = backward(model(x).square().sum(dim=(1, 2)), UPGrad(), modules=model)
    expected = gradients(model)
    step = backward(folded(x.flatten(0, 1)).square().sum(dim=(1, 2)), UPGrad(), modules=folded)
    torch.testing.assert_close(step.gramian, whole.gramian)
    torch.testing.assert_close(gradients(model), expected)


def test_a_sequence_of_scalars_will_do():
    model = made(MODELS["perceptron"][0])
    x = MODELS["perceptron"][1]
    expected, theirs = exactly(model, x, 1, UPGrad())
    step = backward(list(losses_of(model, x, 1)), UPGrad(), modules=[*model])
    torch.testing.assert_close(step.gramian, expected.gramian)
    torch.testing.assert_close(gradients(model), theirs)


def test_a_model_that_was_not_watched_is_slow_once(monkeypatch):
    torch.manual_seed(0)
    model = MODELS["perceptron"][0]().double()
    x = MODELS["perceptron"][1]
    first = backward(losses_of(model, x, 1), UPGrad(), modules=model)
    before = gradients(model)
    monkeypatch.delattr(TaskLosses, "gradient")
    second = backward(losses_of(model, x, 1), UPGrad(), modules=model)
    torch.testing.assert_close(second.gramian, first.gramian)
    torch.testing.assert_close(gradients(model), before)


def test_layers_are_watched_once_and_let_go():
    model = nn.Sequential(nn.Linear(2, 2), nn.MultiheadAttention(2, 1), nn.ReLU())
    handles = watch(model)
    assert len(handles) == 3  # the output projection of the attention is a layer too
    assert watch([model, model[0]]) == []
    for handle in handles:
        handle.remove()
    assert not any(layer._forward_hooks for layer in model.modules())


def test_a_watched_model_is_copied_and_saved_as_any():
    model = made(MODELS["perceptron"][0])
    x = MODELS["perceptron"][1]
    expected = backward(losses_of(model, x, 1), UPGrad(), modules=model).gramian
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301 - our own
        found = backward(losses_of(other, x, 1), UPGrad(), modules=other).gramian
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("route", ["modules", "unused"])
def test_what_the_layers_saw_is_let_go(route):
    model = made(MODELS["perceptron"][0])
    x = MODELS["perceptron"][1].clone()
    seen = weakref.ref(x)
    losses = losses_of(model, x, 1)
    del x
    if route == "modules":  # the losses are still there
        backward(losses, UPGrad(), modules=model)
    else:
        del losses
    gc.collect()
    assert seen() is None


def test_parameters_outside_the_modules_get_the_weighted_gradient():
    model = made(MODELS["perceptron"][0])
    other = nn.Parameter(torch.ones(2, dtype=torch.float64))
    x = MODELS["perceptron"][1]
    for modules in (model, model[0]):
        losses = (model(x) * other).square().sum(dim=1)
        step = backward(losses, UPGrad(), modules=modules, retain_graph=True)
        found = [*gradients(model).values(), other.grad]
        other.grad = None
        losses.backward(step.weights)
        torch.testing.assert_close(found, [*gradients(model).values(), other.grad])
        other.grad = None


def test_gradients_accumulate():
    model = made(MODELS["perceptron"][0])
    x = MODELS["perceptron"][1]
    losses = losses_of(model, x, 1)
    backward(losses, UPGrad(), modules=model, retain_graph=True)
    once = {name: p.grad.clone() for name, p in model.named_parameters()}
    backward(losses, UPGrad(), modules=model)
    torch.testing.assert_close(gradients(model), {name: 2 * g for name, g in once.items()})


def test_held_weights_take_one_backward(monkeypatch):
    model, x = made(MODELS["perceptron"][0]), MODELS["perceptron"][1]
    method = mtl_optim.UpdateEvery(MGDA(), steps=2)
    first = backward(losses_of(model, x, 1), method, modules=model)
    expected = gradients(model)
    monkeypatch.delattr(TaskLosses, "total_gradient")
    second = backward(losses_of(model, x, 1), method, modules=model)
    assert second.gramian is None
    torch.testing.assert_close(second.weights, first.weights)
    torch.testing.assert_close(gradients(model), expected)


def test_a_method_of_losses_sees_the_samples_and_tasks_in_order():
    model, x = made(MODELS["perceptron"][0]), MODELS["perceptron"][1]
    weights = torch.arange(1.0, 11.0, dtype=torch.float64) / 55
    losses = losses_of(model, x, 2)
    step = backward(losses, LinearScalarization(weights.tolist()), modules=model)
    found = gradients(model)
    torch.testing.assert_close(step.losses, losses.detach().flatten())
    losses_of(model, x, 2).backward(step.weights.view(5, 2))
    torch.testing.assert_close(found, gradients(model))


def test_a_scaler_scales_the_gradients_alone():
    model, x = made(MODELS["perceptron"][0]), MODELS["perceptron"][1]
    plain = backward(losses_of(model, x, 1), UPGrad(), modules=model)
    expected = gradients(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    step = backward(losses_of(model, x, 1), UPGrad(), modules=model, scaler=scaler)
    torch.testing.assert_close(step.gramian, plain.gramian)
    torch.testing.assert_close(gradients(model), {n: 64 * g for n, g in expected.items()})


def test_autocast_gives_the_gramian_of_what_it_computed():
    model = made(MODELS["perceptron"][0]).float()
    x = MODELS["perceptron"][1].float()
    found = []
    for options in ({"modules": model}, {"shared": list(model.parameters())}):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = (model(x).float() - numbers(SAMPLES, 2).float()).square().mean(dim=1)
            found.append(backward(losses, UPGrad(), **options).gramian)
    torch.testing.assert_close(*found, rtol=5e-2, atol=5e-2)


def test_checkpoints_change_nothing():
    model, x = made(MODELS["perceptron"][0]), MODELS["perceptron"][1].requires_grad_()
    expected, theirs = exactly(model, x, 1, UPGrad())
    out = checkpoint(model, x, use_reentrant=False)
    losses = (out - numbers(SAMPLES, 2)).square().mean(dim=1)
    step = backward(losses, UPGrad(), modules=model)
    torch.testing.assert_close(step.gramian, expected.gramian)
    torch.testing.assert_close(gradients(model), theirs)
    x.grad = None


def mean_apart(model, x):
    out = model(x)
    return (out - out.mean(dim=0)).square().sum(dim=1)


COUPLED = {
    "a mean of the batch": mean_apart,
    "scores of all pairs": lambda model, x: (model(x) @ model(x.flip(0)).T).square().mean(dim=1),
    "another order": lambda model, x: model(x)[[1, 2, 3, 4, 0]].square().sum(dim=1),
    "time before sample": lambda model, x: (
        model(x[None] * torch.arange(1.0, 6.0).double()[:, None, None]).square().mean(dim=(0, 2))
    ),
}


@pytest.mark.parametrize("make", [UPGrad, MGDA, lambda: mtl_optim.SDMGrad(one_batch=True)])
@pytest.mark.parametrize("name", COUPLED)
def test_losses_that_depend_on_other_samples_are_an_error(name, make):
    model, x = made(MODELS["perceptron"][0]), MODELS["perceptron"][1]
    with pytest.raises(ValueError, match="must depend on its own sample alone"):
        backward(COUPLED[name](model, x), make(), modules=model)
    assert all(p.grad is None for p in model.parameters())


def test_normalisation_by_the_batch_is_an_error_that_names_it():
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.BatchNorm1d(4)), nn.Linear(4, 2))
    losses = model(torch.randn(5, 3)).square().sum(dim=1)
    with pytest.raises(ValueError, match=r"1\.0 \(BatchNorm1d\)"):
        backward(losses, UPGrad(), modules=model)
    assert all(p.grad is None for p in model.parameters())
    model.eval()
    backward(model(torch.randn(5, 3)).square().sum(dim=1), UPGrad(), modules=model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shared": []}, "it goes without `shared="),
        ({"features": []}, "it goes without `features="),
        ({"heads": []}, "it goes without `heads="),
        ({"reduce": lambda tensor: None}, "it goes without `reduce="),
        ({"method": GradDrop()}, "GradDrop combines the gradients themselves"),
        ({"method": MoCo()}, "MoCo keeps each gradient"),
        ({"modules": nn.Linear(2, 2)}, "parameters that `losses` were computed from"),
        ({"modules": []}, "parameters that `losses` were computed from"),
    ],
)
def test_what_does_not_go_with_modules_is_an_error(options, message):
    model, x = made(MODELS["perceptron"][0]), MODELS["perceptron"][1]
    options = {"modules": model, "method": UPGrad()} | options
    with pytest.raises(ValueError, match=message):
        backward(losses_of(model, x, 1), **options)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("modules", ["model", [1], 3])
def test_modules_of_another_kind_are_an_error(modules):
    model, x = made(MODELS["perceptron"][0]), MODELS["perceptron"][1]
    with pytest.raises(TypeError, match="`modules` must be a module or several"):
        backward(losses_of(model, x, 1), UPGrad(), modules=modules)


def test_a_sample_that_is_not_finite_is_named():
    model, x = made(MODELS["perceptron"][0]), MODELS["perceptron"][1]
    losses = losses_of(model, x, 1) * torch.tensor([1, 1, torch.nan, 1, 1])
    with pytest.raises(ValueError, match="task 2"):
        backward(losses, UPGrad(), modules=model)
    assert all(p.grad is None for p in model.parameters())
    root = (losses_of(model, x, 1) * torch.tensor([1, 1, 0, 1, 1])).sqrt()
    with pytest.raises(ValueError, match="task 2"):
        backward(root, UPGrad(), modules=model)
    assert all(p.grad is None for p in model.parameters())


def test_a_change_in_place_of_what_a_layer_saw_is_found():
    model = made(lambda: nn.Sequential(nn.Linear(3, 2)))
    x = numbers(SAMPLES, 3)
    losses = model(x).square().sum(dim=1)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        backward(losses, UPGrad(), modules=model)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.slow
@pytest.mark.skipif(TorchVersion(torch.__version__) < "2.7", reason="compiles otherwise")
def test_a_compiled_model_is_the_exact_route():
    model, x = made(MODELS["perceptron"][0]), MODELS["perceptron"][1]
    compiled = torch.compile(model, backend="aot_eager")
    expected, theirs = exactly(model, x, 1, UPGrad())
    losses = (compiled(x) - numbers(SAMPLES, 2)).square().mean(dim=1)
    step = backward(losses, UPGrad(), modules=model)
    torch.testing.assert_close(step.gramian, expected.gramian)
    torch.testing.assert_close(gradients(model), theirs)
