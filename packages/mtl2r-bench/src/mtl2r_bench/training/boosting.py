"""Training of LightGBM's LambdaMART.

The labels of several tasks are aggregated into one before training. The gains of a document are
summed with the preference as weights, or the label of one task is drawn with the preference as
probabilities.

References:
    Carmel et al., "Multi-objective ranking optimization for product search using stochastic label
    aggregation", WWW 2020.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from ltr_data import RankingDataset
from ltr_losses import ndcg

from ..config import EvaluationConfig, GBDTConfig
from ..data.splits import InputColumns
from ..evaluation.evaluate import Evaluation
from ..evaluation.tree_ranker import COLUMN, TreeRanker, require_lightgbm
from ..progress import OnTree, TreeProgress, nobody

Aggregation = Literal["scalarised", "stochastic"]

LEVELS = 1024
"""Number of levels that gains are rounded to, since LightGBM's labels are small integers."""


def aggregated_gains(
    labels: NDArray[np.float32],
    preference: Sequence[float],
    *,
    gain: Literal["exp2", "linear"],
    aggregation: Aggregation,
    seed: int,
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    r"""Return gains (document,) in [0, 1], aggregated from labels (task, document).

    Let G_k be the gain of task k (2^label − 1, or the label), divided by the largest gain of the
    task, and r the preference. ``"scalarised"`` gives Σ_k r_k G_k. ``"stochastic"`` gives the G_k
    of a task that is drawn for each document with the probabilities r. Where labels are missing,
    by the mask `known` (task, document), r is scaled to the sum 1 over those that are known.

    Raises:
        ValueError: The preference is not on the simplex, or has the wrong length.

    Examples:
        >>> labels = np.array([[2, 1, 0], [0, 4, 4]], dtype=np.float32)
        >>> aggregated_gains(
        ...     labels, (0.5, 0.5), gain="linear", aggregation="scalarised", seed=0
        ... ).tolist()
        [0.5, 0.75, 0.5]
    """
    weights = np.asarray(preference, dtype=np.float64)
    if weights.shape != labels.shape[:1] or (weights < 0).any() or abs(weights.sum() - 1) > 1e-6:
        raise ValueError(
            f"`preference` must be {len(labels)} non-negative weights that sum to 1, "
            f"got {list(preference)}"
        )
    values = np.maximum(labels.astype(np.float64), 0.0)
    gains = np.exp2(values) - 1 if gain == "exp2" else values
    largest = gains.max(axis=1, keepdims=True)
    gains = gains / np.where(largest > 0, largest, 1.0)
    generator = np.random.default_rng(seed)
    if known is None:
        if aggregation == "scalarised":
            return np.asarray(weights @ gains)
        drawn = generator.choice(len(weights), size=gains.shape[1], p=weights)
        return np.asarray(gains[drawn, np.arange(gains.shape[1])])
    shares = weights[:, None] * known
    total = shares.sum(axis=0)
    shares /= np.where(total > 0, total, 1.0)
    if aggregation == "scalarised":
        return np.asarray((shares * gains).sum(axis=0))
    below = shares.cumsum(axis=0) <= generator.random(gains.shape[1])
    drawn = np.minimum(below.sum(axis=0), len(weights) - 1)
    return np.asarray(gains[drawn, np.arange(gains.shape[1])])


def _labelled(train: RankingDataset, preference: Sequence[float]) -> RankingDataset:
    """Return the training lists without documents that have no label of a wanted task."""
    if train.label_mask is None:
        return train
    keep = train.label_mask[np.asarray(preference) > 0].any(axis=0)
    if not keep.any():
        raise ValueError("no training document has a label of the tasks")
    lengths = np.add.reduceat(keep, train.offsets[:-1], dtype=np.int64)
    return replace(
        train,
        features=np.asarray(train.features[np.flatnonzero(keep)]),
        labels=train.labels[:, keep],
        label_mask=train.label_mask[:, keep],
        weights=None if train.weights is None else train.weights[keep],
        document_ids=None,
        offsets=np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(lengths[lengths > 0]))),
        query_ids=tuple(q for q, n in zip(train.query_ids, lengths, strict=True) if n),
    )


