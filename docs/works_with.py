"""Writes docs/works-with.md: what `mtl_optim.backward` works with, found by trying all of it.

python docs/works_with.py

A trial takes a small model of two tasks through one route and compares `.grad` and the weights with
what plain autograd gives. The trials of several processes run in two, which this file starts.
"""

import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.checkpoint import checkpoint

from mtl_optim import MGDA, LinearScalarization, Step, backward

DOCS = Path(__file__).parent

ROUTES = {
    "losses": "losses alone",
    "shared": "`shared=`",
    "budget": "`memory_budget=`",
    "features": "`features=`",
    "measure": "`measure=`",
}
"""What a column is called. Losses alone are those of a method that looks at no gradients."""

SCALE = 1024.0  # of the gradient scaler
ROWS = 8  # of the batch, which two processes halve
TOLERANCE = {torch.float16: 1e-2, torch.bfloat16: 6e-2, torch.float32: 1e-4, torch.float64: 1e-9}


class Model(nn.Module):
    """A trunk, two heads, and a batch; the losses are mean squares in float32 or better."""

    def __init__(self, trunk: nn.Module, heads: Sequence[nn.Module], inputs: Tensor) -> None:
        super().__init__()
        self.trunk, self.heads, self.inputs = trunk, nn.ModuleList(heads), inputs
        self.last = trunk[-1] if isinstance(trunk, nn.Sequential) else trunk

    def losses(self, features: Tensor) -> list[Tensor]:
        """Two losses that pull the features in different ways."""
        if features.is_complex():
            features = torch.view_as_real(features).flatten(1)
        outputs = [head(features) for head in self.heads]
        wide = [out.double() if out.dtype == torch.float64 else out.float() for out in outputs]
        return [(wide[0] - 1).square().mean(), (wide[1] + 0.5).square().mean()]

    def forward(self) -> tuple[Tensor, list[Tensor]]:
        """The features and the losses of the batch."""
        features = self.trunk(self.inputs)
        return features, self.losses(features)

    def half(self, rank: int) -> "Model":
        """The part of the batch that one of two processes has."""
        self.inputs = self.inputs.chunk(2)[rank]
        return self


# --- kinds of parameters


def _dense(dtype: torch.dtype) -> Model:
    trunk = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    model = Model(trunk, [nn.Linear(3, 1), nn.Linear(3, 2)], torch.randn(ROWS, 4, dtype=dtype))
    return model.to(dtype)


def _sparse() -> Model:
    words = nn.Embedding(9, 4, sparse=True)
    model = Model(
        nn.Sequential(words, nn.Linear(4, 3)),
        [nn.Linear(3, 1), nn.Linear(3, 2)],
        torch.tensor([0, 3, 3, 5, 1, 8, 3, 2]),
    )
    model.last = words
    return model


class _Complex(nn.Module):
    """A complex layer; its output is seen as real numbers where `real`."""

    def __init__(self, real: bool) -> None:
        super().__init__()
        self.weight, self.real = nn.Parameter(torch.randn(4, 3, dtype=torch.cfloat)), real

    def forward(self, inputs: Tensor) -> Tensor:
        found = inputs.to(torch.cfloat) @ self.weight
        return torch.view_as_real(found).flatten(1) if self.real else found


def _complex(*, real: bool) -> Model:
    return Model(_Complex(real), [nn.Linear(6, 1), nn.Linear(6, 2)], torch.randn(ROWS, 4))


