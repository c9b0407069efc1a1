"""The options of `backward`, beside losses, method and parameters."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, distributed

from ._bases import JacobianAggregator, Weighting
from ._checks import (
    check_finite,
    check_flag,
    check_function,
    check_kind,
    check_length,
    check_positive_number,
)
from ._gradients import Reduce
from ._losses import TaskLosses


def check_options(
    scaler: object, reduce: object, memory_budget: float | None, retain_graph: bool
) -> None:
    """Raise for options that would fail later, or that mean something else."""
    if scaler is not None:
        check_kind("scaler", scaler, torch.amp.GradScaler)
    if reduce is not None:
        check_function("reduce", reduce)
    if memory_budget is not None:
        check_positive_number("memory_budget", memory_budget)
    check_flag("retain_graph", retain_graph)


def warn_of_other_processes() -> None:
    """Warn if this is one of several processes: the others do not see these gradients."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    processes = distributed.get_world_size()
    if processes > 1:
        warnings.warn(
            f"this is one of {processes} processes, and its gradients stay its own: pass "
            "`reduce=`, which averages a tensor over them, and do not wrap the model: "
            "DistributedDataParallel does not see gradients that are taken task by task. "
            "`reduce=lambda tensor: None` says that each process trains alone",
            UserWarning,
            stacklevel=3,
        )


def second_batch_losses(
    tasks: TaskLosses,
    method: Weighting | JacobianAggregator,
    losses: Tensor | Sequence[Tensor] | None,
    scaler: torch.amp.GradScaler | None,
    reduce: Reduce | None,
) -> TaskLosses | None:
    """Read the losses on the second batch, for a method that looks at two."""
    wanted = isinstance(method, Weighting) and method.wants_second_batch
    if wanted != (losses is not None):
        raise ValueError(
            f"{type(method).__name__} looks at "
            + (
                "two batches: pass `second_batch=`, the losses on an independent one, or make it "
                "with `one_batch=True`, got None"
                if wanted
                else "one batch, got `second_batch=`"
            )
        )
    if losses is None:
        return None
    second = TaskLosses(losses, scaler, reduce, name="second_batch")
    check_length("second_batch", len(second), len(tasks))
    check_finite(second.values, "`second_batch`: the loss")
    return second