@dataclass(frozen=True)
class Boosting:
    """LambdaMART with the number of trees that is best on validation.

    The result is reproducible for the same seed and number of threads.
    """

    options: GBDTConfig
    evaluation: EvaluationConfig
    seed: int = 0
    inputs: InputColumns | None = None

    def with_rounds(self, rounds: int) -> Self:
        """Return the same boosting with another largest number of trees."""
        return replace(self, options=self.options.model_copy(update={"rounds": rounds}))

    def fit(
        self,
        train: RankingDataset,
        validation: RankingDataset,
        *,
        preference: Sequence[float],
        weights: NDArray[np.float64],
        aggregation: Aggregation = "scalarised",
        on_progress: OnTree = nobody,
        what: str = "",
    ) -> TreeRanker:
        """Train trees on the aggregated labels of several tasks.

        Validation chooses the number of trees, by the tasks' NDCG with `weights` (task,). `what`
        names the trees in the progress. Features are not transformed, since trees use only their
        order.

        Raises:
            ImportError: LightGBM (``pip install "mtl2r-bench[gbdt]"``) is not installed.
            ValueError: The preference is invalid, or no validation list has a relevant document.
        """
        lightgbm = require_lightgbm()
        started = time.perf_counter()
        train = _labelled(train, preference)
        gains = aggregated_gains(
            train.labels,
            preference,
            gain=self.evaluation.gain,
            aggregation=aggregation,
            seed=self.seed,
            known=train.label_mask,
        )
        data = lightgbm.Dataset(
            np.asarray(train.features[:]),
            label=np.rint(gains * (LEVELS - 1)).astype(np.int32),
            group=train.lengths,
            weight=train.weights,
            feature_name=[f"{COLUMN}{number}" for number in train.feature_ids],
            categorical_feature=[train.feature_ids.index(number) for number in train.words],
        )
        # LightGBM needs a validation set to call `_HeldOut`, which has the labels of all tasks.
        watched = lightgbm.Dataset(
            np.asarray(validation.features[:]),
            label=np.zeros(validation.num_documents),
            group=validation.lengths,
            reference=data,
        )
        booster = lightgbm.train(
            self._parameters(),
            data,
            num_boost_round=self.options.rounds,
            valid_sets=[watched],
            feval=_HeldOut(validation, weights, self.evaluation),
            callbacks=[
                # This comes first, since early stopping raises to end the boosting.
                lambda at: on_progress(_progress(at, what)),
                lightgbm.early_stopping(self.options.patience, verbose=False),
            ],
        )
        seconds = time.perf_counter() - started
        inputs = self.inputs or InputColumns(train.feature_ids)
        return TreeRanker(booster, booster.best_iteration, seconds, inputs)

    def fit_one_task(
        self,
        train: RankingDataset,
        validation: RankingDataset,
        task: int,
        *,
        on_progress: OnTree = nobody,
        what: str = "",
    ) -> TreeRanker:
        """Train trees on the labels of one task; see `fit`."""
        alone = np.eye(len(train.labels))[task]
        return self.fit(
            train,
            validation,
            preference=alone.tolist(),
            weights=alone,
            on_progress=on_progress,
            what=what,
        )

    def _parameters(self) -> dict[str, Any]:
        """Return the options under LightGBM's names."""
        options = self.options
        return {
            "objective": "lambdarank",
            "metric": "none",
            "label_gain": np.linspace(0.0, 1.0, LEVELS).tolist(),
            "lambdarank_truncation_level": options.truncation,
            "num_leaves": options.num_leaves,
            "learning_rate": options.learning_rate,
            "min_data_in_leaf": options.min_documents,
            "feature_fraction": options.feature_fraction,
            "bagging_fraction": options.bagging_fraction,
            "bagging_freq": 1,
            "seed": self.seed,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": torch.get_num_threads(),
            "verbosity": -1,
        }


def _progress(at: Any, what: str) -> TreeProgress:
    """Return the progress that LightGBM's callback environment describes."""
    (_, metric, value, _) = at.evaluation_result_list[0]
    return TreeProgress(what, at.iteration + 1, at.end_iteration, metric, value)


class _HeldOut:
    """The validation metric for early stopping, which LightGBM calls after every tree."""

    def __init__(
        self, dataset: RankingDataset, weights: NDArray[np.float64], evaluation: EvaluationConfig
    ) -> None:
        lengths = torch.from_numpy(dataset.lengths)
        self.mask = torch.arange(int(lengths.max())) < lengths[:, None]
        self.labels = torch.zeros(len(dataset.tasks), *self.mask.shape)
        self.labels[:, self.mask] = torch.from_numpy(dataset.labels)
        self.counted = self.mask
        if dataset.label_mask is not None:
            self.counted = torch.zeros(self.labels.shape, dtype=torch.bool)
            self.counted[:, self.mask] = torch.from_numpy(dataset.label_mask)
        self.dataset, self.weights, self.evaluation = dataset, weights, evaluation

    def __call__(self, predictions: NDArray[np.float64], _: Any) -> tuple[str, float, bool]:
        scores = torch.zeros(self.mask.shape)
        scores[self.mask] = torch.from_numpy(predictions).float()
        k = self.evaluation.select_cutoff
        values = ndcg(
            scores,
            self.labels,
            mask=self.counted,
            k=k,
            gain=self.evaluation.gain,
            empty="skip",
            reduction="none",
        ).numpy()
        measured = Evaluation(
            self.dataset.tasks,
            (k,),
            self.dataset.query_ids,
            values.astype(np.float64)[None],
            self.evaluation.empty,
        )
        used = self.weights > 0
        value = float(self.weights[used] @ measured.at(k)[used])
        if np.isnan(value):
            raise ValueError(
                "no validation list has a relevant document: early stopping has no metric"
            )
        return f"ndcg@{k}", value, True
