"""How far the sliders go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..problem import Problem

__all__ = ["reach"]

SHARE_OF_FRONT = 0.25
"""A slider's end is this share of what the study's runs span in that loss ..."""

SHARE_OF_LOSS = 0.02
"""... or, where there are no other runs, this share of the loss itself."""


def reach(problem: Problem, local: Mapping[str, Any], weights: Sequence[float]) -> dict[str, Any]:
    """The largest weighted change of a loss that the sliders offer.

    With the weights α, a slider at the share s of its way lets its loss fall by s · reach / α_k, so
    that the sliders are on the front, Σ α_k dL_k = 0, where their shares sum to 0; and no loss
    changes by more than its own range.
    """
    losses = np.array([local["point"]["loss"][task] for task in problem.tasks])
    ranges = SHARE_OF_LOSS * np.abs(losses)
    if len(problem.neighbours) > 1:
        others = np.stack([problem.neighbour_losses(run) for run in problem.neighbours])
        spans = np.ptp(np.vstack([others, losses]), axis=0)
        ranges = np.where(spans > 0, SHARE_OF_FRONT * spans, ranges)
    least = np.maximum(np.asarray(weights), 1e-3)
    return {"reach": float(np.min(least * ranges)), "weights": least.tolist()}
