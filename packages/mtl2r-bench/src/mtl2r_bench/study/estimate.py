"""What a study will take, before it is begun."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ltr_data import RankingDataset

from ..config import GBDTConfig, RunConfig, validate
from ..data.splits import Splits
from ..distributed import ProcessGroup, pick_device
from ..evaluation.evaluate import evaluate, label_scores, scorer
from ..evaluation.selection import trained_tasks
from ..progress import Progress, TreeProgress
from ..table import CONDITIONED, TREES
from ..training.boosting import fit_one_task
from ..training.build import build_loss
from ..training.distillation import training_data
from ..training.epoch import Engine
from ..training.start import initial_state
from .plan import provisional

STEPS = 3
"""Steps that are timed, after one that warms up."""

_COPIES = 5
"""Of the parameters on disk: the ranker, and in the checkpoint the weights, Adam's two moments, and
as much again while it is replaced."""


@dataclass(frozen=True)
class Estimate:
    """What one run takes, from a few of its steps.

    Attributes:
        steps: Of an epoch.
        step_seconds: Of a step.
        evaluation_seconds: Of the validation lists, after every epoch.
        seconds: Of the whole run.
        parameters: Of its network.
        bytes: On disk.
    """

    steps: int
    step_seconds: float
    evaluation_seconds: float
    seconds: float
    parameters: int
    bytes: int


def trainings(runs: Sequence[RunConfig]) -> int:
    """How many trainings the runs of a method are: one each, unless preferences share one."""
    first = runs[0].method
    if first.name != CONDITIONED:
        return len(runs)
    shared = {(run.seed, run.data.fold, run.tasks) for run in runs}
    return len(shared) * int(first.options.get("passes", 1))


def estimate(config: RunConfig, splits: Splits) -> Estimate:
    """Times a few steps of a run, and the evaluation of a part of the validation lists.

    One thread, as in a sweep. The parts are a sample, so that the result is an estimate.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _estimate(config, splits)
    finally:
        torch.set_num_threads(threads)


class _EnoughError(Exception):
    """The steps that are timed are done."""


class _TreeClock:
    """Times boostings of a few trees each: until the first one, which bins the features, and on."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._first: list[float] = []
        self._later: list[float] = []

    def __call__(self, at: TreeProgress) -> None:
        now = time.perf_counter()
        (self._first if at.tree == 1 else self._later).append(now - self._last)
        self._last = now

    @property
    def tree(self) -> float:
        """Seconds of a tree."""
        return sum(self._later) / len(self._later)

    def seconds(self, trees: int) -> float:
        """Of the same boostings with so many trees each."""
        return sum(self._first) + len(self._first) * (trees - 1) * self.tree


def _estimate_trees(config: RunConfig, splits: Splits) -> Estimate:
    """Of all the trees there could be: where boosting ends earlier is not known before."""
    options = validate(GBDTConfig, config.method.options)
    clock = _TreeClock()
    fit_one_task(
        splits.train,
        splits.validation,
        0,
        evaluation=config.evaluation,
        options=options.model_copy(update={"rounds": STEPS + 1}),
        on_progress=clock,
    )
    return Estimate(
        steps=1,
        step_seconds=clock.tree,
        evaluation_seconds=0.0,
        seconds=clock.seconds(options.rounds),
        parameters=options.rounds * (3 * options.num_leaves - 2),
        bytes=0,
    )


def _taught(config: RunConfig, splits: Splits, trained: list[int]) -> tuple[RankingDataset, float]:
    """What the run learns from, with teachers of a few trees, and the seconds of whole ones."""
    distillation = config.train.distillation
    if distillation is None:
        return training_data(config, splits, trained), 0.0
    few = distillation.trees.model_copy(update={"rounds": STEPS + 1})
    distilled = distillation.model_copy(update={"trees": few})
    short = config.train.model_copy(update={"distillation": distilled})
    clock = _TreeClock()
    learned = training_data(config.model_copy(update={"train": short}), splits, trained, clock)
    return learned, clock.seconds(distillation.trees.rounds)


def _estimate(config: RunConfig, splits: Splits) -> Estimate:
    if config.method.name in TREES:
        return _estimate_trees(config, splits)
    trained = trained_tasks(config, splits.tasks)
    method = provisional(config.method, [splits.tasks[i] for i in trained])
    config = config.model_copy(update={"method": method})
    group = ProcessGroup(device=pick_device(config.train.device))
    learned, teaching = _taught(config, splits, trained)
    state = initial_state(config, splits, trained, group, learned)
    engine = Engine(config, learned, state, build_loss(config.loss), trained)
    times = [time.perf_counter()]

    def after_step(_: Progress) -> None:
        times.append(time.perf_counter())
        if len(times) > STEPS + 1:
            raise _EnoughError

    with contextlib.suppress(_EnoughError):
        engine.run_epoch(after_step)
    # The first of two batches or more warms up.
    step = (times[-1] - times[1]) / (len(times) - 2) if len(times) > 2 else times[1] - times[0]
    part = splits.validation.subset(range(min(len(splits.validation), 50)))
    start = time.perf_counter()
    score = label_scores(scorer(state.evaluated, group.device), trained, len(splits.tasks))
    evaluate(score, part, config.evaluation)
    share = part.num_documents / splits.validation.num_documents
    evaluation = (time.perf_counter() - start) / share
    steps = len(state.loader)
    parameters = sum(p.numel() for p in state.ranker.parameters())
    queries = sum(len(split) for split in splits.measured().values())
    values = queries * len(splits.tasks) * len(config.evaluation.cutoffs)
    return Estimate(
        steps=steps,
        step_seconds=step,
        evaluation_seconds=evaluation,
        seconds=teaching + config.train.epochs * (steps * step + evaluation),
        parameters=parameters,
        bytes=4 * _COPIES * parameters + 8 * values,
    )
