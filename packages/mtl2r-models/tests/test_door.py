"""The kernels behind their door: every network computes the same with it shut."""

import pytest
import torch

from mtl2r_models import ARCHITECTURES, cpu, torch_internals
from mtl2r_models.cpu import _products
from mtl2r_models.testing import SMALL

VARIANTS = {
    "plain": {},
    "all": {
        "feature_layers": [{"kind": "cross"}, {"kind": "piecewise_linear", "bins": 3}],
        "members": 2,
        "experts": {"own": 1},
        "num_tasks": 2,
    },
}


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def all_here(monkeypatch):
    """Every product goes to oneDNN, a few rows at a time."""
    if not torch_internals.HAS_LINEAR:
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(_products, "_ONEDNN", True)
    monkeypatch.setattr(_products, "_LEAST", 0)
    monkeypatch.setattr(_products, "_ROWS", 3)


def step(model, features, mask):
    model.zero_grad()
    scores = model(features, mask)[..., mask]
    scores.square().sum().backward()
    return [scores.detach(), *(p.grad.clone() for p in model.parameters())]


@pytest.mark.usefixtures("all_here")
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_computes_the_same_with_the_door_shut(name, variant, training):
    """Dropout draws other numbers, so that it is off in training; its own tests compare it."""
    dropout = 0.0 if training else 0.3
    model = ARCHITECTURES[name](5, **SMALL[name], **VARIANTS[variant], dropout=dropout)
    model.train(training)
    features, mask = draw(3, 6, 5), torch.arange(6) < torch.tensor([[6], [4], [2]])
    found = step(model, features, mask)
    with cpu.plain():
        expected = step(model, features, mask)
    for one, two in zip(found, expected, strict=True):
        assert float((one - two).norm()) <= 3e-4 * (1e-3 + float(two.norm()))


def functions(tensor):
    """The names of the functions of a graph."""
    found, nodes = set(), [tensor.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is not None:
            found.add(node.name())
            nodes += [parent for parent, _ in node.next_functions]
    return found


OURS = {"_LinearBackward", "_DroppedBackward", "_FeedForwardBackward", "_AddedDropoutBackward"}


@pytest.mark.usefixtures("all_here")
def test_with_the_door_shut_no_kernel_of_this_package_runs():
    model = ARCHITECTURES["transformer"](5, **SMALL["transformer"])
    assert functions(model(draw(2, 3, 5))) >= OURS
    with cpu.plain():
        shut = functions(model(draw(2, 3, 5)))
    assert not [name for name in shut if name.startswith("_")]
    assert functions(model(draw(2, 3, 5))) >= OURS


def test_graphs_are_kept_for_several_backward_passes(monkeypatch):
    config = torch._functorch.config
    monkeypatch.setattr(config, "donated_buffer", True)
    torch_internals.keep_graph_for_several_backward_passes()
    assert config.donated_buffer is False


def test_without_torchs_private_names_its_own_operations_compute(monkeypatch):
    monkeypatch.delattr(torch._C, "_are_functorch_transforms_active")
    assert torch_internals.is_transformed(draw(2))
    monkeypatch.delattr(torch._C, "_get_mkldnn_enabled")
    assert not torch_internals.is_onednn_enabled()
    model = ARCHITECTURES["transformer"](5, **SMALL["transformer"])
    assert not [name for name in functions(model(draw(2, 3, 5))) if name.startswith("_")]