class _Decoder(nn.Module):
    """A head that uses the first weight of the trunk again."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.layer.weight


def _tied() -> Model:
    layer = nn.Linear(4, 3)
    trunk = nn.Sequential(layer, nn.Tanh(), nn.Linear(3, 3))
    return Model(trunk, [_Decoder(layer), nn.Linear(3, 2)], torch.randn(ROWS, 4))


def _frozen() -> Model:
    model = _dense(torch.float32)
    model.trunk[0].requires_grad_(False)
    model.heads[1].bias.requires_grad_(False)
    return model


def _unused() -> Model:
    model = _dense(torch.float32)
    model.last.unused = nn.Parameter(torch.ones(2))
    return model


def _weight_norm() -> Model:
    model = _dense(torch.float32)
    weight_norm(model.trunk[0])
    weight_norm(model.last)
    return model


KINDS: dict[str, Callable[[], Model]] = {
    "float32": lambda: _dense(torch.float32),
    "float64": lambda: _dense(torch.float64),
    "bfloat16": lambda: _dense(torch.bfloat16),
    "float16": lambda: _dense(torch.float16),
    "sparse gradients (`nn.Embedding(sparse=True)`)": _sparse,
    "complex": lambda: _complex(real=True),
    "complex, and complex features": lambda: _complex(real=False),
    "tied, trunk and head": _tied,
    "frozen in part": _frozen,
    "unused in part": _unused,
    "under `weight_norm`": _weight_norm,
}


# --- what stands around the model


Forward = Callable[[], tuple[Tensor, list[Tensor]]]
"""What computes the features and the losses."""


@dataclass
class Around:
    """What a loop may have around a model, and what the gradients should then be."""

    wrap: Callable[[Model], Forward] = lambda model: model
    context: Callable[[], AbstractContextManager[Any]] = nullcontext
    options: Callable[[], dict[str, Any]] = dict
    factor: float = 1.0  # of `.grad`
    times: int = 1  # that the step is repeated, which accumulates
    tolerance: float = 0.0
    processes: bool = False
    during: Callable[[], AbstractContextManager[Any]] = nullcontext  # all of the trial


def _by(trunk: Callable[[Tensor], Tensor], model: Model) -> Forward:
    """The forward with something else for the trunk."""

    def forward() -> tuple[Tensor, list[Tensor]]:
        features = trunk(model.inputs)
        return features, model.losses(features)

    return forward


def _checkpointed(*, reentrant: bool) -> Callable[[Model], Forward]:
    """The trunk but for its last layer is checkpointed."""

    def wrap(model: Model) -> Forward:
        def trunk(inputs: Tensor) -> Tensor:
            if reentrant:  # it needs an input with a graph
                inputs = inputs.clone().requires_grad_()
            return model.last(checkpoint(model.trunk[:-1], inputs, use_reentrant=reentrant))

        return _by(trunk, model)

    return wrap


def _functional(model: Model) -> Forward:
    parameters = dict(model.trunk.named_parameters())
    return _by(lambda x: torch.func.functional_call(model.trunk, parameters, (x,)), model)


@contextmanager
def _no_donated_buffers() -> Iterator[None]:
    with torch._functorch.config.patch(donated_buffer=False):
        yield


def _compiled(model: Model, *, used: bool = False) -> Forward:
    """The trunk compiled; used once before, by a plain backward."""
    torch.compiler.reset()
    trunk = torch.compile(model.trunk, backend="aot_eager")
    if used:
        trunk(model.inputs).sum().backward()
        model.zero_grad()
    return _by(trunk, model)


def _average(tensor: Tensor) -> None:
    """Average a tensor over the processes."""
    distributed.all_reduce(tensor)
    tensor /= distributed.get_world_size()


def _sharded(model: Model) -> Forward:
    mesh = init_device_mesh("cpu", (distributed.get_world_size(),))
    for part in (model.trunk, *model.heads):
        fully_shard(part, mesh=mesh)
    return model


def _hooked(model: Model) -> Forward:
    """After accumulation a hook doubles `.grad`: wrong unless it is called once, at the end."""

    def double(parameter: Tensor) -> None:
        parameter.grad = 2 * parameter.grad

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(double)
    return model


AROUND: dict[str, Around] = {
    "gradient accumulation": Around(times=2),
    "`torch.compile`": Around(wrap=_compiled),
    "`torch.compile`, after a plain backward": Around(wrap=partial(_compiled, used=True)),
    "the same with `torch._functorch.config.donated_buffer = False`": Around(
        wrap=partial(_compiled, used=True), during=_no_donated_buffers
    ),
    "autocast to bfloat16": Around(
        context=lambda: torch.autocast("cpu", torch.bfloat16), tolerance=6e-2
    ),
    "`GradScaler`, `scaler=`": Around(
        options=lambda: {"scaler": torch.amp.GradScaler("cpu", init_scale=SCALE)}, factor=SCALE
    ),
    "`checkpoint(use_reentrant=False)`": Around(wrap=_checkpointed(reentrant=False)),
    "`checkpoint(use_reentrant=True)`": Around(wrap=_checkpointed(reentrant=True)),
    "`torch.autograd.graph.save_on_cpu`": Around(context=torch.autograd.graph.save_on_cpu),
    "`torch.func.functional_call`": Around(wrap=_functional),
    "`register_post_accumulate_grad_hook`": Around(wrap=_hooked, factor=2.0),
}
TOGETHER: dict[str, Around] = {
    "`reduce=`": Around(options=lambda: {"reduce": _average}, processes=True, times=2),
    "`DistributedDataParallel`, no `reduce=`": Around(
        wrap=nn.parallel.DistributedDataParallel, processes=True, times=2
    ),
    "`fully_shard` (FSDP2), `reduce=`": Around(
        wrap=_sharded, options=lambda: {"reduce": _average}, processes=True, times=2
    ),
}


# --- a trial


def _where(model: Model, route: str, features: Tensor) -> dict[str, Any]:
    if route in ("shared", "budget"):
        return {"shared": model.trunk.parameters()} | (
            {"memory_budget": 1} if route == "budget" else {}
        )
    if route == "features":
        return {"features": features}
    return {"measure": model.last.parameters()} if route == "measure" else {}


def _gradients(outputs: Tensor, inputs: list[Tensor], seed: Tensor | None = None) -> list[Tensor]:
    """What autograd gives, dense, with 0 where there is nothing."""
    found = torch.autograd.grad(outputs, inputs, seed, retain_graph=True, allow_unused=True)
    return [
        torch.zeros_like(i) if g is None else g.to_dense() if g.is_sparse else g
        for g, i in zip(found, inputs, strict=True)
    ]


def _real(gradient: Tensor) -> Tensor:
    return torch.view_as_real(gradient) if gradient.is_complex() else gradient


def _gramian(rows: list[list[Tensor]]) -> Tensor:
    wide = [torch.cat([_real(g).flatten().double() for g in r]) for r in rows]
    return torch.stack(wide) @ torch.stack(wide).T


def expected(model: Model, route: str) -> tuple[Tensor, list[Tensor | None]]:
    """The weights and the gradients, by plain autograd from the definition of each route."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    features = model.trunk(model.inputs)
    end = features.detach().requires_grad_()
    losses, past = model.losses(features), model.losses(end)  # past: walks end at the features
    at = {
        "losses": [],
        "features": [end],
        "measure": [p for p in model.last.parameters() if p.requires_grad],
    }.get(route, [p for p in model.trunk.parameters() if p.requires_grad])
    if route == "losses":
        weights = torch.tensor([0.3, 0.7], dtype=torch.float64)
    else:
        rows = [_gradients(loss, at) for loss in (past if route == "features" else losses)]
        weights = MGDA().weights(gramian=_gramian(rows))
    whole = [_gradients(loss, parameters) for loss in losses]
    direct = [_gradients(loss, parameters) for loss in past]
    weighed = {
        "losses": parameters,
        "features": [],
        "measure": [p for p, a, b in zip(parameters, *whole, strict=True) if a.any() and b.any()],
    }.get(route, at)
    kept = {id(p) for p in weighed}
    gradients, share = [], weights.tolist()
    for p, parts, ends in zip(
        parameters, zip(*whole, strict=True), zip(*direct, strict=True), strict=True
    ):
        if not any(bool(part.any()) for part in parts):
            gradients.append(None)
        elif route == "features":  # weighed behind the features, plain past them
            behind = sum(w * (a - b) for w, a, b in zip(share, parts, ends, strict=True))
            gradients.append(behind + sum(ends))
        elif id(p) in kept:
            gradients.append(sum(w * part for w, part in zip(share, parts, strict=True)))
        else:
            gradients.append(sum(parts))
    return weights, gradients


