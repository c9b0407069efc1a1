"""What the routes of `backward` refuse, or warn of, once the gradients are there."""

import warnings

import numpy as np
import torch
from torch import Tensor

from ._bases import Weighting
from ._gradients import Rows, any_of, columns
from ._graph import has_hidden_parameters
from ._losses import TaskLosses


def reached(rows: Rows) -> bool:
    """Return whether any task reaches any of the tensors."""
    return any(any_of(row) for row in rows)


def check_reached(
    parameter: str, tensors: list[Tensor], *, reached: bool, by: str = "losses"
) -> None:
    """Raise unless the losses reach one of the tensors."""
    if reached:
        return
    compiled = any("CompiledFunction" in type(tensor.grad_fn).__name__ for tensor in tensors)
    raise ValueError(
        f"`{parameter}` must be tensors that `{by}` were computed from"
        + (", not with: compile what comes before them apart from the rest" if compiled else "")
    )


def check_not_hidden(parameter: str, tasks: TaskLosses, rows: Rows) -> None:
    """Raise if gradients are missing because a checkpoint hides the parameters."""
    if all(map(any_of, columns(rows))) or not has_hidden_parameters(tasks.outputs):
        return
    raise ValueError(
        f"`{parameter}` must hold parameters that gradients can be taken of, got some behind "
        "`torch.utils.checkpoint` with `use_reentrant=True`: use `use_reentrant=False`, or pass "
        "`features=`"
    )


def check_meet(rows: Rows) -> None:
    """Raise if no two tasks share a feature tensor: their gradients would never be compared."""
    if len(rows) > 1 and not any(sum(g is not None for g in block) > 1 for block in columns(rows)):
        raise ValueError(
            "`features` must be tensors that several of `losses` are computed from, got one task "
            f"or none for each of {len(rows[0])}: run the trunk on the tasks' batches joined, and "
            "pass what it gives before it is split, or pass `shared=`"
        )


def warn_of_disjoint(rows: Rows, matrix: Tensor) -> None:
    """Warn if all tasks look at parts of the features of their own, as losses of single samples."""
    G = matrix.numpy()
    lengths = np.count_nonzero(G.diagonal())
    if lengths < 2 or np.count_nonzero(G) > lengths:
        return
    if any(_overlap([g for g in block if g is not None]) for block in columns(rows)):
        return
    warnings.warn(
        "each of `losses` depends on other entries of `features`, so that their gradients do not "
        "meet there and the Gramian is diagonal: pass `shared=`, or features that all tasks use",
        UserWarning,
        stacklevel=4,
    )


def _overlap(block: list[Tensor]) -> bool:
    """Return whether two of the gradients are both nonzero at an entry."""
    nonzero = [g.to_dense() != 0 for g in block]
    return len(nonzero) > 1 and bool((torch.stack(nonzero).sum(0) > 1).any())


def check_tracks(method: Weighting, route: str) -> None:
    """Raise for a method that keeps gradients, on a route that never has them all."""
    if method.tracks:
        raise ValueError(
            f"{type(method).__name__} keeps each gradient from step to step: it needs "
            f"`shared=` and no `memory_budget` below them, got `{route}=`"
        )
