"""Parameters that are spread over processes: the gradients of whole ones, or a refusal by name."""

import subprocess
import sys

import pytest
import torch
from torch.torch_version import TorchVersion

WORKER = """
import sys
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from mtl_optim import MGDA, JacobianAggregator, LinearScalarization, UpdateEvery, backward

rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.set_num_threads(1)
mesh = init_device_mesh("cpu", (2,))
torch.manual_seed(1)
x, y = torch.randn(8, 4).double(), torch.randn(8, 3).double()

class Mean(JacobianAggregator):
    def forward(self, jacobian):
        return jacobian.mean(dim=0)

def average(tensor):
    dist.all_reduce(tensor)
    tensor /= 2

def build(sharded):
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 5)).double()
    model = nn.ModuleDict({"trunk": trunk, "head": nn.Linear(5, 3).double()})
    for name in sharded:
        fully_shard(model[name], mesh=mesh)
    return model

def run(model, make, rows, route, reduce, times=2, **options):
    method = make()
    for _ in range(times):
        features = model["trunk"](x[rows])
        losses = ((model["head"](features) - y[rows]) ** 2).mean(dim=0)
        where = {"features": features} if route == "features" else {}
        step = backward(losses, method, reduce=reduce, **where, **options)
    return step

def whole(model):
    return [g.full_tensor() if isinstance(g, DTensor) else g
            for g in (p.grad for p in model.parameters())]

half = slice(4 * rank, 4 * rank + 4)
scalar = lambda: LinearScalarization([0.2, 0.3, 0.5])
held = lambda: UpdateEvery(MGDA(), steps=2)
for make, route in [(MGDA, "features"), (held, "features"), (Mean, "features"), (scalar, None)]:
    joint = build([])
    step = run(joint, make, slice(0, 8), route, None)
    for sharded in (["trunk", "head"], ["trunk"]):
        if route is None and len(sharded) == 1:
            continue  # refused below: who averages what
        model = build(sharded)
        parts = run(model, make, half, route, average)
        if step.weights is not None:
            torch.testing.assert_close(parts.weights, step.weights)
        assert isinstance(model["trunk"][0].weight.grad, DTensor)
        for a, b in zip(whole(joint), whole(model), strict=True):
            torch.testing.assert_close(a, b)

def refused(message, model, call):
    try:
        call()
    except ValueError as error:
        assert message in str(error), error
    else:
        raise AssertionError("not refused")
    assert all(p.grad is None for p in model.parameters())

model = build(["trunk", "head"])
before = list(model["trunk"].parameters())
for shared in (lambda: before, lambda: list(model["trunk"].parameters())):
    def call():
        losses = ((model["head"](model["trunk"](x[half])) - y[half]) ** 2).mean(dim=0)
        backward(losses, MGDA(), shared=shared(), reduce=average)
    refused("`shared` must hold parameters", model, call)
model = build(["trunk", "head"])
heads = list(model["head"].parameters())
refused("`heads` must", model, lambda: run(model, MGDA, half, "features", average, heads=heads))
model = build(["head"])
shared = list(model["trunk"].parameters())
refused("`shared` must not", model, lambda: run(model, MGDA, half, None, average, shared=shared))
model = build(["trunk"])
refused("`reduce` needs all", model, lambda: run(model, scalar, half, None, average))
p = nn.Parameter(distribute_tensor(torch.ones(4, 2), mesh, [Shard(0)]))
try:
    backward([(p * p).sum().full_tensor(), p.sum().full_tensor()], MGDA(), shared=[p],
             reduce=average)
except ValueError as error:
    assert "DTensor" in str(error), error
else:
    raise AssertionError("not refused")
assert p.grad is None
print("agreed")
dist.destroy_process_group()
"""


@pytest.mark.skipif(
    TorchVersion(torch.__version__) < "2.7", reason="fully_shard of 2.6 needs an accelerator"
)
def test_two_processes_with_sharded_parameters(tmp_path):
    if not torch.distributed.is_available():
        pytest.skip("PyTorch was built without torch.distributed")
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    workers = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for worker in workers:
        out, err = worker.communicate(timeout=120)
        assert worker.returncode == 0, err
        assert out == "agreed\n"
