"""Metrics and sampling noise: means over samples, and their slopes from moves along the front."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..._checks import check_finite, check_length
from ._points import Cost, Metrics
from .objective import Objective, Values, evaluating, summarise
from .tangent import Tangents


def standard_errors(values: Values) -> Tensor | None:
    """Compute the standard errors (row,) of the means over samples; None without samples."""
    return (
        None if values.samples is None else _covariance(values.samples[..., None])[:, 0, 0].sqrt()
    )


def paired_errors(before: Values, after: Values) -> Tensor | None:
    """Compute the standard errors (row,) of the change of the means, paired by sample."""
    if before.samples is None or after.samples is None:
        return None
    if before.samples.shape != after.samples.shape:
        return None
    return _covariance((after.samples - before.samples)[..., None])[:, 0, 0].sqrt()


def measure_metrics(objective: Objective, metrics: Metrics, data: Any, theta: Tensor) -> Values:
    """Measure the metrics at θ (param,), with their samples; on `data`, or on their own."""
    objective.write(theta)
    objective.cost += Cost(forwards=1)
    data = data if metrics.data is None else metrics.data
    with torch.no_grad(), evaluating(objective.model):
        values = summarise(metrics.measure(objective.model, data), "`metrics`")
    check_length("names", len(metrics.names), len(values.means))
    check_finite(values.means, "`metrics`: the mean")
    return values


@dataclass(frozen=True, eq=False)
class Slopes:
    """How rows change along the tangents, from one step to either side along each."""

    slopes: Tensor  # (row, direction): change per unit of z
    bend: Tensor  # (row, direction): half the second difference over the reach: what is not linear
    # (row, direction, direction) of the slopes, over the samples; None without them
    covariance: Tensor | None
    reach: Tensor  # (direction,): the steps

    def model_error(self, z: Tensor) -> Tensor:
        """Return what a move z adds that is not linear (row,)."""
        return self.bend @ (z / self.reach) ** 2

    def noise(self, z: Tensor, *, jumps: bool) -> Tensor:
        """Compute the standard errors (row,) of the change that a move z brings; 0 without samples.

        Where the rows change by jumps, as ranks do, the changes of single samples over a share
        t < 1 of the reach are as rare as t: their standard error falls with √t rather than t.
        """
        if self.covariance is None:
            return torch.zeros(len(self.slopes), dtype=torch.float64)
        linear = torch.einsum("i,rij,j->r", z, self.covariance, z).clamp_min(0).sqrt()
        share = float((z / self.reach).norm())
        return linear / min(1.0, share) ** 0.5 if jumps and share > 0 else linear


def measure_slopes(
    measure: Callable[[Tensor], Values], theta: Tensor, here: Values, front: Tangents, step: float
) -> Slopes:
    """Measure the slopes of rows along the front.

    There are 2 evaluations per direction, where a scaled loss changes by `step` at most.
    """
    reach = step / front.B.abs().max(dim=0).values.clamp_min(1e-300)
    slopes, bends, samples = [], [], []
    for v, h in zip(front.V.T, reach.tolist(), strict=True):
        up, down = measure(theta + h * v), measure(theta - h * v)
        slopes.append((up.means - down.means) / (2 * h))
        bends.append(((up.means + down.means) / 2 - here.means).abs())
        if up.samples is not None and down.samples is not None:
            samples.append((up.samples - down.samples) / (2 * h))
    rows = len(here.means)
    covariance = _covariance(torch.stack(samples, dim=2)) if samples else None
    if not slopes:
        none = torch.zeros(rows, 0, dtype=torch.float64)
        return Slopes(none, none, None, reach)
    return Slopes(torch.stack(slopes, dim=1), torch.stack(bends, dim=1), covariance, reach)


def _covariance(samples: Tensor) -> Tensor:
    """Compute the covariance (row, direction, direction) of the mean over samples without NaN."""
    present = ~samples.isnan().any(dim=2, keepdim=True)
    count = present.sum(dim=1, keepdim=True)
    kept = torch.where(present, samples, 0.0)
    centred = torch.where(present, samples - kept.sum(dim=1, keepdim=True) / count, 0.0)
    return torch.einsum("rsi,rsj->rij", centred, centred) / (count * (count - 1).clamp_min(1))
