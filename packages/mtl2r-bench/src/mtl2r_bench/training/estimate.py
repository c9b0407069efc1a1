"""Estimate the time and disk space of a run from a few of its steps."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ltr_data import RankingBatch

from ..config import RunConfig
from ..data.splits import Splits
from ..evaluation.evaluate import evaluate
from ..progress import Progress, TreeProgress
from .boosting import Boosting
from .epoch import Engine

STEPS = 3
"""Timed steps, after one warm-up step."""

_LISTS = 50  # validation lists whose evaluation is timed

_COPIES = 5
"""Copies of the parameters on disk: the ranker, the checkpoint's weights with Adam's two moments,
and a second checkpoint while the first is replaced."""


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of one run: steps of an epoch, seconds, parameters, bytes on disk.

    `evaluation_seconds` are for validation, after every epoch; `seconds` are of the whole run.
    """

    steps: int
    step_seconds: float
    evaluation_seconds: float
    seconds: float
    parameters: int
    bytes: int


def time_network(
    engine: Engine, score: Callable[[RankingBatch], Tensor], splits: Splits, teaching: float
) -> Estimate:
    """Time a few steps of a training and the evaluation of some validation lists.

    `score` returns the scores of the network in training. `teaching` is the seconds that the
    training of the teachers takes.
    """
    config = engine.config
    step = _seconds_of_a_step(engine)
    part = splits.validation.subset(range(min(len(splits.validation), _LISTS)))
    start = time.perf_counter()
    evaluate(score, part, config.evaluation)
    share = part.num_documents / splits.validation.num_documents
    evaluation = (time.perf_counter() - start) / share
    steps = len(engine.state.loader)
    parameters = sum(p.numel() for p in engine.state.ranker.parameters())
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


def time_trees(boosting: Boosting, splits: Splits) -> Estimate:
    """Time a few trees; the estimate is for all `rounds`, without early stopping."""
    options, clock = boosting.options, TreeClock()
    boosting.with_rounds(STEPS + 1).fit_one_task(
        splits.train, splits.validation, 0, on_progress=clock
    )
    return Estimate(
        steps=1,
        step_seconds=clock.tree,
        evaluation_seconds=0.0,
        seconds=clock.seconds(options.rounds),
        parameters=options.rounds * (3 * options.num_leaves - 2),
        bytes=0,
    )


def with_few_trees(config: RunConfig) -> RunConfig:
    """Return the run's config with few trees per teacher."""
    distillation = config.train.distillation
    if distillation is None:
        return config
    few = distillation.trees.model_copy(update={"rounds": STEPS + 1})
    short = distillation.model_copy(update={"trees": few})
    return config.model_copy(
        update={"train": config.train.model_copy(update={"distillation": short})}
    )


class TreeClock:
    """A clock for boostings; the first tree of each includes the binning of the features."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._first: list[float] = []
        self._later: list[float] = []

    def __call__(self, at: Progress | TreeProgress) -> None:
        """Record the time of a tree; ignore the steps of a network."""
        now = time.perf_counter()
        if isinstance(at, TreeProgress):
            (self._first if at.tree == 1 else self._later).append(now - self._last)
        self._last = now

    @property
    def tree(self) -> float:
        """Mean seconds of a tree after the first."""
        return sum(self._later) / len(self._later)

    def seconds(self, trees: int) -> float:
        """Return the seconds of the same boostings with this number of trees each."""
        return sum(self._first) + len(self._first) * (trees - 1) * self.tree


class _EnoughError(Exception):
    """All timed steps are done."""


def _seconds_of_a_step(engine: Engine) -> float:
    times = [time.perf_counter()]

    def after_step(_: Progress) -> None:
        times.append(time.perf_counter())
        if len(times) > STEPS + 1:
            raise _EnoughError

    with contextlib.suppress(_EnoughError):
        engine.run_epoch(after_step)
    # The first of two batches or more warms up.
    return (times[-1] - times[1]) / (len(times) - 2) if len(times) > 2 else times[1] - times[0]
