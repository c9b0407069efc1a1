"""From a data config to the splits a run trains, selects and reports on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ltr_data import (
    FeatureTransform,
    LabelSpec,
    LogStandardize,
    RankingDataset,
    RankingTable,
    Standardize,
    read_svmrank,
)
from ltr_data.datasets import letor, resolve_inputs, resolve_tasks, synthetic

from .config import DataConfig, EvaluationConfig

__all__ = ["LARGEST_GAIN_LABEL", "Splits", "load_splits"]

LARGEST_GAIN_LABEL = 30.0
"""Labels above it make 2^label − 1 count nothing but the largest; the same limit as LightGBM's."""

_TRANSFORMS: Mapping[str, type[LogStandardize] | type[Standardize] | None] = {
    "log_standardize": LogStandardize,
    "standardize": Standardize,
    "none": None,
}


@dataclass(frozen=True)
class Splits:
    """The data of a study: features transformed, labels chosen.

    Attributes:
        train: What is learned from.
        validation: What chooses the epoch.
        test: What is reported; None where the data have none.
        transform: The feature transform fitted on `train`, or None.
        source: Where the data come from, for the record and the report.
    """

    train: RankingDataset
    validation: RankingDataset
    test: RankingDataset | None
    transform: FeatureTransform | None
    source: str

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return self.train.tasks

    def items(self) -> dict[str, RankingDataset]:
        """The splits by name, those there are."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}


@lru_cache(maxsize=1)
def _load(serialized: str) -> Splits:
    config = DataConfig.model_validate_json(serialized)
    if config.path is None:
        tables = _generate(config)
        source = f"synthetic data, seed {config.synthetic.seed}"
    else:
        paths = letor.find_splits(config.path, fold=config.fold)
        # Sparse files may leave out the last features: the training split says how many there are.
        first = read_svmrank(paths["train"])
        width = len(first.feature_ids)
        tables = {
            name: first if name == "train" else read_svmrank(path, num_features=width)
            for name, path in paths.items()
        }
        source = str(config.path)
    feature_ids = tables["train"].feature_ids
    # A preset takes its columns out of the inputs; a list of inputs must do so itself, and a task
    # whose column it names is refused below.
    preset = config.inputs if isinstance(config.inputs, str) else "all"
    specs = _label_specs(config.tasks, feature_ids, preset)
    inputs = (
        resolve_inputs(preset, specs, feature_ids)
        if isinstance(config.inputs, str)
        else config.inputs
    )
    train = RankingDataset.from_table(tables["train"], labels=specs, inputs=inputs)
    others = {
        name: RankingDataset.from_table(table, labels=train.label_specs, inputs=train.feature_ids)
        for name, table in tables.items()
        if name != "train"
    }
    kind = _TRANSFORMS[config.transform]
    transform = None if kind is None else kind.fit(train.features, train.feature_ids)
    apply: Callable[[RankingDataset], RankingDataset] = (
        (lambda dataset: dataset)
        if transform is None
        else (lambda dataset: dataset.transformed(transform))
    )
    test = others.get("test")
    return Splits(
        train=apply(train),
        validation=apply(others["vali"]),
        test=None if test is None else apply(test),
        transform=transform,
        source=source,
    )


def load_splits(config: DataConfig, evaluation: EvaluationConfig) -> Splits:
    """Reads or generates the data of a config; the same config twice in a row is read once.

    Args:
        config: Which data and which tasks.
        evaluation: Its gain bounds the labels.

    Returns:
        The splits, features transformed.

    Raises:
        FileNotFoundError: When the folder or a split it needs is missing.
        ValueError: For a malformed line, an unknown task, a task whose column would stay among
            the inputs, or a label that the gain cannot hold.
    """
    splits = _load(config.model_dump_json())
    if evaluation.gain == "exp2":
        for name, dataset in splits.items().items():
            _check_labels(name, dataset)
    return splits


def _generate(config: DataConfig) -> dict[str, RankingTable]:
    size = config.synthetic
    return synthetic.splits(
        (size.train_queries, size.validation_queries, size.test_queries),
        mean_length=size.mean_length,
        seed=size.seed,
    )


def _label_specs(
    tasks: tuple[str | dict[str, Any], ...], feature_ids: tuple[int, ...], preset: str
) -> list[LabelSpec]:
    """A spec per task; those named are looked up together, so that a name given twice is seen."""
    names = [task for task in tasks if isinstance(task, str)]
    named = iter(resolve_tasks(names, feature_ids, preset=preset) if names else ())
    return [next(named) if isinstance(t, str) else LabelSpec.from_dict(t) for t in tasks]


def _check_labels(split: str, dataset: RankingDataset) -> None:
    for task, labels in zip(dataset.tasks, dataset.labels, strict=True):
        largest = float(np.max(labels, initial=0.0))
        if largest > LARGEST_GAIN_LABEL:
            raise ValueError(
                f"labels of task {task!r} reach {largest:g} in the {split} split; the gain "
                f"2^label − 1 is for labels up to {LARGEST_GAIN_LABEL:g}. Give the task a "
                "transform (quantile grades, log1p, clip), or set evaluation.gain to 'linear'"
            )
