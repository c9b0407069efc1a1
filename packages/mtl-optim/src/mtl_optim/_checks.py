"""The checks of arguments that several files share."""

import difflib
import math
import reprlib
from collections.abc import Iterable, Mapping
from numbers import Real

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import lapack
from torch import Tensor, nn

Array = NDArray[np.float64]

# What rounding the entries of a Gramian to bfloat16 may do to its cosines, the coarsest that any
# dtype does; K times that to their eigenvalues.
_ROUNDING = 2.0**-8
# Where the square of a smaller norm is 0 in float16, its products with others need not be.
_UNDERFLOW = 2.0**-12


def unknown_name(parameter: str, found: object, known: Iterable[str]) -> ValueError:
    """Make the error for a name that is not in `known`, with the nearest one."""
    names = sorted(known)
    near = difflib.get_close_matches(str(found), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ValueError(f"`{parameter}` must be one of {names}, got {found!r}{hint}")


def check_finite(values: Tensor, what: str) -> None:
    """Raise for the first task whose entry of `values` (task,) is NaN or infinite."""
    numbers = values.tolist()  # a few are checked quicker in Python
    if all(map(math.isfinite, numbers)):
        return
    task = next(k for k, number in enumerate(numbers) if not math.isfinite(number))
    raise ValueError(
        f"{what} of task {task} must be finite, got {numbers[task]} (all tasks: {numbers})"
    )


def check_losses(losses: Tensor) -> None:
    """Raise unless `losses` is a finite vector (task,)."""
    if losses.ndim != 1 or losses.numel() == 0:
        raise ValueError(f"`losses` must have shape (task,), got {tuple(losses.shape)}")
    check_finite(losses, "`losses`: the loss")


def host_losses(losses: Tensor) -> Tensor:
    """Copy a user's losses (task,) to the CPU in float64; anything else raises."""
    check_tensor("losses", losses)
    host = losses.detach().to("cpu", torch.float64)
    check_losses(host)
    return host


def check_weights(weights: object, tasks: int, method: str) -> None:
    """Raise unless a method's weights are a finite vector (task,)."""
    if not isinstance(weights, Tensor):
        raise TypeError(f"{method} must give weights as a tensor, got {type(weights).__name__}")
    if weights.shape != (tasks,):
        raise ValueError(
            f"{method} must give weights of shape (task,), here ({tasks},), "
            f"got {tuple(weights.shape)}"
        )
    check_finite(weights, f"{method}: the weight")


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
    """Raise unless `gramian` can hold inner products of gradients, up to rounding.

    A Gramian is symmetric and positive semi-definite. One that is positive definite, as most are,
    is told in a microsecond or two.
    """
    if gramian.shape == (2, 2) and _definite(*gramian.flatten().tolist()):
        return
    check_cross_gramian(gramian)
    G = gramian.numpy()
    definite = lapack.dpotrf(G)[1] == 0  # of the upper triangle
    if definite and np.count_nonzero(G != G.T) == 0:
        return
    squares = G.diagonal()
    if np.count_nonzero(squares < 0):
        task = int(np.flatnonzero(squares < 0)[0])
        raise ValueError(
            f"`gramian` must have a non-negative diagonal, got {squares[task]} for task {task}"
        )
    norms = np.where(squares > 0, np.sqrt(squares), _UNDERFLOW)
    products = norms[:, None] * norms
    apart = np.abs(G - G.T) > _ROUNDING * products
    if np.count_nonzero(apart):
        i, j = np.argwhere(apart)[0].tolist()
        raise ValueError(
            f"`gramian` must be symmetric, got {G[i, j]} for tasks {i} and {j} "
            f"and {G[j, i]} for {j} and {i}"
        )
    if definite:
        return
    cosines = G / products
    cosines.flat[:: len(G) + 1] = 1.0
    least = float(np.linalg.eigvalsh(cosines)[0])
    if least < -_ROUNDING * len(G):
        raise ValueError(
            "`gramian` must be positive semi-definite, as inner products are: the least eigenvalue "
            f"of its cosines is {least:.3g}, got {reprlib.repr(G.tolist())}"
        )


def _definite(one: float, inner: float, again: float, other: float) -> bool:
    """Return whether a 2×2 matrix is finite, symmetric and clearly positive definite."""
    positive = 0 < one < math.inf and 0 < other < math.inf
    return positive and inner == again and inner * inner < one * other


def check_length(parameter: str, length: int, tasks: int) -> None:
    """Raise unless a vector of the user has one entry per task."""
    if length != tasks:
        raise ValueError(
            f"`{parameter}` must have one entry per task: got {length} entries for {tasks} tasks"
        )


def check_same_tasks(tasks: int, before: int) -> None:
    """Raise if the number of tasks changed between two steps."""
    if tasks != before:
        raise ValueError(f"`gramian` must not change its size: got {tasks} tasks after {before}")


def check_positive(losses: Tensor, method: str) -> None:
    """Raise for the first task whose loss has no logarithm."""
    if bool((losses <= 0).any()):
        task = int(torch.nonzero(losses <= 0)[0])
        raise ValueError(
            f"{method} needs positive `losses`, got {float(losses[task])} for task {task}"
        )


def check_not_negative(losses: Tensor, method: str) -> None:
    """Raise for the first task whose loss is below 0; a loss of 0 has reached its least."""
    if bool((losses < 0).any()):
        task = int(torch.nonzero(losses < 0)[0])
        raise ValueError(
            f"{method} needs `losses` of at least 0, got {float(losses[task])} for task {task}"
        )


def as_tensors(parameter: str, given: object) -> list[Tensor]:
    """Return one tensor or several as a list; anything else raises."""
    if isinstance(given, Tensor):
        return [given]
    tensors: list[Tensor] = []
    for tensor in given if isinstance(given, Iterable) else [given]:
        if not isinstance(tensor, Tensor):
            hint = ": pass its `parameters()`" if isinstance(tensor, nn.Module) else ""
            raise TypeError(f"`{parameter}` must hold tensors, got {type(tensor).__name__}{hint}")
        tensors.append(tensor)
    return tensors


def as_parameters(parameter: str, given: object) -> list[Tensor]:
    """Return one leaf tensor or several as a list; anything else raises."""
    tensors = as_tensors(parameter, given)
    for tensor in tensors:
        if tensor.grad_fn is not None:
            raise ValueError(
                f"`{parameter}` must hold parameters, got a tensor of shape {tuple(tensor.shape)} "
                "that was computed from others: where the tasks part is `features=`"
            )
    return tensors


def check_tensor(parameter: str, given: object) -> None:
    """Raise unless `given` is a dense tensor of floating-point numbers.

    Weights come back in the dtype of what they weigh: an integer would cut them off.
    """
    if not isinstance(given, Tensor):
        raise TypeError(f"`{parameter}` must be a tensor, got {type(given).__name__}")
    if not given.is_floating_point():
        raise TypeError(f"`{parameter}` must hold floating-point numbers, got {given.dtype}")
    if given.layout != torch.strided:
        raise TypeError(f"`{parameter}` must be dense, got {given.layout}")


def as_numbers(parameter: str, given: object) -> Array:
    """Copy real numbers into a float64 array."""
    if isinstance(given, Tensor):
        if given.dtype == torch.bool or given.is_complex() or given.layout != torch.strided:
            raise TypeError(f"`{parameter}` must hold numbers, got {given.dtype}, {given.layout}")
        return given.detach().to("cpu", torch.float64).numpy().copy()
    if isinstance(given, list | tuple):  # of tensors perhaps, which may have a graph
        given = [entry.tolist() if isinstance(entry, Tensor) else entry for entry in given]
    try:
        array = np.asarray(given)
        if array.dtype.kind in "iuf" or (
            array.dtype.kind == "O" and all(isinstance(entry, Real) for entry in array.flat)
        ):
            return np.array(array, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:  # rows of unequal length among others
        raise TypeError(f"`{parameter}` must hold numbers, got {reprlib.repr(given)}") from error
    raise TypeError(f"`{parameter}` must hold numbers, got {reprlib.repr(given)}")


def as_bounds(bounds: Mapping[int, float], name: str = "bounds") -> dict[int, float]:
    """Read bounds by task, in the order of the tasks; errors call them `name`."""
    if not isinstance(bounds, Mapping):
        raise TypeError(f"`{name}` must be a mapping from task to bound, got {bounds!r}")
    for task, bound in bounds.items():
        if isinstance(task, bool) or not isinstance(task, int | np.integer):
            raise TypeError(f"`{name}` must name tasks by an int, counted from 0, got {task!r}")
        if task < 0:
            raise ValueError(f"`{name}` must name tasks counted from 0, got {task}")
        check_number(name, bound)
    return {int(task): float(bounds[task]) for task in sorted(bounds)}


def check_number(parameter: str, number: float) -> float:
    """Return a number of the user as a float; anything else raises."""
    scalar = isinstance(number, Tensor) and number.ndim == 0 and not number.is_complex()
    if isinstance(number, bool) or not (isinstance(number, Real) or scalar):
        raise TypeError(f"`{parameter}` must be a number, got {reprlib.repr(number)}")
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def check_positive_number(parameter: str, number: float) -> float:
    """Raise unless a number of the user is positive and finite."""
    found = check_number(parameter, number)
    if not 0 < found < math.inf:
        raise ValueError(f"`{parameter}` must be positive and finite, got {found}")
    return found


def check_non_negative_number(parameter: str, number: float) -> float:
    """Raise unless a number of the user is finite, and not below 0."""
    found = check_number(parameter, number)
    if not 0 <= found < math.inf:
        raise ValueError(f"`{parameter}` must be at least 0 and finite, got {found}")
    return found


def check_below_one(parameter: str, number: float) -> float:
    """Raise unless a number of the user is in [0, 1)."""
    found = check_number(parameter, number)
    if not 0 <= found < 1:
        raise ValueError(f"`{parameter}` must be in [0, 1), got {found}")
    return found


def check_count(parameter: str, number: int, least: int = 1) -> int:
    """Raise unless a number of the user is an int of at least `least`."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        kind = type(number).__name__
        raise TypeError(f"`{parameter}` must be an int, got {kind} {reprlib.repr(number)}")
    if number < least:
        raise ValueError(f"`{parameter}` must be at least {least}, got {number}")
    return int(number)


def check_flag(parameter: str, given: bool) -> bool:
    """Raise unless `given` is True or False."""
    if not isinstance(given, bool | np.bool_):
        raise TypeError(f"`{parameter}` must be True or False, got {reprlib.repr(given)}")
    return bool(given)


def check_kind(parameter: str, given: object, kind: type) -> None:
    """Raise unless `given` is an instance of the kind."""
    if not isinstance(given, kind):
        raise TypeError(f"`{parameter}` must be a {kind.__name__}, got {type(given).__name__}")


def check_function(parameter: str, given: object) -> None:
    """Raise unless `given` can be called."""
    if not callable(given):
        raise TypeError(f"`{parameter}` must be a function, got {type(given).__name__}")


def as_names(parameter: str, given: object) -> tuple[str, ...]:
    """Return a sequence of strings as a tuple; a single string, or anything else, raises."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"`{parameter}` must be a sequence of names, got {reprlib.repr(given)}")
    names = tuple(given)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"`{parameter}` must hold strings, got {reprlib.repr(name)}")
    return names


def check_generator(generator: object) -> None:
    """Raise unless `generator` is a generator or None."""
    if generator is not None:
        check_kind("generator", generator, torch.Generator)
