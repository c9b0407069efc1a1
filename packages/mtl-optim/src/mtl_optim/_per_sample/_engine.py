"""The Gramian of all samples' gradients.

A sum of losses that each depend on their own sample alone has, at the output of a layer, each
sample's gradient in that sample's place: one walk gives them all. What the layer does with its
parameters says what their gradients are.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge
from torch.nn.modules.batchnorm import _BatchNorm
from torch.torch_version import TorchVersion

from .._gramian import gramian
from .._losses import TaskLosses
from ._factors import Factors, Written, gramian_of
from ._layers import Parts, rule_of
from ._record import Found, Use, find_uses

# Whether a walk may start within a graph, at an edge: from PyTorch 2.7 on.
_FROM_EDGES = TorchVersion(torch.__version__) >= "2.7"


def check_modules(given: object) -> list[nn.Module]:
    """Return one module or several as a list; raise where a layer mixes the samples."""
    one = isinstance(given, nn.Module) or not isinstance(given, Iterable)
    modules: list[Any] = [given] if one else list(cast("Iterable[Any]", given))
    for module in modules:
        if not isinstance(module, nn.Module):
            raise TypeError(f"`modules` must be a module or several, got {type(module).__name__}")
    mixing = [
        f"{name or 'the module'} ({type(layer).__name__})"
        for module in modules
        for name, layer in module.named_modules()
        if isinstance(layer, _BatchNorm) and (layer.training or layer.running_mean is None)
    ]
    if mixing:
        raise ValueError(
            "`modules` must treat each sample alone, got normalisation by the whole batch in "
            f"{', '.join(mixing)}: put it into evaluation mode, or normalise otherwise"
        )
    return modules


def objectives(losses: object) -> tuple[Any, int | None]:
    """Return losses (sample, task) as a vector, sample by sample, and the number of samples.

    The number is None for losses of another shape, of which each is a sample's only one.
    """
    if isinstance(losses, Tensor) and losses.ndim == 2 and losses.numel() > 0:
        return losses.flatten(), len(losses)
    return losses, None


@dataclass(frozen=True, eq=False)
class Samples:
    """The Gramian (objective, objective), and what the walk from the losses found."""

    gramian: Tensor
    parameters: list[Tensor]  # of the modules, where the losses reach them
    found: Found
    rounding: float  # of the coarsest gradient

    def check_alone(self, weights: Tensor, gramian: Tensor, direction: list[Tensor | None]) -> None:
        """Raise unless the direction has the norm that the Gramian says, ‖Jᵀw‖² = wᵀ G w.

        Args:
            weights: w (objective,).
            gramian: G, in the units of the direction.
            direction: The gradient of Σ w_i L_i at the leaves, which is right in any case.
        """
        own = {id(p) for p in self.parameters}
        parts = [
            d
            for leaf, d in zip(self.found.leaves, direction, strict=True)
            if d is not None and id(leaf) in own
        ]
        norm = float(nn.utils.get_total_norm(parts)) ** 2
        said = float(weights @ gramian @ weights)
        scale = said + float(weights**2 @ gramian.diagonal())
        if abs(said - norm) > 4 * self.rounding**0.5 * scale:
            raise ValueError(
                "each of `losses` must depend on its own sample alone, along the first axis of "
                "every layer: as if it did, the squared norm of the gradient of Σ w L is "
                f"{said:g}, but it is {norm:g}; pass `shared=` instead of `modules=`"
            )


@torch.no_grad()
def sample_gramian(tasks: TaskLosses, modules: list[nn.Module], samples: int) -> Samples:
    """Compute the Gramian of the gradients with respect to the parameters of the modules.

    A parameter that is used outside the layers, or in a way that no rule covers, takes a walk of
    its own per objective.
    """
    wanted = {id(p): p for module in modules for p in module.parameters() if p.requires_grad}
    found = find_uses(tasks.outputs, wanted.values())
    parameters = [leaf for leaf in found.leaves if id(leaf) in wanted]
    if not parameters:
        raise ValueError("`modules` must hold parameters that `losses` were computed from")
    with torch.autocast(tasks.values.device.type, enabled=False):
        signs = _signs(samples).repeat_interleave(len(tasks) // samples)
        factors, rounding = _factors(tasks, found, signs.view(samples, -1))
        total = _exact(tasks, [p for p in parameters if id(p) not in factors])
        covered = ((p, factors.pop(id(p))) for p in parameters if id(p) in factors)
        signs = signs.to(total.device)
        total += gramian_of(covered, len(tasks), total.device) * signs * signs[:, None]
    return Samples((total + total.T) / 2, parameters, found, rounding)


def _signs(samples: int) -> Tensor:
    """Return the signs that the walk takes the samples' losses with: (sample,), float64.

    Where the samples are apart, each sample's gradients have its sign, and the Gramian is freed of
    it. Where they are not, what comes out contradicts the gradient of Σ w L, for equal w too. The
    signs are those of Thue and Morse, which have no period.
    """
    return torch.tensor([1.0 - 2.0 * (i.bit_count() % 2) for i in range(samples)]).double()


def _exact(tasks: TaskLosses, parameters: list[Tensor]) -> Tensor:
    """Compute the part of the Gramian of parameters that take a walk per objective."""
    total = tasks.values.new_zeros(len(tasks), len(tasks), dtype=torch.float64)
    if not parameters:
        return total
    rows = [tasks.gradient(k, parameters, retain_graph=True) for k in range(len(tasks))]
    return total + gramian(rows).to(total.device)


def _factors(
    tasks: TaskLosses, found: Found, signs: Tensor
) -> tuple[dict[int, list[list[Factors]]], float]:
    """Find the factors of each parameter, by its id: one list per part, with an entry per use.

    They are those of the losses times `signs` (sample, task). And the rounding of the coarsest
    gradient.
    """
    uses = [(edge, use, own) for edge, use in found.uses if (own := _own(use, found))]
    counts = Counter(key for _, _, own in uses for key in own.values())
    gradients, rounding = _output_gradients(tasks, [edge for edge, _, _ in uses], signs)
    gathered: dict[int, list[list[Factors]]] = {}
    failed: set[int] = set()
    for (edge, use, own), g in zip(uses, gradients, strict=True):
        parts: Parts = {}
        if g is not None:
            rule = rule_of(use.module)
            parts = (rule and rule(use, g)) or {}
            if not parts and all(counts[key] == 1 for key in own.values()):
                parts = _walked(edge, use, own, g)
        for name, key in own.items():
            new = parts.get(name, [])
            before = gathered.setdefault(key, [[] for _ in new])
            if not new or len(before) != len(new):
                failed.add(key)
                continue
            for part, one in zip(before, new, strict=True):
                part.append(one)
    return {key: parts for key, parts in gathered.items() if key not in failed}, rounding


def _rounding(tensor: Tensor) -> float:
    """Return how coarse a tensor's numbers may be: an accelerator may multiply in TF32."""
    if tensor.dtype == torch.float32 and tensor.device.type == "cuda":
        return 2.0**-10
    return torch.finfo(tensor.dtype).eps


