"""The driver among several processes, a memory budget, autocast, and compiled modules."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mtl_optim import MGDA, CAGrad, GradDrop, LinearScalarization, NashMTL, SDMGrad, backward
from mtl_optim._gradients import accumulate_combined, within_budget


def make(dtype=torch.float64):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)
    return model, torch.randn(6, 4, dtype=dtype), torch.randn(6, 3, dtype=dtype)


def gradients(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def per_task(output, target):
    return ((output - target) ** 2).mean(dim=0)


# --- data parallel

WORKER = """
import sys
import warnings
import torch
import torch.distributed as dist
from torch import nn
from mtl_optim import FAMO, MGDA, CAGrad, LinearScalarization, NashMTL, SDMGrad, backward

rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.set_num_threads(1)

def average(tensor):
    dist.all_reduce(tensor)
    tensor /= 2

torch.manual_seed(0)
trunk = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 5)).double()
head = nn.Linear(5, 3).double()
x, y = torch.randn(8, 4).double(), torch.randn(8, 3).double()

def run(method, route, rows, reduce, second=False):
    parameters = [*trunk.parameters(), *head.parameters()]
    for p in parameters:
        p.grad = None
    features = trunk(x[rows])
    losses = ((head(features) - y[rows]) ** 2).mean(dim=0)
    where = {"shared": trunk.parameters(), "features": features, None: None}[route]
    options = {} if route is None else {route: where}
    if second:
        options["second_batch"] = ((head(trunk(x[rows] + 1)) - y[rows]) ** 2).mean(dim=0)
    step = backward(losses, method(), reduce=reduce, **options)
    found = [p.grad for p in parameters]
    return [step.weights, step.losses, *found], step.gramian

half = slice(4 * rank, 4 * rank + 4)
cases = [(m, r) for m in (MGDA, NashMTL, CAGrad, lambda: NashMTL(update_every=1))
         for r in ("shared",)]
cases += [(MGDA, "features"), (CAGrad, "features")]
cases += [(lambda: LinearScalarization([0.2, 0.3, 0.5]), None), (SDMGrad, "shared")]
for method, route in cases:
    second = method is SDMGrad
    joint, G = run(method, route, slice(0, 8), None, second)
    parts, H = run(method, route, half, average, second)
    for a, b in zip(joint, parts, strict=True):
        torch.testing.assert_close(a, b)
    if route == "shared":
        torch.testing.assert_close(G, H)

