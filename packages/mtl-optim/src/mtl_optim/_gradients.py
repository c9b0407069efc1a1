"""Gradients in blocks, one per tensor, and their way into `.grad`."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

Block = list[Tensor | None]
Rows = list[Block]
Reduce = Callable[[Tensor], object]

# Elements that are added at once: their sum stays in the cache of a CPU core.
_PIECE = 131_072


def average(gradients: Block, reduce: Reduce | None) -> Block:
    """The gradients averaged over the processes."""
    if reduce is None:
        return gradients
    averaged: Block = []
    for gradient in gradients:
        if gradient is not None:
            # Autograd's result may be shared, expanded or of any layout.
            gradient = gradient.clone(memory_format=torch.contiguous_format)
            reduce(gradient)
        averaged.append(gradient)
    return averaged


def columns(rows: Rows) -> Iterable[list[Tensor | None]]:
    """The blocks of J, each as one entry per task."""
    return ([row[b] for row in rows] for b in range(len(rows[0])))


def unique(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The tensors in order, each once."""
    return list({id(tensor): tensor for tensor in tensors}.values())


def within_budget(tensors: list[Tensor], tasks: int, budget: int | None) -> list[list[Tensor]]:
    """The tensors in groups of which K gradients each fit in the budget, or in groups of one."""
    groups: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        needed = tasks * tensor.numel() * tensor.element_size()
        if budget is not None and groups[-1] and size + needed > budget:
            groups.append([])
            size = 0
        groups[-1].append(tensor)
        size += needed
    return groups


def add(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """The sum, where None is zero; a new tensor, since autograd's results may share memory."""
    if a is None or b is None:
        return b if a is None else a
    return a + b


def combine(block: list[Tensor | None], weights: Tensor) -> Tensor | None:
    """Σ w_k g_k for one block, or None where no task reaches it."""
    total: Tensor | None = None
    for weight, gradient in zip(weights.tolist(), block, strict=True):
        if gradient is not None:
            total = gradient * weight if total is None else total.add_(gradient, alpha=weight)
    return total


@torch.no_grad()
def accumulate_combined(tensors: list[Tensor], rows: Rows, weights: Tensor) -> None:
    """Add Jᵀ w to `.grad`, with no other memory, in pieces that stay in the cache of a CPU core."""
    numbers = weights.tolist()
    for tensor, block in zip(tensors, columns(rows), strict=True):
        present = [(w, g) for w, g in zip(numbers, block, strict=True) if g is not None]
        if not present:
            continue
        fresh = tensor.grad is None
        total = torch.empty_like(tensor) if tensor.grad is None else tensor.grad
        targets, parts = [total], [[g] for _, g in present]
        if total.numel() > _PIECE and total.is_contiguous() and total.device.type == "cpu":
            targets = list(torch.split(total.view(-1), _PIECE))
            parts = [list(torch.split(g.reshape(-1), _PIECE)) for _, g in present]
        (first, _), *others = present
        for target, part, *rest in zip(targets, *parts, strict=True):
            if fresh:
                torch.mul(part, first, out=target)
            else:
                target.add_(part, alpha=first)
            for (weight, _), part in zip(others, rest, strict=True):
                target.add_(part, alpha=weight)
        tensor.grad = total


@torch.no_grad()
def accumulate(tensors: list[Tensor], gradients: list[Tensor | None]) -> None:
    """Add the gradients to `.grad`, which stays None where there is none."""
    for tensor, gradient in zip(tensors, gradients, strict=True):
        if gradient is None:
            continue
        if tensor.grad is None:
            # A copy in the parameter's layout: autograd's result may be shared or expanded.
            tensor.grad = torch.empty_like(tensor).copy_(gradient)
        else:
            tensor.grad.add_(gradient)
