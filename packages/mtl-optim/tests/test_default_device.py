"""The driver works on the devices of its tensors, whatever device new tensors go to."""

import pytest
import torch

from mtl_optim import MGDA, ExcessMTL, GradDrop, LinearScalarization, MoCo, PCGrad, backward


@pytest.mark.parametrize("route", ["shared", "features", "budget", "tracked", "losses"])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_step_under_another_default_device(route, sparse):
    found = []
    for device in ("cpu", "meta"):
        words = torch.nn.Embedding(5, 3, sparse=sparse, dtype=torch.float64)
        with torch.no_grad():
            words.weight.copy_(torch.arange(15.0).view(5, 3).sin())
        head = torch.ones(3, dtype=torch.float64, requires_grad=True)
        at = torch.tensor([0, 1, 1])
        with torch.device(device):
            for make in {
                "losses": [lambda: LinearScalarization([0.3, 0.7])],
                "tracked": [MoCo, ExcessMTL],
                "budget": [MGDA, GradDrop],
            }.get(route, [MGDA, PCGrad, GradDrop]):
                hidden = words(at).tanh()
                losses = [(hidden * head).sum().square() + 1, -(words(at[:2]) ** 2).sum() + 9]
                losses[1] = losses[1] + hidden.sum()
                options = {"shared": [words.weight]} if route != "features" else {}
                options |= {"features": hidden} if route == "features" else {}
                options |= {"memory_budget": 1} if route == "budget" else {}
                step = backward(losses, make(), **options)
                found.append([words.weight.grad.to_dense().clone(), head.grad.clone(), step.losses])
    half = len(found) // 2
    for one, two in zip(found[:half], found[half:], strict=True):
        for a, b in zip(one, two, strict=True):
            assert b.device.type == "cpu"
            assert torch.equal(a, b)
