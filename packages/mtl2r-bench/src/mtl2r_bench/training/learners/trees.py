"""LightGBM's boosted trees, trained on one label that aggregates those of all tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ltr_data import RankingBatch

from ...config import GBDTConfig, MethodConfig, RunConfig, validate
from ...data.splits import InputColumns, Splits
from ...distributed import ProcessGroup
from ...evaluation.evaluate import Evaluation
from ...evaluation.selection import selection_weights, trained_tasks
from ...evaluation.tree_ranker import TreeRanker, require_lightgbm
from ...progress import OnProgress
from ...runs.run_folder import RunFolder
from ...table import METHODS
from ..boosting import Boosting
from ..estimate import Estimate, time_trees
from ..summary import Facts
from .base import check_one_process


class TreesLearner:
    """Train LightGBM's LambdaMART; implements `mtl2r_bench.training.learners.base.Learner`.

    The run's model, loss and optimisation are ignored. `method.options` has the options of
    `GBDTConfig`. `lightgbm.Booster(model_file=...)` reads the trees from ``trees.txt``.
    """

    def __init__(self, config: RunConfig, splits: Splits) -> None:
        self.config, self.splits = config, splits
        self.device = torch.device("cpu")
        self.trained = trained_tasks(config, splits.tasks)
        self.tasks = tuple(splits.tasks[i] for i in self.trained)
        self.check(config.method, self.tasks)
        self.boosting = Boosting(
            _options(config.method),
            config.evaluation,
            config.seed,
            InputColumns.of(splits.train, config.data),
        )

    @staticmethod
    def check(method: MethodConfig, tasks: tuple[str, ...]) -> None:
        """Raise if the preference is missing, an option is bad, or LightGBM is not installed."""
        if method.preference is None:
            raise ValueError(f"method {method.name!r} needs a `preference`")
        _options(method)
        require_lightgbm()

    @staticmethod
    def training_of(config: RunConfig, run: RunFolder) -> tuple[RunFolder, int]:
        """Return the run's own folder, and the study's epochs, since trees have none."""
        return run, config.train.epochs

    def fit(self, run: RunFolder, group: ProcessGroup, on_progress: OnProgress) -> "FittedTrees":
        """Add trees until the validation metric stops improving."""
        method = self.config.method
        check_one_process(method, group)
        preference = [0.0] * len(self.splits.tasks)
        for index, weight in zip(self.trained, method.preference or (), strict=True):
            preference[index] = weight
        trees = self.boosting.fit(
            self.splits.train,
            self.splits.validation,
            preference=preference,
            weights=selection_weights(self.config, self.splits.tasks, self.trained),
            aggregation=METHODS[method.name].aggregation,
            on_progress=on_progress,
        )
        return FittedTrees(trees, self.tasks, self.boosting.options.rounds)

    def estimate(self) -> Estimate:
        """Time a few trees."""
        return time_trees(self.boosting, self.splits)


@dataclass(frozen=True)
class FittedTrees:
    """Trained trees; implements `mtl2r_bench.training.learners.base.Fitted`."""

    trees: TreeRanker
    tasks: tuple[str, ...]
    rounds: int

    @property
    def facts(self) -> Facts:
        """Facts of the training, with trees in place of epochs and without losses."""
        trees = self.trees
        return Facts(self.tasks, trees.count, self.rounds, trees.parameters, {}, trees.seconds)

    def score(self, batch: RankingBatch) -> Tensor:
        """Return the scores (batch, list) of a batch."""
        return self.trees(batch)

    def certify(self) -> dict[str, Any]:
        """Return no entries, since trees have no gradients."""
        return {}

    def save(self, run: RunFolder, measured: Mapping[str, Evaluation]) -> None:
        """Write the trees in LightGBM's text format."""
        run.write_trees(self.trees.text, self.trees.columns_text)


def _options(method: MethodConfig) -> GBDTConfig:
    return validate(GBDTConfig, method.options, f"method {method.name!r}")
