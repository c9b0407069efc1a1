"""What table.py and runs/ will say of methods, losses and folders; the merge removes this file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import table
from ..runs.run_folder import RunFolder

BASELINES = "stl"

SMOOTH_LOSSES = frozenset(
    (
        *("listnet", "ranknet", "softmax", "binary_listnet", "listmle", "p_listmle"),
        *("poly1_softmax", "approx_ndcg", "approx_mrr", "mse", "bce", "pairwise_mse"),
    )
)


@dataclass(frozen=True)
class MethodRow:
    about: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weighs_largest: bool = False
    draws_preferences: bool = False


METHODS = {
    name: MethodRow(
        table.summary(row.factory),
        row.options,
        name in ("wc", "soft_wc"),
        name == table.CONDITIONED,
    )
    for name, row in table.METHODS.items()
} | {name: MethodRow(row.about) for name, row in table.TREES.items()}


def is_shared_training(path: Path) -> bool:
    shared = re.fullmatch(rf"{table.CONDITIONED}-[0-9a-f]{{12}}", path.name)
    return shared is not None and RunFolder(path).log.is_file()
