"""Boosted trees as a ranker: LightGBM's trees, from a file or from training."""

import importlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltr_data import RankingBatch, RankingDataset

from ..data.splits import InputColumns
from ..runs.run_folder import TREES_COLUMNS_FILE

_ROWS = 1 << 16

COLUMN = "feature_"
"""Prefix of the column names in the trees; the column's number follows."""


@dataclass(frozen=True)
class TreeRanker:
    """A trained booster of LightGBM, and the seconds that its training took.

    `count` is the number of trees that was best on validation; the later trees are not used.
    """

    booster: Any
    count: int
    seconds: float
    inputs: InputColumns

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read trees from the file that `text` was written to.

        Raises:
            ImportError: LightGBM (``pip install "mtl2r-bench[gbdt]"``) is not installed.
            ValueError: The file is damaged, or does not name the columns.
        """
        lightgbm = require_lightgbm()
        try:
            booster = lightgbm.Booster(model_file=str(path))
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(f"{path}: damaged: {error}") from error
        for name in booster.feature_name():
            if not re.fullmatch(rf"{COLUMN}\d+", name):
                raise ValueError(
                    f"{path}: the trees do not say which columns they were trained on (expected "
                    f"names like {COLUMN}1, found {name}): train them again"
                )
        numbers = tuple(int(name.removeprefix(COLUMN)) for name in booster.feature_name())
        beside = path.with_name(TREES_COLUMNS_FILE)
        inputs = InputColumns(numbers)
        if beside.is_file():
            try:
                inputs = InputColumns.from_dict(json.loads(beside.read_text(encoding="utf-8")))
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{beside}: damaged: {error!r}; train the trees again") from error
            if inputs.feature_ids != numbers:
                raise ValueError(f"{beside}: damaged: these are not the columns of {path}")
        return cls(booster, booster.current_iteration(), 0.0, inputs)

    @property
    def feature_ids(self) -> tuple[int, ...]:
        """The columns of the file that the trees use, in their order."""
        return self.inputs.feature_ids

    @property
    def columns_text(self) -> str | None:
        """What `TREES_COLUMNS_FILE` says about columns with names; None where they have none."""
        return json.dumps(self.inputs.to_dict(), indent=1) if self.inputs.names else None

    def __call__(self, batch: RankingBatch) -> Tensor:
        """Return the scores (batch, list) of a batch; 0 at padding."""
        scores = torch.zeros(batch.mask.shape)
        predicted = self.booster.predict(
            batch.features[batch.mask].numpy(), num_threads=torch.get_num_threads()
        )
        scores[batch.mask] = torch.from_numpy(predicted).float()
        return scores

    def predict(self, dataset: RankingDataset) -> NDArray[np.float32]:
        """Return the scores (document,) of a data set."""
        rows = range(0, dataset.num_documents, _ROWS)
        parts = [
            self.booster.predict(
                np.asarray(dataset.features[start : start + _ROWS]),
                num_threads=torch.get_num_threads(),
            )
            for start in rows
        ]
        return np.concatenate(parts).astype(np.float32)

    @property
    def text(self) -> str:
        """The used trees in the format that `lightgbm.Booster(model_str=...)` reads."""
        return str(self.booster.model_to_string(num_iteration=self.count))

    @property
    def parameters(self) -> int:
        """Number of parameters: a feature and a threshold per split, a value per leaf."""
        model = self.booster.dump_model(num_iteration=self.count)
        leaves = [tree["num_leaves"] for tree in model["tree_info"]]
        return sum(3 * count - 2 for count in leaves)


def require_lightgbm() -> Any:
    """Import LightGBM, or raise ImportError with the command that installs it."""
    try:
        return importlib.import_module("lightgbm")
    except ImportError as error:
        raise ImportError('trees need LightGBM: pip install "mtl2r-bench[gbdt]"') from error
