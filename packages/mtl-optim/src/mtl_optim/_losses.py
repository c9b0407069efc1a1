"""The losses of one step, given as a vector or as a sequence of scalars."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge
from torch.torch_version import TorchVersion

from ._gradients import Reduce, fits


class TaskLosses:
    """One view of both forms in which losses come.

    The losses are a vector (task,) or a sequence of scalars. The scaler scales the gradients that
    go through the graph, not the values; `reduce` averages the values over the processes.
    """

    def __init__(
        self,
        losses: Tensor | Sequence[Tensor],
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
        elif isinstance(losses, Iterable) and not isinstance(losses, Mapping):
            self.outputs = list(losses)
            if not self.outputs:
                raise ValueError(f"`{name}` must hold at least one task, got an empty sequence")
            for k, loss in enumerate(self.outputs):
                _check_scalar(f"{name}[{k}]", loss)
            # Losses may lie on several devices where the model does.
            first = self.outputs[0]
            self.values = torch.stack(
                [loss.detach().reshape(()).to(first.device) for loss in self.outputs]
            )
        else:
            raise TypeError(
                f"`{name}` must be a tensor (task,) or a sequence of scalars, "
                f"got {type(losses).__name__}"
            )
        self.stacked = isinstance(losses, Tensor)
        self.parts = _stacked_parts(losses) if isinstance(losses, Tensor) else []
        if reduce is not None:
            self.values = self.values.clone()
            reduce(self.values)
        # `scale` rather than `get_scale`: it also makes a new scaler ready.
        one = torch.ones((), device=self.values.device)
        self.scale = 1.0 if scaler is None else float(scaler.scale(one))

    def __len__(self) -> int:
        return len(self.values)

    def seeds(self, weights: Tensor) -> list[Tensor]:
        """Return the gradients of scale · Σ w_k L_k with respect to the outputs."""
        scaled = weights * self.scale
        least = min(torch.finfo(dtype).max for dtype in {loss.dtype for loss in self.outputs})
        # A scaler finds what overflows, and takes a smaller scale.
        if self.scale == 1 and bool((scaled.abs() > least).any()):
            for task, weight in enumerate(scaled.tolist()):
                dtype = self.outputs[0 if self.stacked else task].dtype
                if not fits(weight, dtype):
                    raise ValueError(
                        f"the weight of task {task} must be finite in {dtype}, the precision of "
                        f"its loss, got {weight:g}: compute the losses in float32"
                    )
        if self.stacked:
            return [scaled.to(self.outputs[0].device, self.outputs[0].dtype)]
        return [
            torch.full_like(loss, weight)
            for loss, weight in zip(self.outputs, scaled.tolist(), strict=True)
        ]

    def backward(self, weights: Tensor, *, retain_graph: bool) -> None:
        """Take one backward of Σ w_k L_k into `.grad`."""
        torch.autograd.backward(self.outputs, self.seeds(weights), retain_graph=retain_graph)

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


def _grad(
    outputs: Sequence[Tensor] | Sequence[GradientEdge],
    inputs: list[Tensor],
    seeds: list[Tensor],
    retain_graph: bool,
) -> list[Tensor | None]:
    if not inputs:
        return []
    return list(
        torch.autograd.grad(outputs, inputs, seeds, retain_graph=retain_graph, allow_unused=True)
    )


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


def _check_scalar(name: str, loss: object) -> None:
    if not isinstance(loss, Tensor):
        raise TypeError(f"`{name}` must be a tensor, got {type(loss).__name__}")
    if loss.numel() != 1:
        raise ValueError(f"`{name}` must be a scalar, got shape {tuple(loss.shape)}")
    if not loss.requires_grad:
        raise ValueError(f"`{name}` must have a graph, got one that requires no grad")
    _check_real(name, loss)


def _check_real(name: str, loss: Tensor) -> None:
    if loss.is_complex():
        raise TypeError(f"`{name}` must be real, got {loss.dtype}")
