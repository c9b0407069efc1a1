"""The protocols of a learner and of the trained ranker that it returns."""

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


def check_one_process(method: MethodConfig, group: ProcessGroup) -> None:
    """Raise ValueError if several processes share the training."""
    if group.size > 1:
        raise ValueError(f"method {method.name!r} trains on one process, got {group.size}")


class Fitted(Protocol):
    """A trained ranker of the epoch that validation chose."""

    @property
    def facts(self) -> Facts:
        """The entries of the record about its training."""

    def score(self, batch: RankingBatch) -> Tensor:
        """Return scores (batch, list) or (label, batch, list) of a batch."""

    def certify(self) -> dict[str, Any]:
        """Return the ranker's certificate as entries of the record; empty if it has none."""

    def save(self, run: RunFolder, measured: Mapping[str, Evaluation]) -> None:
        """Write the ranker into the run's folder, with its metrics by split."""


class Learner(Protocol):
    """A kind of training on a device, built from a run's config and data.

    The constructor makes all checks of the config that cost no time.
    """

    device: torch.device

    def __init__(self, config: RunConfig, splits: Splits) -> None: ...

    @staticmethod
    def check(method: MethodConfig, tasks: tuple[str, ...]) -> None:
        """Raise ValueError or ImportError if the method cannot be trained."""

    @staticmethod
    def training_of(config: RunConfig, run: RunFolder) -> tuple[RunFolder, int]:
        """Return the folder of a run's training, which runs may share, and the epochs of it."""

    def fit(self, run: RunFolder, group: ProcessGroup, on_progress: OnProgress) -> Fitted:
        """Train, or resume from the folder's checkpoint; the folder keeps the best epoch."""

    def estimate(self) -> Estimate:
        """Time a few steps of the training."""
