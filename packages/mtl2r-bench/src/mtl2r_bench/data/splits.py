"""Load the splits of a data config."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

import ltr_data
from ltr_data import (
    Columns,
    FeatureTransform,
    LabelSpec,
    LogStandardize,
    RankingDataset,
    RankingTable,
    Standardize,
    TableTransform,
    fit_words,
)
from ltr_data.datasets import resolve_inputs, resolve_tasks

from ..config import DataConfig, EvaluationConfig, SplitConfig
from .suspicious import suspicious_inputs
from .tables import Tables, load_tables, open_table

LARGEST_GAIN_LABEL = 30.0
"""Largest label for the gain 2^label − 1, as in LightGBM. Above it, the largest label dominates."""

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
        width: Number of columns of the files, labels included, if they have no names.
        notes: What a user should look at, in sentences.
    """

    train: RankingDataset
    validation: RankingDataset
    test: RankingDataset | None
    transform: FeatureTransform | None
    source: str
    width: int | None = None
    notes: tuple[str, ...] = ()

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
    tables = load_tables(config)
    whole = tables.splits["train"]
    specs, inputs = _columns(config, tables, whole)
    train = RankingDataset.from_table(whole, specs, inputs)
    others = {
        name: RankingDataset.from_table(
            table, train.label_specs, train.input_names if tables.named else train.feature_ids
        )
        for name, table in tables.splits.items()
        if name != "train"
    }
    transform, words = _fitted(config, train)
    if words:
        train = train.recoded(words)
        others = {name: dataset.recoded(words) for name, dataset in others.items()}
    return Splits(
        train=train,
        validation=others["vali"],
        test=others.get("test"),
        transform=transform,
        source=tables.source,
        width=None if tables.named else len(whole.feature_ids),
        # Data sets without names are known; their columns are what their authors say.
        notes=tuple(suspicious_inputs(train)) if tables.named else (),
    )


def _fitted(
    config: DataConfig, train: RankingDataset
) -> tuple[FeatureTransform | None, dict[int, tuple[str, ...]]]:
    """Return the fitted transform of the features, and the words of the training split."""
    kind = _TRANSFORMS[config.transform]
    if not train.words and not train.nullable:
        fitted = None if kind is None else kind.fit(train.features, train.feature_ids)
        return fitted, {}
    words = fit_words(train, min_count=config.min_count, max_words=config.max_words)
    recoded = train.recoded(words)
    transform = TableTransform.fit(
        recoded.features,
        recoded.feature_ids,
        words=words,
        numbers=None if kind is None else kind.fit,
        names=recoded.input_names,
        kinds=recoded.kinds,
    )
    return transform, words


