"""What every kind of learner offers, and what comes of its training."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from ltr_data import RankingBatch

from ...config import MethodConfig, RunConfig
from ...data.splits import Splits
from ...distributed import ProcessGroup
from ...evaluation.evaluate import Evaluation
from ...progress import OnProgress
from ...runs.run_folder import RunFolder
from ..estimate import Estimate
from ..summary import Facts


class Fitted(Protocol):
    """A trained ranker, of the epoch that validation chose."""

    @property
    def facts(self) -> Facts:
        """What the record says of its training."""

    def score(self, batch: RankingBatch) -> Tensor:
        """Score a batch: (batch, list), or (label, batch, list)."""

    def certify(self) -> dict[str, Any]:
        """Return what the ranker can prove of itself, as entries of the record."""

    def save(self, run: RunFolder, measured: Mapping[str, Evaluation]) -> None:
        """Write the ranker into the run's folder, with its metrics by split."""


class Learner(Protocol):
    """A kind of training: made of a run's config and data, it brings forth a ranker.

    Its constructor raises for whatever a config can get wrong, as far as that costs nothing.

    Attributes:
        device: Where it trains.
    """

    device: torch.device

    def __init__(self, config: RunConfig, splits: Splits) -> None: ...

    @staticmethod
    def check(method: MethodConfig, tasks: tuple[str, ...]) -> None:
        """Raise ValueError or ImportError for a method that could not be trained."""

    @staticmethod
    def training_of(config: RunConfig, run: RunFolder) -> tuple[RunFolder, int]:
        """Return the folder of the training that a run is part of, and its epochs."""

    def fit(self, run: RunFolder, group: ProcessGroup, on_progress: OnProgress) -> Fitted:
        """Train, or go on from the folder's checkpoint; the folder keeps the best epoch."""

    def estimate(self) -> Estimate:
        """Time a few steps of the training."""
