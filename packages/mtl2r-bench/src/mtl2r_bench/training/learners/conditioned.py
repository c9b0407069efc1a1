"""One network for all preferences of a study: one training, one run per preference.

Runs of a study that differ only in their preference share one training. The first of them trains
in a folder beside theirs; the others wait for it. Each run then takes the ranker at its own
preference and measures it like any other ranker.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mtl2r_models import PreferenceConditioned, Ranker, stratified_preferences

from ...config import RunConfig, to_toml
from ...data.splits import Splits
from ...distributed import ProcessGroup
from ...evaluation.evaluate import evaluate
from ...evaluation.selection import selection_value, selection_weights
from ...progress import OnProgress
from ...runs.run_folder import RunFolder
from ..epoch import Engine
from ..epochs import Judgement, train_epochs
from ..summary import describe
from .base import check_one_process
from .network import FittedNetwork, NetworkLearner

RAYS = 5
"""Number of preferences at which an epoch is evaluated on validation."""

_MARGIN = 0.02
"""Smallest entry of a preference in training. Learning degrades at the open ends of the front."""

_SEED_STEP = 1_000_003  # distance between the preference seeds of two successive epochs


class ConditionedLearner(NetworkLearner):
    """Train one network for all preferences, on one process and the CPU.

    `method.options` has ``passes`` (a factor on `train.epochs`), ``mu`` and ``average`` of
    `mtl_optim.SmoothChebyshev`, and ``code`` and ``rank`` of `PreferenceConditioned`. A record has
    the ``parameters`` and ``seconds`` of the shared network.
    """

    def __init__(self, config: RunConfig, splits: Splits) -> None:
        super().__init__(config, splits)
        self.device = torch.device("cpu")

    @staticmethod
    def training_of(config: RunConfig, run: RunFolder) -> tuple[RunFolder, int]:
        """Return the folder that all preferences share, and the epochs of the shared training."""
        shared = RunFolder.shared(run.path.parent, _without_preference(config))
        return shared, config.train.epochs * int(config.method.options.get("passes", 1))

    def fit(self, run: RunFolder, group: ProcessGroup, on_progress: OnProgress) -> FittedNetwork:
        """Train the shared network unless another run has, and fix the run's preference in it."""
        check_one_process(self.config.method, group)
        shared, epochs = self.training_of(self.config, run)
        with shared.training(_without_preference(self.config), group, wait=True):
            if len(shared.epochs()) < epochs:  # the best ranker was saved before its line
                longer = self.config.train.model_copy(update={"epochs": epochs, "device": "cpu"})
                config = self.config.model_copy(update={"train": longer})
                learner = ConditionedLearner(config, self.splits)
                engine = learner.engine(group, on_progress)
                engine.before_step = _new_preferences(engine)
                train_epochs(engine, shared, learner._judge(engine), on_progress)
        run.copy_log(shared)  # the report draws the curves of the shared training
        whole = Ranker.load(shared.ranker)
        ranker = Ranker(
            _conditioned(whole).at(self.config.method.preference or ()),
            transform=whole.transform,
            feature_ids=whole.feature_ids,
            feature_names=whole.feature_names,
            tasks=whole.tasks,
        )
        fitted = self.fitted(shared, ranker)
        parameters = sum(p.numel() for p in whole.parameters())
        return replace(fitted, facts=replace(fitted.facts, parameters=parameters))

    def _judge(self, engine: Engine) -> Judgement:
        """Return a judgement by the mean selection value and metrics over `RAYS` preferences."""
        config, splits, state = self.config, self.splits, engine.state
        score = self._scores(engine)

        def judge(ranker: Ranker) -> tuple[float, dict[str, dict[str, float]]]:
            generator = torch.Generator().manual_seed(0)
            values, means = [], []
            for ray in stratified_preferences(
                RAYS, len(self.trained), margin=_MARGIN, generator=generator
            ):
                preference = ray.double() / ray.double().sum()
                _conditioned(ranker).prefer(preference)
                method = config.method.model_copy(update={"preference": tuple(preference.tolist())})
                at_ray = config.model_copy(update={"method": method})
                weights = selection_weights(at_ray, splits.tasks, self.trained)
                measured = evaluate(score, splits.validation, config.evaluation)
                values.append(selection_value(measured, weights, config))
                means.append(measured.means())
            validation = measured.named(np.mean(means, axis=0))
            describe(ranker, config, splits, state.epoch + 1, {"validation": validation})
            return float(np.mean(values)), validation

        return judge


def _new_preferences(engine: Engine) -> Callable[[], None]:
    """Return a function that sets a new preference in network and method before every step.

    The preferences of an epoch are spread evenly, and are the same when the epoch is repeated.
    """
    state, seed = engine.state, engine.config.seed
    model, preference = state.network, state.method.preference
    assert isinstance(model, PreferenceConditioned) and isinstance(preference, Tensor)  # noqa: S101, PT018

    @lru_cache(maxsize=1)
    def rays(epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed + _SEED_STEP * (epoch + 1))
        return stratified_preferences(
            len(state.loader), len(engine.trained), margin=_MARGIN, generator=generator
        )

    def set_next() -> None:
        ray = rays(state.epoch)[state.tally.steps]
        model.prefer(ray)
        preference.copy_(ray)

    return set_next


def _conditioned(ranker: Ranker) -> PreferenceConditioned:
    model = ranker.model
    assert isinstance(model, PreferenceConditioned)  # noqa: S101 - what `build_model` made
    return model


def _without_preference(config: RunConfig) -> str:
    """Return the config of the shared training as TOML."""
    method = config.method.model_copy(update={"preference": None})
    return to_toml(config.model_copy(update={"method": method}))
