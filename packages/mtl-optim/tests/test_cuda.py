"""On a GPU: what a step copies, and that it equals the CPU's.

These run only where there is one. They were written without: nothing here has been seen to pass.
"""

import pytest
import torch
from torch import nn

from mtl_optim import MGDA, CAGrad, GramianWeighting, NashMTL, backward
from mtl_optim._gradients import accumulate_combined
from mtl_optim._gramian import gramian

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def losses_of(model, x, y):
    return list(((model[2](model[:2](x)) - y) ** 2).mean(dim=0).unbind())


def make(device):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 3))
    x, y = torch.randn(32, 4), torch.randn(32, 3)
    return model.to(device), x.to(device), y.to(device)


@pytest.mark.parametrize("method", [MGDA, CAGrad, NashMTL])
def test_a_step_equals_that_of_the_cpu(method):
    found = []
    for device in ("cpu", "cuda"):
        model, x, y = make(device)
        step = backward(losses_of(model, x, y), method(), shared=model[:2].parameters())
        found.append((step.weights, [p.grad.cpu() for p in model.parameters()]))
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-5)


def test_one_objective_per_sample_equals_that_of_the_cpu():
    found = []
    for device in ("cpu", "cuda"):
        model, x, y = make(device)
        step = backward((model(x) - y).square(), CAGrad(), modules=model)
        found.append((step.gramian, [p.grad.cpu() for p in model.parameters()]))
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-4)


def test_neither_the_gramian_nor_the_direction_waits_for_the_device():
    rows = [[torch.randn(500, 300, device="cuda"), torch.randn(7, device="cuda")] for _ in range(5)]
    parameters = [torch.zeros_like(g).requires_grad_() for g in rows[0]]
    weights = torch.rand(5, dtype=torch.float64)
    torch.cuda.set_sync_debug_mode("error")
    try:
        gramian(rows, torch.float32)
        accumulate_combined(parameters, rows, weights)
    finally:
        torch.cuda.set_sync_debug_mode("default")


class Watched(GramianWeighting):
    """Counts the copies to the host that came before the weights: PyTorch warns of each."""

    def forward(self, gramian, losses):
        return torch.full_like(gramian[0], 1 / len(gramian))


def test_a_step_waits_for_the_device_once(recwarn):
    model, x, y = make("cuda")
    losses = losses_of(model, x, y)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        backward(losses, Watched(), shared=model[:2].parameters())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len([w for w in recwarn if "synchroniz" in str(w.message)]) == 1
