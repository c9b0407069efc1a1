"""Boosted trees as the teacher of a network: their scores as soft targets."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from ltr_data import LabelSpec, RankingDataset

from ..config import DistillationConfig, RunConfig
from ..data.splits import Splits
from ..progress import OnTree, nobody
from .boosting import Boosting


def training_data(
    config: RunConfig, splits: Splits, trained: list[int], on_progress: OnTree = nobody
) -> RankingDataset:
    """Return the training lists of a run, with the scores of its teachers if it distils.

    The scores are additional labels, one per task in `trained`, after those of the data. Like
    labels, they are padded, sampled and shared among processes. A teacher is trained on its task
    alone; validation chooses its number of trees. Its scores, divided by their standard deviation
    and the temperature, are the logits of a distribution over the list. The network's loss against
    it is ListNet's cross entropy.
    """
    distillation, train = config.train.distillation, splits.train
    if distillation is None:
        return train
    scores = np.stack(
        [_targets(splits, config, distillation, task, on_progress) for task in trained]
    )
    names = [f"{train.tasks[task]} (teacher)" for task in trained]
    known = train.label_mask
    if known is not None:
        known = np.concatenate([known, np.ones(scores.shape, dtype=bool)])
    return dataclasses.replace(
        train,
        labels=np.concatenate([train.labels, scores]),
        label_specs=(*train.label_specs, *(LabelSpec(name) for name in names)),
        label_mask=known,
    )


def _targets(
    splits: Splits,
    config: RunConfig,
    distillation: DistillationConfig,
    task: int,
    on_progress: OnTree,
) -> NDArray[np.float32]:
    boosting = Boosting(distillation.trees, config.evaluation, config.seed)
    trees = boosting.fit_one_task(
        splits.train,
        splits.validation,
        task,
        on_progress=on_progress,
        what=f"teacher of {splits.tasks[task]}",
    )
    scores = trees.predict(splits.train).astype(np.float64)
    spread = float(scores.std())
    scale = distillation.temperature * (spread or 1.0)
    return np.asarray((scores - scores.mean()) / scale, dtype=np.float32)