@dataclass(frozen=True)
class InputColumns:
    """The columns that a trained ranker takes, by number, and by name where they have names.

    Attributes:
        feature_ids: Numbers of the columns.
        names: Names of the columns; empty where they have none.
        kinds: By number, how values are written that are no plain numbers.
        words: By number, the words of the training split.
        query: Name of the column that identifies the query.
        id: Name of the column that identifies the document, or None.
        clip: Whether finite numbers beyond float32 become its largest.
        zero_based: Whether text counts features from 0.
    """

    feature_ids: tuple[int, ...]
    names: tuple[str, ...] = ()
    kinds: Mapping[int, str] = field(default_factory=dict)
    words: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    query: str = "qid"
    id: str | None = None
    clip: bool = False
    zero_based: bool | Literal["auto"] = False

    @classmethod
    def of(cls, dataset: RankingDataset, config: DataConfig) -> Self:
        """Return the columns of training lists."""
        return cls(
            dataset.feature_ids,
            dataset.feature_names or (),
            dict(dataset.kinds),
            dict(dataset.words),
            config.query,
            config.id,
            config.clip,
            config.zero_based,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, for JSON."""
        return {**asdict(self), **{n: list(getattr(self, n).items()) for n in ("kinds", "words")}}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Build it from the result of `to_dict`."""
        return cls(
            tuple(fields["feature_ids"]),
            tuple(fields["names"]),
            dict(fields["kinds"]),
            {number: tuple(words) for number, words in fields["words"]},
            fields["query"],
            fields["id"],
            fields.get("clip", False),
            fields.get("zero_based", False),
        )


def open_inputs(
    path: str | Path, inputs: InputColumns, cache: Path | None = None, width: int | None = None
) -> RankingDataset:
    """Open a file with the inputs that a ranker was trained on, whatever its labels.

    `width` is the number of columns of the training files, labels included, if they had no names;
    the file may have fewer.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: A line is malformed, columns of the ranker are missing, or the file has more
            columns than `width`.
    """
    if inputs.names:
        return _open_named(str(path), inputs, cache)
    table = open_table(str(path), cache, clip=inputs.clip, zero_based=inputs.zero_based)
    there, wanted = table.feature_ids, inputs.feature_ids
    missing = sorted(set(wanted) - set(there))
    if missing:
        raise ValueError(
            f"{path}: the ranker was trained on {len(wanted)} columns, the last of them "
            f"{max(wanted)}; {len(missing)} are not in this file, {missing[0]} the first; "
            f"it has {len(there)}, the last of them {max(there)}"
        )
    if width is not None and len(there) > width:
        raise ValueError(
            f"{path}: the ranker was trained on files of {width} columns, this one has {len(there)}"
        )
    return RankingDataset.from_table(_labelled(table), _RELEVANCE, wanted)


def _open_named(path: str, inputs: InputColumns, cache: Path | None) -> RankingDataset:
    if not ltr_data.has_named_columns(path):
        raise ValueError(
            f"{path}: the ranker was trained on columns with names, such as {inputs.names[0]!r}; "
            "give a table with named columns, such as .csv or .parquet"
        )
    kinds = {
        name: inputs.kinds.get(number, "number")
        for number, name in zip(inputs.feature_ids, inputs.names, strict=True)
    }
    columns = Columns(
        query=inputs.query, id=inputs.id, features=inputs.names, nullable="all", kinds=kinds
    )
    table = open_table(path, cache, columns=columns, clip=inputs.clip)
    dataset = RankingDataset.from_table(_labelled(table), _RELEVANCE)
    # The file's columns are numbered in the ranker's order.
    number = dict(zip(dataset.feature_ids, inputs.feature_ids, strict=True))
    renumbered = replace(
        dataset,
        feature_ids=inputs.feature_ids,
        kinds={number[f]: kind for f, kind in dataset.kinds.items()},
        words={number[f]: words for f, words in dataset.words.items()},
        nullable=tuple(number[f] for f in dataset.nullable),
    )
    return renumbered.recoded(inputs.words) if inputs.words else renumbered


_RELEVANCE = (LabelSpec("relevance"),)


def _labelled(table: RankingTable) -> RankingTable:
    """Return the table with labels, which a data set must have, if only zeros."""
    if table.labels is not None:
        return table
    return replace(table, labels=np.zeros(table.num_documents, dtype=np.float32))


def _columns(
    config: DataConfig, tables: Tables, train: RankingTable
) -> tuple[list[LabelSpec], Collection[int | str] | None]:
    """Return the specs of the labels, and the input columns."""
    # A preset removes label columns from the inputs. A list of inputs must leave them out; the data
    # set rejects a task whose column is in the list.
    preset = config.inputs if isinstance(config.inputs, str) else "all"
    if tables.named:
        specs = [named_spec(task, train) for task in config.tasks]
        if not isinstance(config.inputs, str):
            return specs, config.inputs
        apart = {config.split} if isinstance(config.split, str) else set()
        if isinstance(config.split, SplitConfig):
            apart = {config.split.order}
        taken = {f for spec in specs for f in spec.columns(train)}
        taken |= {train.feature_id(name) for name in apart if name in train.names}
        return specs, [f for f in train.feature_ids if f not in taken]
    specs = _label_specs(config.tasks, train.feature_ids, preset)
    if isinstance(config.inputs, str):
        return specs, resolve_inputs(preset, specs, train.feature_ids)
    return specs, config.inputs


def named_spec(task: str | dict[str, Any], table: RankingTable) -> LabelSpec:
    """Return the spec of a task by the name of its column."""
    if not isinstance(task, str):
        return LabelSpec.from_dict({"missing": "mask", **task})
    spec = LabelSpec.parse(task)
    try:
        spec.columns(table)
    except ValueError as error:
        raise ValueError(
            f"{error}. --labels (`data.tasks`) names the columns that are labels, as in "
            "--labels clicks,price:lower; the table has "
            f"{', '.join(table.names[:30])}{' ...' if len(table.names) > 30 else ''}"
        ) from error
    return spec


def load_splits(config: DataConfig, evaluation: EvaluationConfig) -> Splits:
    """Read or generate the data of a config; recent configs are cached.

    Raises:
        FileNotFoundError: The folder or a required split is missing.
        ValueError: A line is malformed, a task is unknown, the column of a task is among the
            inputs, or a label is too large for the gain.
    """
    splits = _load(config.model_dump_json())
    for name, dataset in splits.items().items():
        _check_labels(name, dataset, evaluation.gain)
    return splits


def _label_specs(
    tasks: tuple[str | dict[str, Any], ...], feature_ids: tuple[int, ...], preset: str
) -> list[LabelSpec]:
    """Return a spec per task; names are resolved together, so that duplicates are found."""
    names = [task for task in tasks if isinstance(task, str)]
    named = iter(resolve_tasks(names, feature_ids, preset=preset) if names else ())
    return [next(named) if isinstance(t, str) else LabelSpec.from_dict(t) for t in tasks]


def _check_labels(split: str, dataset: RankingDataset, gain: str) -> None:
    for task, labels in zip(dataset.tasks, dataset.labels, strict=True):
        least, largest = float(np.min(labels, initial=0.0)), float(np.max(labels, initial=0.0))
        if least < 0:
            raise ValueError(
                f"labels of task {task!r} fall to {least:g} in the {split} split; a gain must not "
                f"be negative. Give the task grades, as in {task}:grades=5 or "
                f'{{name = "{task}", source = ..., grades = 5}}, or another transform'
            )
        if gain == "exp2" and largest > LARGEST_GAIN_LABEL:
            raise ValueError(
                f"labels of task {task!r} reach {largest:g} in the {split} split; the gain "
                f"2^label − 1 is for labels up to {LARGEST_GAIN_LABEL:g}. Give the task a "
                "transform (quantile grades, log1p, clip), or set evaluation.gain to 'linear'"
            )