# A method with a state follows the losses of both processes, whatever its own are.
logits = []
for rows, reduce in ((slice(0, 8), None), (half, average)):
    torch.manual_seed(0)
    net, method = nn.Linear(4, 3).double(), FAMO(3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.randn(8, 4, dtype=torch.float64)
    for step in range(20):
        losses = lambda: 0.1 + net(x[rows]).square().mean(0)
        optimizer.zero_grad()
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            backward(losses(), method, reduce=reduce)
        drifts = [str(w.message) for w in seen if "drifts" in str(w.message)]
        assert bool(drifts) == (reduce is None), drifts
        optimizer.step()
        method.look_again(losses().detach(), reduce=reduce)
    logits.append(method.logits)
torch.testing.assert_close(*logits)
print("agreed")
dist.destroy_process_group()
"""


def test_two_processes_give_the_weights_of_one_on_the_joint_batch(tmp_path):
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


# --- memory


@pytest.mark.parametrize("method", [MGDA, NashMTL, GradDrop, SDMGrad])
@pytest.mark.parametrize("budget", [1, 1_000, 10**9])
def test_a_memory_budget_changes_nothing(method, budget):
    found = []
    for options in ({}, {"memory_budget": budget}):
        model, x, y = make()
        head = nn.Linear(3, 3).double()
        nn.init.eye_(head.weight)
        losses = per_task(head(model(x)), y)
        if method is SDMGrad:
            options["second_batch"] = per_task(head(model(x + 1)), y)
        backward(losses, method(), shared=model.parameters(), **options)
        found.append((gradients(model), head.weight.grad))
    torch.testing.assert_close(*found)


def test_a_memory_budget_groups_the_parameters():
    tensors = [torch.empty(n) for n in (10, 20, 5, 100)]
    sizes = [[len(t) for t in group] for group in within_budget(tensors, 2, 240)]
    assert sizes == [[10, 20], [5], [100]]
    assert len(within_budget(tensors, 2, None)) == 1
    model, x, y = make()
    with pytest.raises(ValueError, match=r"`memory_budget`.*0"):
        backward(per_task(model(x), y), MGDA(), shared=model.parameters(), memory_budget=0)


@pytest.mark.parametrize("size", [3, 200_000])
def test_the_direction_is_added_piece_by_piece(size):
    generator = torch.Generator().manual_seed(0)
    p = torch.zeros(2, size, dtype=torch.float64, requires_grad=True)
    J = torch.randn(3, 2, size, generator=generator, dtype=torch.float64)
    w = torch.tensor([0.5, -2.0, 1.0], dtype=torch.float64)
    rows = [[J[0]], [J[1].T.contiguous().T], [J[2]]]
    for times in (1, 2):
        accumulate_combined([p], rows, w)
        torch.testing.assert_close(p.grad, times * torch.einsum("k,kab->ab", w, J))
    accumulate_combined([p], [[None], [None], [J[2]]], w)
    torch.testing.assert_close(p.grad, 2 * torch.einsum("k,kab->ab", w, J) + J[2])


# --- autocast and compiled modules


@pytest.mark.parametrize("route", ["shared", "features"])
def test_autocast_trains(route):
    model, x, y = make(torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    first = None
    for _ in range(20):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = model[:2](x)
            output = model[2](hidden)
        losses = per_task(output.float(), y)
        where = {"shared": model[:2].parameters()} if route == "shared" else {"features": hidden}
        step = backward(losses, MGDA(), **where)
        first = step.losses if first is None else first
        optimizer.step()
    assert step.gramian.dtype == torch.float64
    assert model[0].weight.grad.dtype == torch.float32
    assert float(step.losses.sum()) < float(first.sum())


@pytest.mark.parametrize("method", [LinearScalarization([0.2, 0.3, 0.5]), MGDA(), CAGrad()])
@pytest.mark.parametrize("route", ["shared", "features"])
def test_a_compiled_module_gives_the_same(method, route):
    found = []
    for compile_it in (False, True):
        model, x, y = make()
        trunk = torch.compile(model[:2], backend="aot_eager") if compile_it else model[:2]
        hidden = trunk(x)
        where = {"shared": model[:2].parameters()} if route == "shared" else {"features": hidden}
        step = backward(per_task(model[2](hidden), y), method, **where)
        found.append((step.weights, gradients(model)))
    torch.testing.assert_close(*found)


# PyTorch's compiler asks a tensor that is no leaf for its `.grad`.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_a_compiled_trunk_and_compiled_losses_give_the_same():
    found = []
    for compile_it in (False, True):
        model, x, y = make()
        trunk, losses = model[:2], lambda hidden: per_task(model[2](hidden), y)  # noqa: B023 - called in this turn
        if compile_it:
            trunk, losses = (torch.compile(part, backend="aot_eager") for part in (trunk, losses))
        hidden = trunk(x)
        step = backward(losses(hidden), MGDA(), features=hidden)
        found.append((step.weights, gradients(model)))
    torch.testing.assert_close(*found)


def test_features_from_one_compiled_function_with_the_losses_are_refused():
    model, x, y = make()

    @torch.compile(backend="aot_eager")
    def both():
        hidden = model[:2](x)
        return hidden, per_task(model[2](hidden), y)

    hidden, losses = both()
    with pytest.raises(ValueError, match=r"`features`.*compile what comes before them apart"):
        backward(losses, MGDA(), features=hidden)
    assert all(p.grad is None for p in model.parameters())


def test_features_of_which_a_task_uses_a_part():
    x = torch.ones(4, requires_grad=True)
    one, other = (2 * x).chunk(2)
    losses = [one.sum(), one[0] + 2 * other.sum()]
    step = backward(losses, MGDA(), features=[one, other])
    assert step.gramian.tolist() == [[2, 1], [1, 9]]
    w = torch.tensor([8 / 9, 1 / 9])  # MGDA's: G w is even
    torch.testing.assert_close(x.grad, 2 * torch.stack([w.sum(), w[0], 2 * w[1], 2 * w[1]]))


@pytest.mark.parametrize("budget", [None, 1])
@pytest.mark.parametrize("place", ["shared", "measure"])
def test_parameters_that_a_checkpoint_hides_are_refused(place, budget):
    block, last, head = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)
    x = torch.randn(5, 3, requires_grad=True)
    losses = (head(last(checkpoint(block, x, use_reentrant=True))) - 1).square().mean(0)
    parameters = [*block.parameters(), *last.parameters()]
    options = {place: parameters, "heads": (), "memory_budget": budget}
    with pytest.raises(ValueError, match=f"`{place}`.*use_reentrant=False"):
        backward(losses, MGDA(), **options)
    assert all(p.grad is None for p in parameters)
    losses = (head(last(checkpoint(block, x, use_reentrant=False))) - 1).square().mean(0)
    backward(losses, MGDA(), **options)
    assert block.weight.grad is not None
