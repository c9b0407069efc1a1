"""The losses of a model as functions of one vector of parameters, with every evaluation counted."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..._checks import check_function, check_kind, check_losses
from ._points import Cost

_KERNEL = threading.RLock()

Losses = Callable[[nn.Module, Any], Tensor]
Product = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Values:
    """Losses or metrics at a place."""

    means: Tensor  # (row,), float64, on the CPU
    # (row, sample) that they are the means of, or None; NaN where there is no value
    samples: Tensor | None


@dataclass(frozen=True, eq=False)
class Expansion:
    """The losses to first order at a place."""

    theta: Tensor  # θ (param,)
    losses: Values  # ℓ, scaled, with their samples
    J: Tensor  # their Jacobian (task, param), in the dtype of θ


class Objective:
    """θ ↦ ℓ(θ) = L(θ) / s and its derivatives, for the trainable parameters θ of a model.

    The model is evaluated in eval mode, so that dropout is off and batch norm keeps its statistics,
    and with the mathematical kernel of attention, which alone can be differentiated twice. Its
    parameters are read and written in place. `losses` gives (task,), or (task, sample) to be
    averaged; Hessian-vector products take one fixed sample, `curvature_data`.
    """

    def __init__(
        self,
        model: nn.Module,
        losses: Losses,
        data: Any,
        curvature_data: Any,
        *,
        second_order: bool = True,
    ) -> None:
        check_kind("model", model, nn.Module)
        check_function("losses", losses)
        self.model = model
        self._losses = losses
        self._data = data
        self._curvature_data = curvature_data
        self._second_order = second_order
        self._checked = False
        self.named = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._parameters = list(self.named.values())
        if not self._parameters:
            raise ValueError("`model` must have a parameter that requires a gradient, found none")
        self.scales = torch.ones(1, dtype=torch.float64)  # until `begin`
        self.cost = Cost()

    @property
    def dtype(self) -> torch.dtype:
        """Of θ: float64 where a parameter is, else float32."""
        wide = any(p.dtype == torch.float64 for p in self._parameters)
        return torch.float64 if wide else torch.float32

    @property
    def device(self) -> torch.device:
        """Of θ: that of the first parameter."""
        return self._parameters[0].device

    def read(self) -> Tensor:
        """Copy the parameters θ (param,)."""
        return self.flat([p.detach() for p in self._parameters])

    @torch.no_grad()
    def write(self, theta: Tensor) -> None:
        """Give the model the parameters θ (param,)."""
        for parameter, piece in zip(self._parameters, self._pieces(theta), strict=True):
            parameter.copy_(piece.view_as(parameter))

    @contextmanager
    def unless_done(self, theta: Tensor) -> Iterator[None]:
        """Restore the model's θ and the losses' units if the block fails."""
        done, scales = False, self.scales
        try:
            yield
            done = True
        finally:
            if not done:
                self.write(theta)
                self.scales = scales

    def as_named(self, theta: Tensor) -> dict[str, Tensor]:
        """Copy the pieces of θ, by the names of the parameters."""
        return {
            name: piece.view_as(parameter).to(parameter.dtype).clone()
            for (name, parameter), piece in zip(
                self.named.items(), self._pieces(theta), strict=True
            )
        }

    def begin(self, theta: Tensor) -> int:
        """Take the losses at θ as the units s, if all are positive; return how many there are."""
        before = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        self.scales = torch.ones(1, dtype=torch.float64)
        losses = self.losses(theta).means
        for name, buffer in self.model.named_buffers():
            if not torch.equal(buffer, before[name]):
                raise RuntimeError(
                    f"evaluating the model changes its buffer `{name}`: a point would not be "
                    "its parameters alone"
                )
        self.scales = losses if bool((losses > 0).all()) else torch.ones_like(losses)
        return len(losses)

    def losses(self, theta: Tensor, *, finite: bool = True) -> Values:
        """Compute the scaled losses at θ, without gradients; not finite is an error by default."""
        self.write(theta)
        self.cost += Cost(forwards=1)
        with torch.no_grad(), evaluating(self.model):
            return self._values(self._losses(self.model, self._data), finite=finite)

    def expand(self, theta: Tensor) -> Expansion:
        """Compute the scaled losses at θ and their Jacobian."""
        self.write(theta)
        with torch.enable_grad(), evaluating(self.model):
            raw = self._losses(self.model, self._data)
            values = self._values(raw)
            if not raw.requires_grad:
                raise ValueError("`losses` must give a tensor with a graph to the model, got none")
            means = raw.mean(dim=1) if raw.ndim == 2 else raw
            rows = []
            for k, loss in enumerate(means):
                last = k == len(means) - 1
                rows.append(self.flat(self._gradient(loss, retain=not last)))
                self.cost += Cost(gradients=1)
        J = torch.stack(rows) / self.scales.to(rows[0])[:, None]
        if not bool(torch.isfinite(J).all()):
            task = int(torch.nonzero(~torch.isfinite(J).all(dim=1))[0])
            raise ValueError(f"`losses`: the gradient of task {task} must be finite")
        return Expansion(theta, values, J)

    def curvature(self, theta: Tensor, alpha: Tensor) -> Product:
        """Make v ↦ H v, H = Σ α_k ∇²ℓ_k at θ, which differentiates the gradient once more.

        One forward and one backward pass build the gradient's graph, on the fixed sample; each
        product is a backward pass through both.
        """
        if not self._second_order:
            return torch.zeros_like
        self.write(theta)
        with torch.enable_grad(), evaluating(self.model):
            raw = self._losses(self.model, self._curvature_data)
            means = raw.mean(dim=1) if raw.ndim == 2 else raw
            weights = (alpha / self.scales).to(means)
            gradient = self._gradient(weights @ means, create_graph=True)
        self.cost += Cost(gradients=1)
        curved = [g for g in gradient if g.requires_grad]
        if not self._checked:
            _check_twice_differentiable(curved)
            self._checked = True
        if not curved:  # linear losses
            return torch.zeros_like

        def product(v: Tensor) -> Tensor:
            self.cost += Cost(products=1)
            along = [
                piece.view_as(g).to(g.dtype)
                for g, piece in zip(gradient, self._pieces(v), strict=True)
                if g.requires_grad
            ]
            try:
                found = torch.autograd.grad(
                    curved,
                    self._parameters,
                    along,
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
            except RuntimeError as error:
                raise _not_twice(str(error)) from error
            return self.flat(found)

        return product

    def _pieces(self, theta: Tensor) -> Sequence[Tensor]:
        return torch.split(theta, [p.numel() for p in self._parameters])

    def _gradient(
        self, loss: Tensor, *, retain: bool = False, create_graph: bool = False
    ) -> tuple[Tensor, ...]:
        return torch.autograd.grad(
            loss,
            self._parameters,
            retain_graph=retain or create_graph,
            create_graph=create_graph,
            allow_unused=True,
            materialize_grads=True,
        )

    def flat(self, pieces: Iterable[Tensor]) -> Tensor:
        """Join tensors in the shapes of the parameters to one vector (param,)."""
        return torch.cat([p.reshape(-1).to(self.device, self.dtype) for p in pieces])

    def _values(self, raw: Tensor, *, finite: bool = True) -> Values:
        values = summarise(raw, "`losses`")
        if finite:
            check_losses(values.means)
        samples = None if values.samples is None else values.samples / self.scales[:, None]
        return Values(values.means / self.scales, samples)


def summarise(raw: Tensor, name: str) -> Values:
    """Average what a user's function gave over its samples, if it gave some."""
    if not isinstance(raw, Tensor) or raw.ndim not in (1, 2) or raw.numel() == 0:
        found = tuple(raw.shape) if isinstance(raw, Tensor) else type(raw).__name__
        raise ValueError(f"{name} must give a tensor (row,) or (row, sample), got {found}")
    values = raw.detach().to("cpu", torch.float64)
    if values.ndim == 1:
        return Values(values, None)
    return Values(values.nanmean(dim=1) if name != "`losses`" else values.mean(dim=1), values)


def _not_twice(why: str) -> RuntimeError:
    return RuntimeError(
        "`losses` must be differentiable twice for Hessian-vector products; "
        f"`second_order=False` does without ({why})"
    )


def _check_twice_differentiable(gradient: Sequence[Tensor]) -> None:
    """Raise if a part of the gradient cannot be differentiated.

    PyTorch leaves a node "Error" behind a backward pass that is marked so, and takes its derivative
    for zero where not all of them are asked for.
    """
    waiting = [g.grad_fn for g in gradient]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        if node.name().endswith("Error"):
            raise _not_twice("a backward pass is marked once_differentiable")
        for other, _ in node.next_functions:
            if other not in seen:
                seen.add(other)
                waiting.append(other)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluate in eval mode, with an attention that can be differentiated twice."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        # The choice of the kernel is global: navigators of other threads wait.
        with _KERNEL, sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
