"""Boosted trees as a ranker: LightGBM's trees, from a file or from training, score batches."""

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltr_data import RankingBatch, RankingDataset

_ROWS = 1 << 16

COLUMN = "feature_"
"""What the trees' names of the columns begin with; the column's number follows."""


@dataclass(frozen=True)
class TreeRanker:
    """A trained booster.

    Attributes:
        booster: LightGBM's.
        count: How many trees were best on validation; those that are used.
        seconds: Of the training.
    """

    booster: Any
    count: int
    seconds: float

    @classmethod
    def read(cls, path: Path) -> Self:
        """Trees from the file that `text` was written to.

        Raises:
            ImportError: Without ``pip install "mtl2r-bench[gbdt]"``.
            ValueError: When the file is damaged, or does not name the columns.
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
                    f"names like {COLUMN}1, found {name}): train them anew"
                )
        return cls(booster, booster.current_iteration(), 0.0)

    @property
    def feature_ids(self) -> tuple[int, ...]:
        """The file's columns that the trees see, in their order."""
        return tuple(int(name.removeprefix(COLUMN)) for name in self.booster.feature_name())

    def __call__(self, batch: RankingBatch) -> Tensor:
        """Scores (batch, list) of a batch; 0 where there is padding."""
        scores = torch.zeros(batch.mask.shape)
        predicted = self.booster.predict(
            batch.features[batch.mask].numpy(), num_threads=torch.get_num_threads()
        )
        scores[batch.mask] = torch.from_numpy(predicted).float()
        return scores

    def predict(self, dataset: RankingDataset) -> NDArray[np.float32]:
        """(document,) scores."""
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
        """The trees that are used, as `lightgbm.Booster(model_str=...)` reads them."""
        return str(self.booster.model_to_string(num_iteration=self.count))

    @property
    def parameters(self) -> int:
        """Numbers that the trees consist of: a feature and a threshold a split, a value a leaf."""
        model = self.booster.dump_model(num_iteration=self.count)
        leaves = [tree["num_leaves"] for tree in model["tree_info"]]
        return sum(3 * count - 2 for count in leaves)


def require_lightgbm() -> Any:
    """The module.

    Raises:
        ImportError: Without ``pip install "mtl2r-bench[gbdt]"``.
    """
    try:
        return importlib.import_module("lightgbm")
    except ImportError as error:
        raise ImportError('trees need LightGBM: pip install "mtl2r-bench[gbdt]"') from error
