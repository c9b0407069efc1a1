"""Small options of each architecture, with which tests begin: a row per architecture."""

from collections.abc import Mapping
from typing import Any

SMALL: Mapping[str, Mapping[str, Any]] = {
    "transformer": {"hidden": 16, "layers": 2, "heads": 2, "feedforward": 32, "max_length": 8},
    "latent_cross": {"hidden": 16, "blocks": 1, "heads": 2, "feedforward": 32},
    "mlp": {"hidden": [16, 8]},
    "set_transformer": {"hidden": 16, "layers": 2, "heads": 2, "feedforward": 32, "points": 3},
}
"""The options by the names of `mtl2r_models.ARCHITECTURES`."""
