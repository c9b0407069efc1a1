"""Load the splits of a data config."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

import ltr_data
from ltr_data import FeatureTransform, LabelSpec, LogStandardize, RankingDataset, Standardize
from ltr_data.datasets import letor, resolve_inputs, resolve_tasks, synthetic

from ..config import DataConfig, EvaluationConfig

LARGEST_GAIN_LABEL = 30.0
"""Largest label for the gain 2^label − 1, as in LightGBM. Above it, the largest label dominates."""

LARGE_FILE_BYTES = 20_000_000
"""Size above which the conversion of a file shows its progress."""

_TRANSFORMS: Mapping[str, type[LogStandardize] | type[Standardize] | None] = {
    "log_standardize": LogStandardize,
    "standardize": Standardize,
    "none": None,
}


@dataclass(frozen=True)
class Splits:
    """The data of a study, with chosen labels and untransformed features.

    The trained ranker contains the transform, so that training and use see the same numbers and a
    memory-mapped file is not copied.

    Attributes:
        train: Training lists.
        validation: Lists that choose the epoch.
        test: Lists that are reported; None if the data have none.
        transform: The feature transform fitted on `train`, or None.
        source: Source of the data, for the record and the report.
        width: Number of columns of the files, labels included; None if unknown.
    """

    train: RankingDataset
    validation: RankingDataset
    test: RankingDataset | None
    transform: FeatureTransform | None
    source: str
    width: int | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return self.train.tasks

    @cached_property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of every split's content."""
        return {name: split.checksum() for name, split in self.items().items()}

    def items(self) -> dict[str, RankingDataset]:
        """Return the existing splits by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def measured(self) -> dict[str, RankingDataset]:
        """Return the splits that rankers are evaluated on, all but the training split, by name."""
        return {name: split for name, split in self.items().items() if name != "train"}


@lru_cache(maxsize=2)
def _load(serialized: str) -> Splits:
    config = DataConfig.model_validate_json(serialized)
    if config.path is None:
        train, others, width = _generate(config)
        source = f"synthetic data, seed {_synthetic_seed(config)}"
    else:
        train, others, width = _open(config, config.path)
        source = str(config.path)
    kind = _TRANSFORMS[config.transform]
    return Splits(
        train=train,
        validation=others["vali"],
        test=others.get("test"),
        transform=None if kind is None else kind.fit(train.features, train.feature_ids),
        source=source,
        width=width,
    )


_Loaded = tuple[RankingDataset, dict[str, RankingDataset], int]


def _generate(config: DataConfig) -> _Loaded:
    """Generate synthetic lists: the training split, the others, and the number of columns."""
    size = config.synthetic
    tables = synthetic.splits(
        (size.train_queries, size.validation_queries, size.test_queries),
        mean_length=size.mean_length,
        seed=_synthetic_seed(config),
    )
    every = tables["train"].feature_ids
    specs, inputs = _columns(config, every)
    train = RankingDataset.from_table(tables.pop("train"), specs, inputs)
    others = {
        name: RankingDataset.from_table(table, train.label_specs, train.feature_ids)
        for name, table in tables.items()
    }
    return train, others, len(every)


def _synthetic_seed(config: DataConfig) -> int:
    """Return the seed of a fold; the folds of one seed are different draws."""
    return config.synthetic.seed + 1_000 * ((config.fold or 1) - 1)


def _open(config: DataConfig, root: Path) -> _Loaded:
    """Map files, which are converted once: the training split, the others, number of columns."""
    if not root.is_dir():
        raise FileNotFoundError(
            f"`data.path` must be the folder with the lists, there is no {root}; "
            "--data names another"
        )
    paths = letor.find_splits(root, fold=config.fold)
    # Sparse files may leave out the last features, so the training split defines their number.
    every = _mapped(paths["train"], config.cache).feature_ids
    specs, inputs = _columns(config, every)
    train = _mapped(paths.pop("train"), config.cache, specs, inputs)
    others = {}
    for name, path in paths.items():
        narrow = _mapped(path, config.cache).feature_ids != every
        others[name] = _mapped(
            path, config.cache, train.label_specs, train.feature_ids, len(every) if narrow else None
        )
    return train, others, len(every)


def open_inputs(
    path: Path, feature_ids: tuple[int, ...], cache: Path | None = None, width: int | None = None
) -> RankingDataset:
    """Open a file with the inputs that a ranker was trained on, whatever its labels.

    `feature_ids` are the ranker's columns. `width` is the number of columns of the training files,
    labels included; the file may have fewer.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: A line is malformed, columns of the ranker are missing, or the file has more
            columns than `width`.
    """
    relevance = (LabelSpec("relevance"),)
    there = _mapped(path, cache, relevance).feature_ids
    missing = sorted(set(feature_ids) - set(there))
    if missing:
        raise ValueError(
            f"{path}: the ranker was trained on {len(feature_ids)} columns, the last of them "
            f"{max(feature_ids)}; {len(missing)} are not in this file, {missing[0]} the first; "
            f"it has {len(there)}, the last of them {max(there)}"
        )
    if width is not None and len(there) > width:
        raise ValueError(
            f"{path}: the ranker was trained on files of {width} columns, this one has {len(there)}"
        )
    return _mapped(path, cache, relevance, feature_ids)


def _mapped(
    path: Path,
    cache: Path | None,
    labels: Sequence[LabelSpec] = (LabelSpec("relevance"),),
    inputs: Collection[int] | None = None,
    num_features: int | None = None,
) -> RankingDataset:
    large = path.is_file() and path.stat().st_size > LARGE_FILE_BYTES
    progress = ltr_data.ProgressPrinter(f"converting {path.name}") if large else None
    folder = cache or Path(platformdirs.user_cache_dir("mtl2r"))
    return ltr_data.open(
        path, labels, inputs, cache=folder, num_features=num_features, progress=progress
    )


def _columns(
    config: DataConfig, feature_ids: tuple[int, ...]
) -> tuple[list[LabelSpec], Collection[int] | None]:
    """Return the specs of the labels, and the input columns."""
    # A preset removes label columns from the inputs. A list of inputs must leave them out; the data
    # set rejects a task whose column is in the list.
    preset = config.inputs if isinstance(config.inputs, str) else "all"
    specs = _label_specs(config.tasks, feature_ids, preset)
    if isinstance(config.inputs, str):
        return specs, resolve_inputs(preset, specs, feature_ids)
    return specs, config.inputs


def load_splits(config: DataConfig, evaluation: EvaluationConfig) -> Splits:
    """Read or generate the data of a config; recent configs are cached.

    Raises:
        FileNotFoundError: The folder or a required split is missing.
        ValueError: A line is malformed, a task is unknown, the column of a task is among the
            inputs, or a label is too large for the gain.
    """
    splits = _load(config.model_dump_json())
    if evaluation.gain == "exp2":
        for name, dataset in splits.items().items():
            _check_labels(name, dataset)
    return splits


def _label_specs(
    tasks: tuple[str | dict[str, Any], ...], feature_ids: tuple[int, ...], preset: str
) -> list[LabelSpec]:
    """Return a spec per task; names are resolved together, so that duplicates are found."""
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
