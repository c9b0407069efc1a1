"""Evaluation of a ranker: NDCG@k of every label and query, from scores that are computed once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ltr_data import BucketBatchSampler, RankingBatch, RankingDataset
from ltr_losses import ndcg

from ..config import EvaluationConfig
from ..distributed import ALONE, ProcessGroup

EVALUATION_TOKENS = 32_768
"""Padded documents per batch, large enough for speed and small enough for any machine."""


@dataclass(frozen=True)
class Evaluation:
    """NDCG of every cut-off, task and query of one split.

    Attributes:
        tasks: Names of the tasks.
        cutoffs: The k of NDCG@k.
        query_ids: Names of the queries.
        values: Values (cutoff, task, query); NaN if a list has no relevant document for a task.
        empty: Value of such a list in a mean, see `EvaluationConfig`.
    """

    tasks: tuple[str, ...]
    cutoffs: tuple[int, ...]
    query_ids: tuple[str, ...]
    values: NDArray[np.float64]
    empty: str | float

    def counted(self) -> NDArray[np.float64]:
        """Return `values` with `empty` applied to the lists without a relevant document."""
        if isinstance(self.empty, str):
            return self.values
        return np.where(np.isnan(self.values), self.empty, self.values)

    def means(self) -> NDArray[np.float64]:
        """Return the means (cutoff, task) over queries; NaN if no query counts."""
        return _nan_mean(self.counted())

    def standard_errors(self) -> NDArray[np.float64]:
        """Return the standard errors (cutoff, task) of `means` over queries."""
        values = self.counted()
        count = (~np.isnan(values)).sum(axis=-1)
        squares = (values - _nan_mean(values)[..., None]) ** 2
        variance = np.nansum(squares, axis=-1) / np.maximum(count - 1, 1)
        return np.where(count > 1, np.sqrt(variance / np.maximum(count, 1)), np.nan)

    def named(self, values: NDArray[np.float64]) -> dict[str, dict[str, float]]:
        """Return values (cutoff, task) by the names of metric and task, in the form of records."""
        return {
            f"ndcg@{k}": dict(zip(self.tasks, row.tolist(), strict=True))
            for k, row in zip(self.cutoffs, values, strict=True)
        }

    def at(self, cutoff: int) -> NDArray[np.float64]:
        """Return the means (task,) of NDCG at this cut-off."""
        means: NDArray[np.float64] = self.means()[self.cutoffs.index(cutoff)]
        return means


def evaluation_batches(
    dataset: RankingDataset, group: ProcessGroup = ALONE, max_tokens: int = EVALUATION_TOKENS
) -> Iterator[tuple[NDArray[np.int64], RankingBatch]]:
    """Yield batches of lists of similar length, with the indices of their queries.

    Each query is in one batch of one process of the group.
    """
    budget = max(max_tokens, int(dataset.lengths.max(initial=1)))
    sampler = BucketBatchSampler(dataset.lengths, max_tokens=budget, shuffle=False)
    for indices in list(sampler)[group.rank :: group.size]:
        yield np.asarray(indices, dtype=np.int64), dataset.batch(indices)


def task_mask(batch: RankingBatch) -> Tensor:
    """Return the mask of the documents, and of the known labels if the data have a label mask."""
    return batch.mask if batch.label_mask is None else batch.label_mask & batch.mask


def sum_and_count(values: Tensor, counts: Tensor) -> Tensor:
    """Reduce a loss to (2, task): the sum over the batch, and the number of lists with a loss."""
    return torch.stack([values.sum(-1), counts.sum(-1).to(values.dtype)])


def scorer(model: nn.Module, device: torch.device) -> Callable[[RankingBatch], Tensor]:
    """Return the model as a function from batches to scores, without dropout or a graph."""

    def score(batch: RankingBatch) -> Tensor:
        training = model.training
        model.eval()
        with torch.inference_mode():
            scores: Tensor = model(batch.features.to(device), batch.mask.to(device))
        model.train(training)
        return scores.cpu()

    return score


def label_scores(
    score: Callable[[RankingBatch], Tensor], trained: Sequence[int], labels: int
) -> Callable[[RankingBatch], Tensor]:
    """Return a function that scores every label, from a ranker that was trained on some of them.

    A score that all tasks share ranks for every label. With one score per task, a label that was
    not trained takes the score of the main task, the first of `trained`.
    """
    source = [trained.index(i) if i in trained else 0 for i in range(labels)]

    def every(batch: RankingBatch) -> Tensor:
        scores = score(batch)
        if scores.dim() == 4:  # an ensemble in training scores for each member
            return scores if scores.shape[1] == 1 else scores[:, source]
        return scores if scores.dim() == 2 else scores[source]

    return every


def evaluate(
    score: Callable[[RankingBatch], Tensor],
    dataset: RankingDataset,
    config: EvaluationConfig,
    group: ProcessGroup = ALONE,
    *,
    ties: Literal["stable", "average"] = "stable",
) -> Evaluation:
    """Evaluate a scoring function on a data set.

    Args:
        score: A function from a batch to scores (batch, list) or (task, batch, list).
        dataset: Lists with the labels of all tasks.
        config: Cut-offs, gain, and the value of an empty list.
        group: The processes that share the work; each gets the whole result.
        ties: ``"stable"`` keeps the file's order of equal scores, ``"average"`` takes the
            expectation over their orders.

    Raises:
        ValueError: A score is not finite; the message names the query.
    """
    values = np.full((len(config.cutoffs), len(dataset.tasks), len(dataset)), np.nan)
    for indices, batch in evaluation_batches(dataset, group):
        scores = score(batch)
        bad = ~torch.isfinite(scores) & batch.mask
        if bad.any():
            query = batch.query_ids[int(bad.any(dim=-1).nonzero()[0, -1])]
            raise ValueError(f"a score of query {query!r} is not finite")
        values[:, :, indices] = ndcg(
            scores,
            batch.labels,
            mask=task_mask(batch),
            k=config.cutoffs,
            gain=config.gain,
            ties=ties,
            empty="skip",
            reduction="none",
        ).numpy()
    parts = torch.stack(group.gather(torch.from_numpy(values)))
    # One process evaluates a query; the others have NaN for it.
    values = torch.where(parts.isnan().all(dim=0), torch.nan, parts.nansum(dim=0)).numpy()
    return Evaluation(dataset.tasks, config.cutoffs, dataset.query_ids, values, config.empty)


def query_table(measured: Mapping[str, Evaluation]) -> pa.Table:
    """Build a table of split, query, task, metric and value; null without a relevant document."""
    tables = []
    for split, result in measured.items():
        cutoffs, tasks, queries = result.values.shape
        tables.append(
            pa.table(
                {
                    "split": np.full(result.values.size, split),
                    "query": np.tile(np.array(result.query_ids), cutoffs * tasks),
                    "task": np.tile(np.repeat(np.array(result.tasks), queries), cutoffs),
                    "metric": np.repeat(
                        np.array([f"ndcg@{k}" for k in result.cutoffs]), tasks * queries
                    ),
                    "value": pa.array(result.values.ravel(), from_pandas=True),
                }
            )
        )
    return pa.concat_tables(tables)


def _nan_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    count = (~np.isnan(values)).sum(axis=-1)
    total = np.nansum(values, axis=-1)
    mean: NDArray[np.float64] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean
