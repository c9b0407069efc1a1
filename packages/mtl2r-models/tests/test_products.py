"""Products on the CPU: those of torch, with all their derivatives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear as torch_linear

from mtl2r_models import ListTransformer, MLPScorer
from mtl2r_models.cpu import _products as products
from mtl2r_models.cpu import linear
from mtl2r_models.layers import FeedForward, Linear

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN"
)


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def all_here(monkeypatch):
    """Every product is oneDNN's, a few rows at a time."""
    monkeypatch.setattr(products, "_ONEDNN", True)
    monkeypatch.setattr(products, "_LEAST", 0)
    monkeypatch.setattr(products, "_ROWS", 3)


def names(tensor):
    """Of the functions of a graph."""
    found, nodes = set(), [tensor.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is not None:
            found.add(node.name())
            nodes += [parent for parent, _ in node.next_functions]
    return found


def flat(tensors):
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def derivatives(function, leaves):
    """The value, its gradient with and without a graph, and the second derivative along it."""
    value = function()
    first = torch.autograd.grad(value, leaves, retain_graph=True)
    again = torch.autograd.grad(value, leaves, create_graph=True)
    along = sum((a * b).sum() for a, b in zip(again, first, strict=True))
    # A bias that the scores do not depend on has no second derivative.
    second = torch.autograd.grad(along, leaves, allow_unused=True, materialize_grads=True)
    return [value.detach(), flat(first), flat(again), flat(second)]


def assert_close(found, expected):
    """Up to the rounding of the largest of each."""
    for one, two in zip(found, expected, strict=True):
        assert one.shape == two.shape
        assert float((one - two).norm()) <= 3e-4 * (1e-3 + float(two.norm()))


@pytest.mark.usefixtures("all_here")
@settings(max_examples=25)
@given(
    leading=st.lists(st.integers(1, 4), max_size=3),
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    bias=st.booleans(),
    transposed=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_linear_and_its_derivatives_are_those_of_torch(leading, sizes, bias, transposed, seed):
    inner, outer = sizes
    x = draw(*leading, 2, inner, seed=seed)
    if transposed:
        x = x.transpose(0, -2)
    leaves = [x.requires_grad_(), draw(outer, inner, seed=seed + 1).requires_grad_()]
    if bias:
        leaves.append(draw(outer, seed=seed + 2).requires_grad_())
    assert "_LinearBackward" in names(linear(*leaves))
    found = derivatives(lambda: linear(*leaves).tanh().sum(), leaves)
    expected = derivatives(lambda: torch_linear(*leaves).tanh().sum(), leaves)
    assert_close(found, expected)


@pytest.mark.usefixtures("all_here")
def test_many_gradients_at_once_are_each_ones():
    x, layer = draw(4, 5), Linear(5, 3)
    out = layer(x)
    incoming = draw(2, *out.shape)
    parameters = list(layer.parameters())
    found = torch.autograd.grad(out, parameters, incoming, True, is_grads_batched=True)
    each = [torch.autograd.grad(out, parameters, one, retain_graph=True) for one in incoming]
    assert_close(found, [torch.stack(rows) for rows in zip(*each, strict=True)])


@pytest.mark.usefixtures("all_here")
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_feedforward_network_is_its_layers_one_after_another(dropout, monkeypatch):
    network, x = FeedForward(8, 12, dropout=dropout), draw(2, 5, 8).requires_grad_()
    leaves = [x, *network.parameters()]
    results = []
    for least in (0, 1 << 60):
        monkeypatch.setattr(products, "_LEAST", least)
        torch.manual_seed(1)
        assert ("_FeedForwardBackward" in names(network(x))) is (least == 0)
        results.append(derivatives(lambda: network(x).tanh().sum(), leaves))
        with torch.no_grad():
            results[-1].append(network.eval()(x))
        network.train()
    assert_close(*results)


@pytest.mark.usefixtures("all_here")
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_rankers_second_derivatives_are_those_of_plain_mathematics(norm):
    model = ListTransformer(5, hidden=16, layers=2, heads=2, feedforward=32, norm=norm).eval()
    features, mask = draw(3, 6, 5), torch.arange(6) < torch.tensor([[6], [4], [2]])
    found = derivatives(lambda: model(features, mask)[mask].tanh().sum(), list(model.parameters()))
    model.double()
    with sdpa_kernel(SDPBackend.MATH):
        expected = derivatives(
            lambda: model(features.double(), mask)[mask].tanh().sum(), list(model.parameters())
        )
    assert_close(found, expected)


@pytest.mark.usefixtures("all_here")
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_training_is_the_same_but_for_rounding_however_products_are_made(dropout, monkeypatch):
    features, mask = draw(3, 6, 5), torch.arange(6) < torch.tensor([[6], [4], [2]])
    for model in (
        ListTransformer(5, hidden=16, layers=2, heads=2, feedforward=32, dropout=dropout),
        MLPScorer(5, hidden=(16, 8), dropout=dropout),
    ):
        results = []
        for least in (0, 1 << 60):
            monkeypatch.setattr(products, "_LEAST", least)
            torch.manual_seed(1)
            model.zero_grad()
            scores = model(features, mask)[mask]
            scores.square().sum().backward()
            results.append([scores.detach(), flat(p.grad for p in model.parameters())])
        assert_close(*results)


def test_small_and_other_products_are_left_to_torch(monkeypatch):
    layer, x = Linear(4, 4), draw(2, 4)
    assert "_LinearBackward" not in names(layer(x))
    monkeypatch.setattr(products, "_ONEDNN", True)
    monkeypatch.setattr(products, "_LEAST", 0)
    assert "_LinearBackward" in names(layer(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert "_LinearBackward" not in names(layer(x))
    torch._C._set_mkldnn_enabled(False)  # `torch.backends.mkldnn.flags` warns of TF32
    try:
        assert "_LinearBackward" not in names(layer(x))
    finally:
        torch._C._set_mkldnn_enabled(True)
    assert "_LinearBackward" not in names(Linear(4, 4, dtype=torch.float64)(x.double()))
    assert layer(x[:0]).shape == (0, 4)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_transforms_of_functions_see_torchs_operations(monkeypatch):
    monkeypatch.setattr(products, "_LEAST", 0)
    model = ListTransformer(5, hidden=16, layers=1, heads=2, feedforward=32).eval()
    features = draw(4, 3, 5)
    parameters = dict(model.named_parameters())

    def loss(values, one):
        return torch.func.functional_call(model, values, (one[None],)).square().sum()

    # torch's own fused attention has no rules for them.
    with sdpa_kernel(SDPBackend.MATH):
        each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, features)
        _, slope = torch.func.jvp(
            lambda values: loss(values, features[0]), (parameters,), (parameters,)
        )
    for place, one in enumerate(features):
        expected = torch.autograd.grad(loss(parameters, one), list(parameters.values()))
        assert_close([flat(each[name][place] for name in parameters)], [flat(expected)])
    gradient = torch.autograd.grad(loss(parameters, features[0]), list(parameters.values()))
    along = sum((g * p).sum() for g, p in zip(gradient, parameters.values(), strict=True))
    torch.testing.assert_close(slope, along, rtol=1e-3, atol=1e-4)
