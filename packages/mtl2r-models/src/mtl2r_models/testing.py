"""What tests of every architecture begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["SMALL"]

SMALL: Mapping[str, Mapping[str, Any]] = {
    "LatentCross": {"hidden": 16, "blocks": 1, "heads": 2, "feedforward": 32},
    "ListTransformer": {
        "hidden": 16,
        "layers": 2,
        "heads": 2,
        "feedforward": 32,
        "max_length": 8,
    },
    "MLPScorer": {"hidden": [16, 8]},
    "SetTransformer": {"hidden": 16, "layers": 2, "heads": 2, "feedforward": 32, "points": 3},
}
"""Small sizes of each architecture, by the name of its class."""
