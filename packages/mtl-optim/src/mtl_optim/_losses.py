"""The losses of one step, given as a vector or as a sequence of scalars."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge
from torch.torch_version import TorchVersion

from ._gradients import Reduce, fits


class TaskLosses:
    """One view of both forms in which losses come.

    The losses are a vector (task,) or a sequence of scalars, None where a task is absent: it counts
    among `tasks`, and nothing else here has an entry for it. The scaler scales the gradients that
    go through the graph, not the values; `reduce` averages the values over the processes.
    """

    def __init__(
        self,
        losses: Tensor | Sequence[Tensor | None],
        scaler: torch.amp.GradScaler | None,
        reduce: Reduce | None = None,
        *,
        name: str = "losses",
    ) -> None:
        if isinstance(losses, Tensor):
            if losses.ndim != 1 or losses.numel() == 0:
                raise ValueError(f"`{name}` must have shape (task,), got {tuple(losses.shape)}")
            if not losses.requires_grad:
                raise ValueError(f"`{name}` must have a graph, got a tensor that requires no grad")
            _check_real(name, losses)
            self.outputs = [losses]
            self.values = losses.detach()
            self.present, self.tasks = list(range(len(losses))), len(losses)
        elif isinstance(losses, Iterable) and not isinstance(losses, Mapping):
            losses = list(losses)
            there = {k: loss for k, loss in enumerate(losses) if loss is not None}
            self.present, self.outputs, self.tasks = list(there), list(there.values()), len(losses)
            if not there:
                what = "None alone" if self.tasks else "an empty sequence"
                raise ValueError(f"`{name}` must hold at least one task, got {what}")
            for k, loss in there.items():
                _check_scalar(f"{name}[{k}]", loss)
            self.values = _stacked(self.outputs)
        else:
            raise TypeError(
                f"`{name}` must be a tensor (task,) or a sequence of scalars, "
                f"got {type(losses).__name__}"
            )
        self.stacked = isinstance(losses, Tensor)
        self.parts = _stacked_parts(losses) if isinstance(losses, Tensor) else []
        if reduce is not None:
            self.values = _averaged(self.values, self.present, self.tasks, reduce)
        # `scale` rather than `get_scale`: it also makes a new scaler ready.
        one = torch.ones((), device=self.values.device)
        self.scale = 1.0 if scaler is None else float(scaler.scale(one))

    def __len__(self) -> int:
        return len(self.values)

    def seeds(self, weights: Tensor) -> list[Tensor]:
        """Return the gradients of scale · Σ w_k L_k with respect to the outputs."""
        scaled = weights * self.scale
        if self.scale == 1:  # a scaler finds what overflows, and takes a smaller scale
            for place, weight in enumerate(scaled.tolist()):
                dtype = self.outputs[0 if self.stacked else place].dtype
                if not fits(weight, dtype):
                    raise ValueError(
                        f"the weight of task {self.present[place]} must be finite in {dtype}, the "
                        f"precision of its loss, got {weight:g}: compute the losses in float32"
                    )
        if self.stacked:
            return [scaled.to(self.outputs[0].device, self.outputs[0].dtype)]
        return [
            torch.full_like(loss, weight)
            for loss, weight in zip(self.outputs, scaled.tolist(), strict=True)
        ]

    def backward(
        self, weights: Tensor, inputs: list[Tensor] | None = None, *, retain_graph: bool
    ) -> None:
        """Take one backward of Σ w_k L_k into `.grad`, of all parameters or of `inputs`."""
        seeds = self.seeds(weights)
        torch.autograd.backward(self.outputs, seeds, retain_graph=retain_graph, inputs=inputs)

    def total_gradient(
        self, weights: Tensor, inputs: list[Tensor], *, retain_graph: bool
    ) -> list[Tensor | None]:
        """Return the gradient of Σ w_k L_k with respect to `inputs`; None if it has none."""
        return _grad(self.outputs, inputs, self.seeds(weights), retain_graph)

    def gradient(
        self, task: int, inputs: list[Tensor], *, retain_graph: bool
    ) -> list[Tensor | None]:
        """Return the gradient of one loss with respect to `inputs`; None if it has none."""
        if self.parts:
            seed = self.values.new_full((), self.scale)
            return _grad([self.parts[task]], inputs, [seed], retain_graph)
        if self.stacked:
            seed = torch.zeros_like(self.values)
            seed[task] = self.scale
            return _grad(self.outputs, inputs, [seed], retain_graph)
        output = self.outputs[task]
        seed = torch.full_like(output, self.scale)
        return _grad([output], inputs, [seed], retain_graph)


def present_values(
    losses: Tensor | Sequence[Tensor | None], reduce: Reduce | None
) -> tuple[Tensor, list[int], int]:
    """Return the losses of the tasks present, which these are, and how many tasks there are in all.

    No loss needs a graph.
    """
    if isinstance(losses, Tensor) or not isinstance(losses, Iterable):
        values, tasks = losses, losses.numel() if isinstance(losses, Tensor) else 0
        present = list(range(tasks))
    else:
        losses = list(losses)
        there = {k: loss for k, loss in enumerate(losses) if loss is not None}
        present, tasks = list(there), len(losses)
        for k, loss in there.items():
            _check_scalar(f"losses[{k}]", loss, graph=False)
        values = _stacked(list(there.values())) if there else torch.empty(0, device="cpu")
    if reduce is not None and tasks > 0:
        values = _averaged(values.detach(), present, tasks, reduce)
    return values, present, tasks


def _stacked(losses: Sequence[Tensor]) -> Tensor:
    """Stack the values of scalars, which may lie on several devices where the model does."""
    first = losses[0]
    return torch.stack([loss.detach().reshape(()).to(first.device) for loss in losses])


def _averaged(values: Tensor, present: Sequence[int], tasks: int, reduce: Reduce) -> Tensor:
    """Average losses over the processes, all of which must have the same tasks."""
    joint = values.new_zeros(2, tasks)
    at = torch.tensor(present, device=values.device)
    joint[0, at], joint[1, at] = values, 1
    reduce(joint)
    parts = joint[1].tolist()
    for task, part in enumerate(parts):
        if 0 < part < 1:
            raise ValueError(
                f"`losses` must be of the same tasks on every process, got task {task} on "
                f"{part:.0%} of them"
            )
    return joint[0, at]


def _grad(
    outputs: Sequence[Tensor] | Sequence[GradientEdge],
    inputs: list[Tensor],
    seeds: list[Tensor],
    retain_graph: bool,
) -> list[Tensor | None]:
    if not inputs:
        return []
    found = torch.autograd.grad(
        outputs, inputs, seeds, retain_graph=retain_graph, allow_unused=True
    )
    for gradient in found:
        if gradient is not None and gradient.layout not in (torch.strided, torch.sparse_coo):
            raise TypeError(
                "`losses`: a gradient must be dense or sparse in coordinate form, "
                f"got {gradient.layout} for a parameter of shape {tuple(gradient.shape)}"
            )
    return list(found)


def _stacked_parts(losses: Tensor) -> list[GradientEdge]:
    """Find where `torch.stack` joined the losses: a walk from there skips the others' graphs.

    None for a vector that came about otherwise, and before PyTorch can walk from there (2.7).
    """
    node = losses.grad_fn
    if node is None or node.name() != "StackBackward0" or TorchVersion(torch.__version__) < "2.7":
        return []
    edges = [GradientEdge(n, place) for n, place in node.next_functions if n is not None]
    leaves = any(hasattr(edge.node, "variable") for edge in edges)
    return edges if len(edges) == len(losses) and not leaves else []


def _check_scalar(name: str, loss: object, *, graph: bool = True) -> None:
    if not isinstance(loss, Tensor):
        raise TypeError(f"`{name}` must be a tensor, got {type(loss).__name__}")
    if loss.numel() != 1:
        raise ValueError(f"`{name}` must be a scalar, got shape {tuple(loss.shape)}")
    if graph and not loss.requires_grad:
        raise ValueError(f"`{name}` must have a graph, got one that requires no grad")
    _check_real(name, loss)


def _check_real(name: str, loss: Tensor) -> None:
    if loss.is_complex():
        raise TypeError(f"`{name}` must be real, got {loss.dtype}")