def _plain(gradient: Tensor | None) -> Tensor | None:
    """A gradient as one dense tensor of this process."""
    if gradient is None:
        return None
    if hasattr(gradient, "full_tensor"):
        gradient = gradient.full_tensor()
    return gradient.to_dense() if gradient.is_sparse else gradient


def _agree(found: Tensor | None, wanted: Tensor | None, tolerance: float) -> bool:
    if found is None or wanted is None:
        return found is wanted or not bool((wanted if found is None else found).any())
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        return False
    return bool((found - wanted).abs().max() <= tolerance * wanted.abs().max() + tolerance / 100)


def try_it(kind: Callable[[], Model], around: Around, route: str, rank: int = 0) -> str:
    """One trial: "works", "warns", "wrong: ..." or the error with its message."""
    torch.manual_seed(0)
    reference = kind()
    with around.context():
        weights, gradients = expected(reference, route)
    torch.manual_seed(0)
    model = kind().half(rank) if around.processes else kind()
    method = LinearScalarization([0.3, 0.7]) if route == "losses" else MGDA()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with around.during():
                forward = around.wrap(model)  # which may give it new parameters
                step = _steps(model, forward, around, method, route)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
            if ours := _of_processes(caught):  # DDP's error comes a step later
                return ours
            untouched = all(p.grad is None for p in model.parameters())
            return _of_error(error) if untouched else f"wrong: {error!r} left gradients"
    if ours := _of_processes(caught):
        return ours
    parameters = [p for p in model.parameters() if p.requires_grad]
    tolerance = max(around.tolerance, *(TOLERANCE[p.dtype.to_real()] for p in parameters))
    if not _agree(step.weights, weights, max(tolerance, 1e-3)):
        return f"wrong: weights {step.weights.tolist()} for {weights.tolist()}"
    factor = around.factor * around.times
    for p, wanted in zip(parameters, gradients, strict=True):
        if not _agree(_plain(p.grad), None if wanted is None else factor * wanted, tolerance):
            return f"wrong: {_plain(p.grad)} for {wanted}"
    return "works"