def _own(use: Use, found: Found) -> dict[str, int]:
    """Return the ids of the parameters whose factors a call of a layer gives, by name."""
    named = use.module.named_parameters(remove_duplicate=False)
    return {name: id(p) for name, p in named if id(p) in found.noted}


def _output_gradients(
    tasks: TaskLosses, edges: list[GradientEdge], signs: Tensor
) -> tuple[list[Tensor | None], float]:
    """Compute the gradients at outputs (sample, task, repeat, ...), by one walk per task.

    None where the first axis of an output does not hold each sample equally often. And the rounding
    of the coarsest of them; those of half precision come in float32.
    """
    rounding = _rounding(tasks.values)
    if not edges:
        return [], rounding
    samples, each = signs.shape
    walks = []
    for task in range(each):
        weights = torch.zeros_like(signs)
        weights[:, task] = signs[:, task]
        walks.append(
            tasks.total_gradient(weights.flatten(), cast("list[Tensor]", edges), retain_graph=True)
        )
    found: list[Tensor | None] = []
    for per_task in zip(*walks, strict=True):
        like = next((g for g in per_task if g is not None), None)
        if like is None or like.ndim == 0 or len(like) % samples or not like.numel():
            found.append(None)
            continue
        present = [torch.zeros_like(like) if g is None else g for g in per_task]
        apart = [g.unflatten(0, (samples, 1, -1)) for g in present]
        rounding = max(rounding, _rounding(like))
        stacked = torch.cat(apart, dim=1) if each > 1 else apart[0]
        found.append(stacked.to(torch.promote_types(stacked.dtype, torch.float32)))
    return found, rounding


def _walked(edge: GradientEdge, use: Use, own: dict[str, int], g: Tensor) -> Parts:
    """Take the gradients of a layer without a rule by walks through it, one per objective."""
    if not _FROM_EDGES:
        return {}
    samples, each = g.shape[:2]
    names, parameters = zip(
        *((name, p) for name, p in use.module.named_parameters() if name in own), strict=True
    )
    rows = [
        torch.zeros(samples, each, *p.shape, dtype=p.dtype, device=p.device) for p in parameters
    ]
    for sample in range(samples):
        for task in range(each):
            seed = torch.zeros_like(g[:, task])
            seed[sample] = g[sample, task]
            found = torch.autograd.grad(
                [edge], parameters, [seed.flatten(0, 1)], retain_graph=True, allow_unused=True
            )
            for row, gradient in zip(rows, found, strict=True):
                if gradient is not None:
                    row[sample, task] = gradient
    return {name: [Written(row)] for name, row in zip(names, rows, strict=True)}
