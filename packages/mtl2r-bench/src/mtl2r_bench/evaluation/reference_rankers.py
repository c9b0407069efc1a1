"""The reference rankers of a study: a random order, and the best single feature."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ltr_data import RankingDataset
from ltr_losses import ndcg

from ..config import EvaluationConfig
from ..data.splits import Splits
from .evaluate import Evaluation, evaluate, evaluation_batches, task_mask

TRAINING_QUERIES = 2_000
"""Largest number of training lists that the single feature is chosen on."""


@dataclass(frozen=True)
class SingleFeature:
    """A ranking by one input, which is a column of the data file.

    Sign 1 ranks large values first, −1 small values.
    """

    index: int
    feature_id: int
    name: str
    sign: int


def random_order(dataset: RankingDataset, config: EvaluationConfig) -> Evaluation:
    """Compute the exact expected NDCG of a random order of each list, from tied scores."""
    return evaluate(lambda batch: torch.zeros(batch.mask.shape), dataset, config, ties="average")


def best_single_features(dataset: RankingDataset, config: EvaluationConfig) -> list[SingleFeature]:
    """Find, for each task, the input and sign with the highest NDCG on these lists.

    Ties within a feature count with their expectation, so a constant feature is a random order.
    """
    if len(dataset) > TRAINING_QUERIES:
        dataset = dataset.subset(np.arange(TRAINING_QUERIES))
    features = dataset.features.shape[1]
    total = np.zeros((2 * features, len(dataset.tasks)))
    count = np.zeros(len(dataset.tasks))
    for _, batch in evaluation_batches(dataset, max_tokens=4_096):
        columns = _without_gaps(batch.features).movedim(-1, 0)
        values = ndcg(
            torch.cat([columns, -columns])[:, None],
            batch.labels,
            mask=task_mask(batch),
            k=config.select_cutoff,
            gain=config.gain,
            ties="average",
            empty="skip",
            reduction="none",
        ).numpy()
        total += np.nansum(values, axis=-1)
        count += (~np.isnan(values[0])).sum(axis=-1)
    best = np.argmax(total / np.maximum(count, 1), axis=0)
    return [
        SingleFeature(
            index, dataset.feature_ids[index], dataset.input_names[index], 1 if i < features else -1
        )
        for i, index in ((int(i), int(i) % features) for i in best)
    ]


def _without_gaps(features: Tensor) -> Tensor:
    """Return features with 0 for each gap: a document without a value has no rank of its own."""
    return features.nan_to_num(nan=0.0)


def measure_references(splits: Splits, config: EvaluationConfig) -> dict[str, Any]:
    """Measure both reference rankers on validation and test, in the form of references.json."""
    features = best_single_features(splits.train, config)
    measured = splits.measured()
    return {
        "random": {
            name: result.named(result.means())
            for name, split in measured.items()
            for result in [random_order(split, config)]
        },
        "single_feature": {
            name: _single_feature(split, features, config) for name, split in measured.items()
        },
        "features": {
            task: {"feature_id": feature.feature_id, "name": feature.name, "sign": feature.sign}
            for task, feature in zip(splits.tasks, features, strict=True)
        },
    }


def _single_feature(
    dataset: RankingDataset, features: list[SingleFeature], config: EvaluationConfig
) -> dict[str, dict[str, float]]:
    """Measure, for each task, the ranking by the task's best feature."""
    rows: list[NDArray[np.float64]] = []
    for task, feature in enumerate(features):
        index, sign = feature.index, feature.sign
        result = evaluate(
            lambda batch, index=index, sign=sign: (  # type: ignore[misc]
                sign * _without_gaps(batch.features[..., index])
            ),
            dataset,
            config,
            ties="average",
        )
        rows.append(result.means()[:, task])
    return result.named(np.stack(rows, axis=1))
