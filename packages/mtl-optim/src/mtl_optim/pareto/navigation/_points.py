"""The records of a navigation: points, what is known around them, and what a wish would cost."""

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..._checks import (
    check_count,
    check_flag,
    check_function,
    check_non_negative_number,
    check_positive_number,
)


class NavigationError(ValueError):
    """A step that was refused; the model stays where it was."""


@dataclass(frozen=True)
class Cost:
    """What a step took.

    Attributes:
        forwards: Evaluations of all losses without gradients.
        gradients: Gradients of one scalar.
        products: Hessian-vector products.

    Examples:
        >>> (Cost(gradients=2) + Cost(forwards=3, products=10)).equivalents
        23.0
    """

    forwards: int = 0
    gradients: int = 0
    products: int = 0

    @property
    def equivalents(self) -> float:
        """The same in gradients: a product counts 2, a forward pass a third."""
        return self.gradients + 2 * self.products + self.forwards / 3

    def __add__(self, other: "Cost") -> "Cost":
        mine, theirs = astuple(self), astuple(other)
        return Cost(*(a + b for a, b in zip(mine, theirs, strict=True)))

    def __sub__(self, other: "Cost") -> "Cost":
        mine, theirs = astuple(self), astuple(other)
        return Cost(*(a - b for a, b in zip(mine, theirs, strict=True)))


@dataclass(frozen=True, eq=False)
class Metrics:
    """Quantities in which wishes may be said besides the losses, such as validation NDCG.

    Attributes:
        measure: Takes the model and `data` and gives (metric,), or (metric, sample) with NaN where
            a sample has no value: the mean over the samples counts, and its standard error is the
            sampling noise. It need not be differentiable.
        names: One per metric.
        data: What `measure` takes; None is the navigator's own.
        higher_is_better: For all metrics or for each.
    """

    measure: Callable[[nn.Module, Any], Tensor]
    names: Sequence[str]
    data: Any = None
    higher_is_better: bool | Sequence[bool] = True

    def __post_init__(self) -> None:
        """Refuse what cannot be called."""
        check_function("measure", self.measure)


@dataclass(frozen=True)
class Settings:
    """How a navigator works. The defaults suit a network in float32.

    Attributes:
        iterations: Most conjugate gradient iterations per solve. More are no better on a network:
            flat directions leave the region where the quadratic model holds.
        residual: Relative residual at which a solve ends before.
        damping: λ of P H P + λ I, in units of the curvature along the right-hand side.
        tolerance: Relative KKT residual that a point should have. Where the first point of a walk
            has more than a fifth of it, a step may leave five times that.
        accuracy: Share of a step by which its target may be missed.
        corrections: Most corrections after a step.
        correct_above: Relative KKT residual above which `start` corrects first.
        start_corrections: Most corrections of `start`.
        largest_step: Most change of a loss in one step, in units of the loss at the start.
        probe: Change of the losses, in the same units, that is a typical step: slopes of metrics
            are measured over it, and tangents are as accurate as it needs.
        second_order: Whether Hessian-vector products are taken. False leaves the first-order step
            J⁺d and a corrector by gradients, for losses that cannot be differentiated twice.
    """

    iterations: int = 10
    residual: float = 0.03
    damping: float = 0.1
    tolerance: float = 5e-3
    accuracy: float = 0.02
    corrections: int = 4
    correct_above: float = 0.05
    start_corrections: int = 20
    largest_step: float = 0.2
    probe: float = 0.02
    second_order: bool = True

    def __post_init__(self) -> None:
        """Refuse values that no computation can work with."""
        for name, least in (("iterations", 1), ("corrections", 0), ("start_corrections", 0)):
            check_count(name, getattr(self, name), least)
        for name in ("residual", "tolerance", "accuracy", "largest_step", "probe"):
            check_positive_number(name, getattr(self, name))
        for name in ("damping", "correct_above"):
            check_non_negative_number(name, getattr(self, name))
        check_flag("second_order", self.second_order)


@dataclass(frozen=True, eq=False)
class Named:
    """A record whose vectors have names for their entries."""

    tasks: tuple[str, ...] = field(repr=False)
    metric_names: tuple[str, ...] = field(repr=False)

    _PER_METRIC = frozenset(
        {"metrics", "metric_errors", "predicted_metrics", "realised_metrics", "metric_slopes"}
        | {"metric_change", "metric_error"}
    )

    def as_dict(self) -> dict[str, Any]:
        """Convert to JSON's types, keyed by the names; infinite numbers and NaN become None."""
        plain = {}
        for name, value in self.__dict__.items():
            if name in ("tasks", "metric_names"):
                continue
            if isinstance(value, Tensor):
                names = self.metric_names if name in self._PER_METRIC else self.tasks
                value = _keyed(value, names, self.tasks)
            elif isinstance(value, Cost):
                value = {**value.__dict__, "equivalents": value.equivalents}
            elif isinstance(value, tuple):
                value = list(value)
            elif isinstance(value, float):
                value = _finite(value)
            plain[name] = value
        return plain