def _of_processes(caught: list[warnings.WarningMessage]) -> str:
    """The warning that this is one of several processes, if it is among these."""
    messages = [str(w.message) for w in caught]
    return next((f"warns: {text}" for text in messages if "one of 2 processes" in text), "")


def _steps(model: Model, forward: Forward, around: Around, method: Any, route: str) -> Step:
    """The steps of a trial; the record of the last."""
    for _ in range(around.times):
        with around.context():
            features, losses = forward()
        step = backward(losses, method, **_where(model, route, features), **around.options())
    return step


def _of_error(error: Exception) -> str:
    """The error: refused by mtl-optim, which names its argument, or one of PyTorch's."""
    frame = error.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    ours = "mtl_optim" in frame.tb_frame.f_globals.get("__name__", "") and "`" in str(error)
    return f"{'refused' if ours else 'fails'}: {type(error).__name__}: {error}"


# --- the page

HEAD = """\
# What works with what

<!-- Written by docs/works_with.py: change that, not this. -->

Every cell of these tables is a trial of `mtl_optim.backward`, which a test repeats. It takes a
small model of two tasks and MGDA, or a fixed scalarisation where the method looks at losses alone.
The weights and every `.grad` are compared with what plain autograd gives.

* **works**: they agree.
* **warns**: a `UserWarning` says what is missing.
* **refused**: an error names the argument, and no `.grad` is touched.
* **fails**: an error of PyTorch's, and no `.grad` is touched.

The numbers lead to the message. The columns are the [routes](mtl-optim.md#a-step).
[mtl-optim in your loop](recipes-mtl-optim.md) has programs for most of the rows.
"""

TITLES = {"Kinds of parameters": KINDS, "Around the model": AROUND, "Two processes": TOGETHER}


def outcomes() -> dict[str, dict[str, list[str]]]:
    """The outcome of every trial: table, row, one per route."""
    alone, dense = Around(), KINDS["float32"]
    return {
        "Kinds of parameters": {
            name: [try_it(kind, alone, route) for route in ROUTES] for name, kind in KINDS.items()
        },
        "Around the model": {
            name: [try_it(dense, around, route) for route in ROUTES]
            for name, around in AROUND.items()
        },
        "Two processes": _in_two_processes(),
    }


def _in_two_processes() -> dict[str, list[str]]:
    """The outcomes of the trials of processes: the first one's, if both have the same."""
    with tempfile.TemporaryDirectory() as folder:
        workers = [
            subprocess.Popen(  # noqa: S603 - this file
                [sys.executable, __file__, str(rank), f"{folder}/store"], stdout=subprocess.PIPE
            )
            for rank in range(2)
        ]
        first, second = [json.loads(worker.communicate(timeout=240)[0]) for worker in workers]
    return {
        row: [
            a if a.partition(":")[0] == b.partition(":")[0] else f"wrong: {a}, and {b}"
            for a, b in zip(cells, second[row], strict=True)
        ]
        for row, cells in first.items()
    }


def _work(rank: int, store: str) -> None:
    """What one of the two processes does."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=2)
    dense = KINDS["float32"]
    found = {
        name: [try_it(dense, around, route, rank) for route in ROUTES]
        for name, around in TOGETHER.items()
    }
    distributed.destroy_process_group()
    sys.stdout.write(json.dumps(found))


def page(tables: dict[str, dict[str, list[str]]]) -> str:
    """The page's Markdown."""
    notes: list[str] = []
    parts = [HEAD]
    for title, rows in tables.items():
        lines = [
            f"## {title}\n",
            f"| | {' | '.join(ROUTES.values())} |",
            "| --- |" + " --- |" * len(ROUTES),
            *(
                f"| {row} | {' | '.join(_cell(c, notes) for c in cells)} |"
                for row, cells in rows.items()
            ),
        ]
        parts.append("\n".join(lines) + "\n")
    parts.append("## Messages\n")
    parts.append("\n".join(f"{k}. {note}" for k, note in enumerate(notes, 1)) + "\n")
    return "\n".join(parts)


def _cell(outcome: str, notes: list[str]) -> str:
    """The outcome in a word, and the number of its message."""
    word, _, message = outcome.partition(": ")
    if not message:
        return word
    message = " ".join(message.split())
    if message not in notes:
        notes.append(message)
    return f"{word} [{notes.index(message) + 1}](#messages)"


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _work(int(sys.argv[1]), sys.argv[2])
    else:
        target = Path(sys.argv[1]) if len(sys.argv) == 2 else DOCS / "works-with.md"
        target.write_text(page(outcomes()), encoding="utf-8")
