"""The range of the sliders."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SHARE_OF_LOSS = 0.03
"""A slider's end is this share of its task's loss: a few steps of a walk."""


def reach(local: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, Any]:
    """Compute the largest weighted change of a loss that the sliders offer, and the weights.

    With the weights α, a slider at the share s of its way lets its loss fall by s · reach / α_k, so
    that the sliders are on the front, Σ α_k dL_k = 0, where their shares sum to 0; and no loss
    changes by more than its own range.

    Examples:
        >>> point = {"loss": {"a": 1.0, "b": 1.0}, "weights": {"a": 0.25, "b": 0.75}}
        >>> reach({"point": point}, ["a", "b"])
        {'reach': 0.0075, 'weights': [0.25, 0.75]}
    """
    losses = np.array([local["point"]["loss"][task] for task in tasks])
    weights = np.maximum([local["point"]["weights"][task] for task in tasks], 1e-3)
    return {
        "reach": float(np.min(weights * SHARE_OF_LOSS * np.abs(losses))),
        "weights": weights.tolist(),
    }