@dataclass(frozen=True, eq=False)
class Point(Named):
    """A place that was visited. Tensors are float64, on the CPU.

    Attributes:
        id: Its number, from 0.
        parent: The point it was reached from, or None.
        losses: Losses (task,).
        alpha: Normal of the front (task,), on the simplex: αᵀ dL = 0 along the front.
        kkt: Relative KKT residual.
        cost: Of getting here from the parent.
        loss_errors: Standard errors (task,) of the losses, or None without samples.
        metrics: Metrics (metric,), or None.
        metric_errors: Their standard errors (metric,), or None.
        wish: What was asked for, in JSON's types, or None at a start.
        predicted: Predicted change of the losses (task,).
        realised: Realised change of the losses (task,).
        change_errors: Standard errors (task,) of the realised change, paired by sample.
        predicted_metrics: Predicted change of the metrics (metric,).
        realised_metrics: Realised change of the metrics (metric,).
        metric_change_errors: Standard errors (metric,) of that, paired by sample.
        name: Of a branch, or None.
        message: What there is to know, or "".
    """

    id: int
    parent: int | None
    losses: Tensor
    alpha: Tensor
    kkt: float
    cost: Cost
    loss_errors: Tensor | None = None
    metrics: Tensor | None = None
    metric_errors: Tensor | None = None
    wish: dict[str, Any] | None = None
    predicted: Tensor | None = None
    realised: Tensor | None = None
    change_errors: Tensor | None = None
    predicted_metrics: Tensor | None = None
    realised_metrics: Tensor | None = None
    metric_change_errors: Tensor | None = None
    name: str | None = None
    message: str = ""


@dataclass(frozen=True, eq=False)
class Local(Named):
    """The front around a point. Tensors are float64, on the CPU.

    Attributes:
        alpha: Normal of the front (task,), on the simplex.
        exchange: (task, task): entry (j, k) is dL_j/dL_k = −α_k/α_j with the other losses held, the
            price of task j in task k; 1 on the diagonal.
        kkt: Relative KKT residual.
        ends: (task,): how far each loss can still fall along the front, by the change of α;
            infinite where no end is in sight, as on concave stretches.
        curvature: (task,): second derivative of αᵀ L along the front where task j falls at unit
            rate, positive where the front is convex.
        largest: (task,): most that each loss may change in one step.
        loss_errors: Standard errors (task,) of the losses, or None without samples.
        metric_slopes: (metric, task): change of each metric per unit that the task's loss falls
            along the front, or None without metrics.
    """

    alpha: Tensor
    exchange: Tensor
    kkt: float
    ends: Tensor
    curvature: Tensor
    largest: Tensor
    loss_errors: Tensor | None = None
    metric_slopes: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Preview(Named):
    """What a wish would bring. Tensors are float64, on the CPU.

    Attributes:
        point: Number of the point it starts from.
        wish: What was asked for, in JSON's types.
        share: Feasible share of the wish, in [0, 1].
        change: Predicted change of the losses (task,).
        error: Half-width (task,) of its band: the error of the model, and 2 standard errors.
        alpha: Predicted normal of the front afterwards (task,).
        cost: Expected for the step.
        metric_change: Predicted change of the metrics (metric,), or None.
        metric_error: Half-width of its band (metric,), or None.
        refused: Why `step` would refuse, or None.
        messages: What there is to know.
        coordinates: Of the move, in the tangents of the point.
        free: (task,): the direction in loss space that the corrector leaves free.
    """

    point: int
    wish: dict[str, Any]
    share: float
    change: Tensor
    error: Tensor
    alpha: Tensor
    cost: Cost
    metric_change: Tensor | None = None
    metric_error: Tensor | None = None
    refused: str | None = None
    messages: tuple[str, ...] = ()
    coordinates: Tensor = field(default_factory=lambda: torch.zeros(0), repr=False)
    free: Tensor = field(default_factory=lambda: torch.zeros(0), repr=False)

    @property
    def feasible(self) -> bool:
        """Whether the front allows some of the wish, and `step` would take it."""
        return self.share > 0 and self.refused is None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _keyed(values: Tensor, names: Sequence[str], columns: Sequence[str]) -> Any:
    if values.ndim == 2:
        return {n: _keyed(row, columns, columns) for n, row in zip(names, values, strict=True)}
    if len(values) != len(names):
        return [_finite(value) for value in values.tolist()]
    return {n: _finite(value) for n, value in zip(names, values.tolist(), strict=True)}
