"""The tables of a data config: generated, from a folder of splits, or one that is split."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

import ltr_data
from ltr_data import Columns, RankingTable
from ltr_data.datasets import letor, synthetic

from ..config import DataConfig, SplitConfig

LARGE_FILE_BYTES = 20_000_000
"""Size above which the conversion of a file shows its progress."""


@dataclass(frozen=True)
class Tables:
    """All columns of the splits.

    Attributes:
        splits: Tables by the names train, vali and test; the last may be missing.
        source: Where they are from, for the record and the report.
        named: Whether their columns have names.
    """

    splits: Mapping[str, RankingTable]
    source: str
    named: bool = False


def load_tables(config: DataConfig) -> Tables:
    """Open or generate the tables of a config.

    Raises:
        FileNotFoundError: The file, the folder or a required split is missing.
        ValueError: A line is malformed, or the splits have different columns.
    """
    if config.path is None:
        return _generated(config)
    path = config.path
    folder = Path(path)
    if folder.is_dir() or folder.suffix.lower() == ".zip":
        return _folder(config, folder)
    try:
        return _split(config, _opened(config, path, columns_of(config, path)))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"`data.path` must be a ranking file or the folder with the lists: {error}; --data "
            "names another"
        ) from error


def columns_of(config: DataConfig, path: letor.Split | str) -> Columns | None:
    """Return which column is what in a file; None where columns have no names."""
    if not ltr_data.has_named_columns(path):
        return None
    return Columns(
        query=config.query,
        id=config.id,
        exclude=config.exclude,
        kinds=config.kinds,
        infer=True,
        weight=config.weight,
        propensity=config.propensity,
        position=config.position,
        position_bias=config.position_bias,
    )


def _generated(config: DataConfig) -> Tables:
    size = config.synthetic
    # The folds of one seed are different draws.
    seed = size.seed + 1_000 * ((config.fold or 1) - 1)
    tables = synthetic.splits(
        (size.train_queries, size.validation_queries, size.test_queries),
        mean_length=size.mean_length,
        seed=seed,
    )
    return Tables(tables, f"synthetic data, seed {seed}")


def _folder(config: DataConfig, folder: Path) -> Tables:
    """Open a folder with a file per split, or with the parts of one table."""
    whole = config.fold is None and folder.is_dir() and not letor.splits_in(folder)
    if whole and ltr_data.has_named_columns(folder):
        return _split(config, _opened(config, str(folder), columns_of(config, folder)))
    paths = letor.find_splits(folder, fold=config.fold)
    columns = columns_of(config, paths["train"])
    train = _opened(config, paths["train"], columns)
    others = {}
    for name, path in paths.items():
        if name == "train":
            continue
        if columns is not None:
            others[name] = _opened(config, path, _like(columns, train))
            continue
        table = _opened(config, path)
        # Sparse files may leave out the last features, so the training split says their number.
        if table.feature_ids != train.feature_ids:
            table = _opened(config, path, num_features=len(train.feature_ids))
        others[name] = table
    return Tables({"train": train, **others}, str(config.path), columns is not None)


def _like(columns: Columns, train: RankingTable) -> Columns:
    """Return the columns of another split: those of the training table, written in its kinds."""
    kinds = dict.fromkeys(train.names, "number")
    kinds |= {train.name(number): kind for number, kind in train.kinds.items()}
    return replace(
        columns, features=train.names, kinds=kinds, exclude=(), nullable="all", infer=False
    )


def _split(config: DataConfig, table: RankingTable) -> Tables:
    """Split one table by its queries."""
    how = config.split
    named = table.feature_names is not None
    if isinstance(how, str):
        parts = ltr_data.split(table, column=how)
    elif isinstance(how, SplitConfig):
        parts = ltr_data.split(table, how.shares, order=how.order)
    else:
        parts = ltr_data.split(table, how, seed=config.split_seed)
    return Tables(parts, str(config.path), named)


def _opened(
    config: DataConfig,
    path: letor.Split | str,
    columns: Columns | None = None,
    num_features: int | None = None,
) -> RankingTable:
    options = {"clip": config.clip, "zero_based": config.zero_based}
    return open_table(path, config.cache, columns=columns, num_features=num_features, **options)


def open_table(path: letor.Split | str, cache: Path | None = None, **options: Any) -> RankingTable:
    """Open files, which are converted once into the cache and then mapped.

    The options are those of `ltr_data.open_table`.
    """
    files = [Path(one) for one in (path if isinstance(path, list) else [path])]
    size = sum(file.stat().st_size for file in files if file.is_file())
    large = size > LARGE_FILE_BYTES
    progress = ltr_data.ProgressPrinter(f"converting {files[0].name}") if large else None
    folder = cache or Path(platformdirs.user_cache_dir("mtl2r"))
    return ltr_data.open_table(path, cache=folder, progress=progress, **options)
