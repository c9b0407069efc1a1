"""What a run can train: one kind of learner per file, by the name that a method's row gives."""

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
    """Return what trains a run, with its config checked as far as that costs nothing.

    Raises:
        ValueError: The config does not fit the data.
        ImportError: The method needs an extra that is not installed.
    """
    return _kind(config.method)(config, splits)


def check_method(method: MethodConfig, tasks: tuple[str, ...]) -> None:
    """Raise for a run's method that could not be trained, before anything is.

    Raises:
        ValueError: The name or an option is unknown, an option is missing, or a preference is
            missing, or given to a method that takes none.
        ImportError: The method needs an extra that is not installed.
    """
    _kind(method).check(method, tasks)


def training_of(config: RunConfig, run: RunFolder) -> tuple[RunFolder, int]:
    """Return the folder of the training that a run is part of, and the epochs of that training."""
    return _kind(config.method).training_of(config, run)


def estimate(config: RunConfig, splits: Splits) -> Estimate:
    """Time a few steps of a run, on one thread as in a sweep.

    The parts are a sample, so that the result is an estimate. Bounds that are still to be derived
    take part as any number.
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
    """Count the trainings of runs that differ in preference, fold and seed alone.

    Each run is one training, unless runs share one; a longer one counts as many times.

    Args:
        runs: By the names of their folders.
    """
    pairs = (training_of(config, RunFolder(name)) for name, config in runs.items())
    found = {training.path: epochs for training, epochs in pairs}
    return sum(found.values()) // next(iter(runs.values())).train.epochs


def _kind(method: MethodConfig) -> type[Learner]:
    return LEARNERS[lookup(METHODS, method.name, "method").learner]
