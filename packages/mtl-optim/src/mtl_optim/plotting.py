"""Weights and conflicts over the steps; needs the extra `plot` (matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ._checks import check_length
from ._step import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_weights(
    steps: Sequence[Step], names: Sequence[str] | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw each task's weight over the steps.

    Args:
        steps: The records that `backward` returned, in order; those without weights are left out.
        names: One per task; None numbers them.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: No step has weights, or there is not one name per task.

    Examples:
        >>> weights = torch.tensor([0.25, 0.75])
        >>> ax = plot_weights([Step(weights, weights, None)] * 3)   # doctest: +SKIP
    """
    kept = [(t, s.weights) for t, s in enumerate(steps) if s.weights is not None]
    if not kept:
        raise ValueError(f"`steps` must hold a step with weights, got {len(steps)} without")
    values = torch.stack([weights for _, weights in kept])
    labels = _names(names, values.shape[1])
    ax = _axes(ax)
    for label, line in zip(labels, values.T, strict=True):
        ax.plot([t for t, _ in kept], line.numpy(), label=label)
    ax.set(xlabel="step", ylabel="weight")
    ax.legend()
    return ax


def plot_conflicts(
    steps: Sequence[Step], names: Sequence[str] | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw the cosine between the gradients of each pair of tasks over the steps.

    Below 0 the tasks conflict.

    Args:
        steps: The records that `backward` returned; those without a Gramian are left out.
        names: One per task; None numbers them.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: No step has a Gramian of two tasks or more, or there is not one name per task.

    Examples:
        >>> G = torch.tensor([[1.0, -0.5], [-0.5, 1.0]])
        >>> ax = plot_conflicts([Step(torch.ones(2), torch.ones(2), G)])   # doctest: +SKIP
    """
    kept = [(t, s.cosines) for t, s in enumerate(steps) if s.cosines is not None]
    if not kept or len(kept[0][1]) < 2:
        raise ValueError("`steps` must hold a step with the Gramian of two tasks, got none")
    values = torch.stack([cosines for _, cosines in kept])
    labels = _names(names, values.shape[1])
    ax = _axes(ax)
    for i, j in torch.combinations(torch.arange(len(labels))).tolist():
        ax.plot([t for t, _ in kept], values[:, i, j].numpy(), label=f"{labels[i]}, {labels[j]}")
    ax.axhline(0.0, color="0.5", linewidth=1)
    ax.set(xlabel="step", ylabel="cosine", ylim=(-1.05, 1.05))
    ax.legend()
    return ax


def _names(names: Sequence[str] | None, tasks: int) -> list[str]:
    if names is None:
        return [f"task {k}" for k in range(tasks)]
    check_length("names", len(names), tasks)
    return list(names)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install mtl-optim[plot]") from error
    return Figure(layout="constrained").subplots()
