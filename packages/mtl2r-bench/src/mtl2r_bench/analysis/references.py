"""The references of a study (random order, best single feature), over the reported folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..config import StudyConfig
from ..runs.files import read_json
from ..runs.study_folder import StudyFolder

NAMES = (("random", "random order"), ("single_feature", "best single feature"))
"""Their names in references.json and in tables."""


@dataclass(frozen=True)
class References:
    """A random order and the best single feature of each label, and the data's size.

    Attributes:
        values: By name (`NAMES`), split, metric and label; the mean over folds, each weighted
            by its lists.
        data: Source, inputs, lists and documents by split, summed over folds; what the labels are,
            and notes on the inputs.
    """

    values: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
    data: Mapping[str, Any]


def load_references(
    folder: StudyFolder, study: StudyConfig, folds: Sequence[int | None]
) -> References:
    """Read the references of the given folds."""
    if study.folds is None:
        folds = [None]  # One set of data, whichever fold of a root it is.
    found: list[dict[str, Any]] = [
        read_json(folder.references_of(fold), "data", "random", "features") for fold in folds
    ]
    first = found[0]

    def mean(name: str, split: str, metric: str, label: str) -> float:
        sizes = [one["data"]["queries"][split] for one in found]
        values = [one[name][split][metric][label] for one in found]
        return float(np.average(values, weights=sizes))

    def total(what: str) -> dict[str, int]:
        return {name: sum(one["data"][what][name] for one in found) for name in first["data"][what]}

    return References(
        values={
            name: {
                split: {
                    metric: {label: mean(name, split, metric, label) for label in labels}
                    for metric, labels in first[name][split].items()
                }
                for split in first["data"]["queries"]
                if split != "train"
            }
            for name, _ in NAMES
        },
        data={
            "source": first["data"]["source"],
            "features": first["data"]["features"],
            "folds": len(found),
            "queries": total("queries"),
            "documents": total("documents"),
            # Older studies have neither.
            "labels": first["data"].get("labels", {}),
            "notes": tuple(dict.fromkeys(n for one in found for n in one["data"].get("notes", ()))),
        },
    )
