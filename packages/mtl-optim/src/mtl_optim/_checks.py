"""The checks of arguments that several files share, each written once."""

import difflib
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn


def unknown_name(parameter: str, found: object, known: Iterable[str]) -> ValueError:
    """The error for a name that is none of `known`, with the nearest one."""
    names = sorted(known)
    near = difflib.get_close_matches(str(found), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ValueError(f"`{parameter}` must be one of {names}, got {found!r}{hint}")


def check_finite(values: Tensor, what: str) -> None:
    """Raise for the first task whose entry of `values` (task,) is NaN or infinite."""
    finite = torch.isfinite(values)
    if not bool(finite.all()):
        task = int(torch.nonzero(~finite)[0])
        raise ValueError(
            f"{what} of task {task} must be finite, got {float(values[task])} "
            f"(all tasks: {values.tolist()})"
        )


def check_losses(losses: Tensor) -> None:
    """Raise unless `losses` is a finite vector (task,)."""
    if losses.ndim != 1 or losses.numel() == 0:
        raise ValueError(f"`losses` must have shape (task,), got {tuple(losses.shape)}")
    check_finite(losses, "`losses`: the loss")


def check_cross_gramian(gramian: Tensor) -> None:
    """Raise unless `gramian` is a finite square matrix (task, task)."""
    if gramian.ndim != 2 or gramian.shape[0] != gramian.shape[1] or gramian.numel() == 0:
        raise ValueError(f"`gramian` must have shape (task, task), got {tuple(gramian.shape)}")
    if np.count_nonzero(np.isfinite(gramian.numpy())) == gramian.numel():  # NumPy is quick with few
        return
    check_finite(gramian.diagonal(), "`gramian`: the squared norm of the gradient")
    # A finite diagonal with an infinite entry beside it is no Gramian of finite gradients.
    check_finite(gramian.abs().sum(dim=1), "`gramian`: the row sum")


def check_gramian(gramian: Tensor) -> None:
    """Raise unless `gramian` is finite and square, with a diagonal of squared norms."""
    check_cross_gramian(gramian)
    if np.count_nonzero(gramian.numpy().diagonal() < 0):
        task = int(torch.nonzero(gramian.diagonal() < 0)[0])
        raise ValueError(
            f"`gramian` must have a non-negative diagonal, "
            f"got {float(gramian[task, task])} for task {task}"
        )


def check_length(parameter: str, length: int, tasks: int) -> None:
    """Raise unless a vector of the user has one entry per task."""
    if length != tasks:
        raise ValueError(
            f"`{parameter}` must have one entry per task: got {length} entries for {tasks} tasks"
        )


def check_positive(losses: Tensor, method: str) -> None:
    """Raise for the first task whose loss has no logarithm."""
    if bool((losses <= 0).any()):
        task = int(torch.nonzero(losses <= 0)[0])
        raise ValueError(
            f"{method} needs positive `losses`, got {float(losses[task])} for task {task}"
        )


def as_tensors(parameter: str, given: object) -> list[Tensor]:
    """One tensor or several as a list; anything else raises."""
    if isinstance(given, Tensor):
        return [given]
    tensors: list[Tensor] = []
    for tensor in given if isinstance(given, Iterable) else [given]:
        if not isinstance(tensor, Tensor):
            hint = ": pass its `parameters()`" if isinstance(tensor, nn.Module) else ""
            raise TypeError(f"`{parameter}` must hold tensors, got {type(tensor).__name__}{hint}")
        tensors.append(tensor)
    return tensors


def check_tensor(parameter: str, given: object) -> None:
    """Raise for what is no tensor."""
    if not isinstance(given, Tensor):
        raise TypeError(f"`{parameter}` must be a tensor, got {type(given).__name__}")


def check_positive_number(parameter: str, number: float) -> float:
    """Raise unless a number of the user is positive and finite."""
    if not 0 < number < float("inf"):
        raise ValueError(f"`{parameter}` must be positive and finite, got {number}")
    return number


def check_below_one(parameter: str, number: float) -> float:
    """Raise unless a number of the user is in [0, 1)."""
    if not 0 <= number < 1:
        raise ValueError(f"`{parameter}` must be in [0, 1), got {number}")
    return number


def check_count(parameter: str, number: int, least: int = 1) -> int:
    """Raise unless a number of the user counts something."""
    if not isinstance(number, int | np.integer):
        raise TypeError(f"`{parameter}` must be an int, got {type(number).__name__}")
    if number < least:
        raise ValueError(f"`{parameter}` must be at least {least}, got {number}")
    return number
