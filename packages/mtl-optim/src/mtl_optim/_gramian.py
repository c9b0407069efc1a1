"""The Gramian of gradients that come in blocks, without the matrix J."""

from collections.abc import Sequence

import torch
from torch import Tensor

# Columns that are multiplied at once: a buffer that stays in the cache of a CPU core, while on an
# accelerator the number of kernel launches matters more.
_COLUMNS_CPU = 16_384
_COLUMNS_ACCELERATOR = 1_048_576


def gramian(jacobian: Sequence[Sequence[Tensor | None]]) -> Tensor:
    """G = J Jᵀ for a Jacobian given as one sequence of blocks per task.

    The blocks pass through one float64 buffer of fixed width. Products in float32 would lose a
    gradient 1e-19 times smaller than 1 to underflow, and TF32 would round the cosines.

    Args:
        jacobian: `jacobian[k][b]` is block b of the gradient of task k, of any shape; None is zero.

    Returns:
        Gramian (task, task), float64, on the device of the first block.

    Examples:
        >>> one, two = torch.tensor([1.0, 0.0]), torch.tensor([[2.0], [3.0]])
        >>> gramian([[one, two], [None, two]])
        tensor([[14., 13.],
                [13., 13.]], dtype=torch.float64)
    """
    tasks = len(jacobian)
    blocks = [[row[b] for row in jacobian] for b in range(len(jacobian[0]))]
    present = [next(g for g in block if g is not None) for block in blocks if any_of(block)]
    if not present:
        return torch.zeros(tasks, tasks, dtype=torch.float64)
    device = present[0].device
    width = _COLUMNS_CPU if device.type == "cpu" else _COLUMNS_ACCELERATOR
    width = min(width, sum(g.numel() for g in present))
    total = torch.zeros(tasks, tasks, dtype=torch.float64, device=device)
    buffer = torch.empty(tasks, width, dtype=torch.float64, device=device)
    filled = 0
    for block in blocks:
        if not any_of(block):
            continue
        flat = [None if g is None else g.reshape(-1) for g in block]
        size = next(g.numel() for g in flat if g is not None)
        start = 0
        while start < size:
            count = min(size - start, width - filled)
            for k, g in enumerate(flat):
                target = buffer[k, filled : filled + count]
                if g is None:
                    target.zero_()
                else:
                    target.copy_(g[start : start + count])
            start += count
            filled += count
            if filled == width:
                total.addmm_(buffer, buffer.T)
                filled = 0
    if filled:
        total.addmm_(buffer[:, :filled], buffer[:, :filled].T)
    return total


def cross_gramian(
    one: Sequence[Sequence[Tensor | None]], other: Sequence[Sequence[Tensor | None]]
) -> Tensor:
    """C = J J'ᵀ for two Jacobians of the same tasks and blocks: a corner of a larger Gramian.

    Examples:
        >>> cross_gramian([[torch.tensor([1.0, 2.0])]], [[torch.tensor([3.0, 4.0])]])
        tensor([[11.]], dtype=torch.float64)
    """
    return gramian([*one, *other])[: len(one), len(one) :]


def any_of(block: Sequence[Tensor | None]) -> bool:
    """Whether any task reaches this block."""
    return any(g is not None for g in block)
