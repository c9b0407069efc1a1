"""The kinds of learners, one per file; a method's row in the table names its kind."""

from collections.abc import Mapping

import torch

from ...config import MethodConfig, RunConfig
from ...data.splits import Splits
from ...runs.run_folder import RunFolder
from ...table import METHODS, lookup
from ..build import provisional
from ..estimate import Estimate
from .base import Learner
from .conditioned import ConditionedLearner
from .network import NetworkLearner
from .trees import TreesLearner

LEARNERS: Mapping[str, type[Learner]] = {
    "network": NetworkLearner,
    "conditioned": ConditionedLearner,
    "trees": TreesLearner,
}


def learner_of(config: RunConfig, splits: Splits) -> Learner:
    """Return the learner of a run, after the checks of its config that cost no time."""
    return _kind(config.method)(config, splits)


def check_method(method: MethodConfig, tasks: tuple[str, ...]) -> None:
    """Raise ValueError or ImportError if the method of a run cannot be trained."""
    _kind(method).check(method, tasks)


def training_of(config: RunConfig, run: RunFolder) -> tuple[RunFolder, int]:
    """Return the folder of a run's training, which runs may share, and the epochs of it."""
    return _kind(config.method).training_of(config, run)


def estimate(config: RunConfig, splits: Splits) -> Estimate:
    """Time a few steps of a run, on one thread as in a sweep.

    The steps and lists are a sample, so the result is an estimate. Bounds that the study derives
    later have a placeholder value.
    """
    tasks = config.tasks or splits.tasks
    method = provisional(config.method, tasks)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return learner_of(config.model_copy(update={"method": method}), splits).estimate()
    finally:
        torch.set_num_threads(threads)


def trainings(runs: Mapping[str, RunConfig]) -> int:
    """Count the trainings of runs that differ only in preference, fold and seed.

    Runs that share a training count as one. A training of n times the epochs counts n times.
    """
    pairs = (training_of(config, RunFolder(name)) for name, config in runs.items())
    found = {training.path: epochs for training, epochs in pairs}
    return sum(found.values()) // next(iter(runs.values())).train.epochs


def _kind(method: MethodConfig) -> type[Learner]:
    return LEARNERS[lookup(METHODS, method.name, "method").learner]
