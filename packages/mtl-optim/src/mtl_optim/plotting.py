"""Weights and conflicts over the steps; needs the extra `plot` (matplotlib)."""

import reprlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ._checks import as_names, check_length
from ._step import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_weights(
    steps: Sequence[Step], names: Sequence[str] | None = None, *, ax: "Axes | None" = None
) -> "Axes":
    """Draw each task's weight over the steps.

    Args:
        steps: The records that `backward` returned, in order; those without weights are left out.
        names: One per task; None numbers them.
        ax: Where to draw; None makes a figure.

    Raises:
        ImportError: matplotlib is missing.
        TypeError: `steps` hold something other than `Step` records, or `names` than strings.
        ValueError: No step has weights, or there is not one name per task.

    Examples:
        >>> weights = torch.tensor([0.25, 0.75])
        >>> ax = plot_weights([Step(weights, weights, None)] * 3)   # doctest: +SKIP
    """
    times, weights = _kept(steps, "weights")
    labels = _names(names, weights.shape[1])
    ax = _axes(ax)
    for label, line in zip(labels, weights.T, strict=True):
        ax.plot(times, line.numpy(), label=label)
    ax.set(xlabel="step", ylabel="weight")
    ax.legend()
    return ax


def plot_conflicts(
    steps: Sequence[Step], names: Sequence[str] | None = None, *, ax: "Axes | None" = None
) -> "Axes":
    """Draw the cosine between the gradients of each pair of tasks over the steps.

    Below 0 the tasks conflict. Steps without a Gramian are left out; the arguments are those of
    `plot_weights`.

    Raises:
        ValueError: No step has a Gramian of two tasks or more; otherwise as `plot_weights`.

    Examples:
        >>> G = torch.tensor([[1.0, -0.5], [-0.5, 1.0]])
        >>> ax = plot_conflicts([Step(torch.ones(2), torch.ones(2), G)])   # doctest: +SKIP
    """
    times, cosines = _kept(steps, "cosines")
    if cosines.shape[1] < 2:
        raise ValueError("`steps` must hold the Gramians of two tasks or more, got those of one")
    labels = _names(names, cosines.shape[1])
    ax = _axes(ax)
    for i, j in torch.combinations(torch.arange(len(labels))).tolist():
        ax.plot(times, cosines[:, i, j].numpy(), label=f"{labels[i]}, {labels[j]}")
    ax.axhline(0.0, color="0.5", linewidth=1)
    ax.set(xlabel="step", ylabel="cosine", ylim=(-1.05, 1.05))
    ax.legend()
    return ax


def _kept(steps: Sequence[Step], what: str) -> tuple[list[int], Tensor]:
    """Return the steps that have the attribute, and its values: (step, task, ...)."""
    if not isinstance(steps, Sequence) or not all(isinstance(step, Step) for step in steps):
        raise TypeError(f"`steps` must be a sequence of `Step` records, got {reprlib.repr(steps)}")
    found = [(t, getattr(step, what)) for t, step in enumerate(steps)]
    kept = [(t, values) for t, values in found if values is not None]
    if not kept:
        raise ValueError(f"`steps` must hold a step with {what}, got {len(steps)} without")
    if len({values.shape for _, values in kept}) > 1:
        raise ValueError("`steps` must be of one number of tasks, got several")
    return [t for t, _ in kept], torch.stack([values for _, values in kept])


def _names(names: Sequence[str] | None, tasks: int) -> list[str]:
    if names is None:
        return [f"task {k}" for k in range(tasks)]
    labels = as_names("names", names)
    check_length("names", len(labels), tasks)
    return list(labels)


def _axes(ax: "Axes | None") -> "Axes":
    if ax is not None:
        if not callable(getattr(ax, "plot", None)):
            raise TypeError(f"`ax` must be matplotlib's Axes, got {type(ax).__name__}")
        return ax
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install mtl-optim[plot]") from error
    return Figure(layout="constrained").subplots()
