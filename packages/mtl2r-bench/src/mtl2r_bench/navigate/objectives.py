"""The smooth losses that a navigation follows, and the metric that judges its points."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ltr_data import RankingBatch, RankingDataset
from mtl2r_models import Ranker

from ..config import LossConfig, RunConfig
from ..evaluation.evaluate import evaluate, evaluation_batches, scorer, task_mask
from ..table import LOSSES, lookup

BATCH_TOKENS = 1_024
"""Padded documents of a batch of the sample. Padding costs as much as documents: Hessian-vector
products take half the time that they do in batches of 4,096."""


def smooth_loss(config: LossConfig, name: str | None) -> tuple[str, list[str]]:
    """Return the loss to follow, and what to say of the choice.

    Losses that sort or weigh pairs by their ranks are piecewise: their second derivative misses
    what happens where ranks change.
    """
    if name is not None:
        smooth = {code: row for code, row in LOSSES.items() if row.smooth}
        lookup(smooth, name, "smooth loss")
    own = config.name
    chosen = name or (own if LOSSES[own].smooth else "listnet")
    if chosen == own:
        return chosen, []
    why = "" if LOSSES[own].smooth else ", which has no useful second derivative"
    followed = f"the navigation follows the front of {chosen} on the training lists"
    return chosen, [f"The run was trained with {own}{why}: {followed}."]


def only(dataset: RankingDataset, tasks: Sequence[str]) -> RankingDataset:
    """Select the labels of these tasks, in their order."""
    rows = [dataset.tasks.index(task) for task in tasks]
    return replace(
        dataset,
        labels=dataset.labels[rows],
        label_specs=tuple(dataset.label_specs[row] for row in rows),
        label_mask=None if dataset.label_mask is None else dataset.label_mask[rows],
    )


def sample_lists(dataset: RankingDataset, documents: int, seed: int) -> RankingDataset:
    """Draw whole lists without replacement, up to this many documents, at least one list."""
    lengths = np.asarray(dataset.lengths)
    if lengths.sum() <= documents:
        return dataset
    order = np.random.default_rng(seed).permutation(len(dataset))
    kept = order[np.cumsum(lengths[order]) <= documents]
    return dataset.subset(np.sort(kept if len(kept) else order[:1]))


def losses_on(
    sample: RankingDataset, ranker: Ranker, device: str, name: str, options: Mapping[str, Any]
) -> Callable[[nn.Module], Tensor]:
    """Return the function from a model to (task, list) losses.

    Their means are those over the lists that can teach something.
    """
    loss = functools.partial(LOSSES[name].function, reduction=_values_and_counts, **options)
    batches = _batches(sample, ranker, device)

    def losses(model: nn.Module) -> Tensor:
        parts = [
            loss(model(batch.features, batch.mask), batch.labels, mask=task_mask(batch))
            for batch in batches
        ]
        values, counts = torch.cat(parts, dim=-1)
        taught = counts.sum(dim=-1, keepdim=True).clamp(min=1)
        means: Tensor = values * (counts.shape[-1] / taught)
        return means

    return losses


def _batches(dataset: RankingDataset, ranker: Ranker, device: str) -> list[RankingBatch]:
    """Move the sample to the device and transform its features, once."""
    found = []
    for _, batch in evaluation_batches(dataset, max_tokens=BATCH_TOKENS):
        moved = batch.to(torch.device(device))
        if ranker.transform is not None:
            with torch.no_grad():
                moved = replace(moved, features=ranker.transform(moved.features))
        found.append(moved)
    return found


def _values_and_counts(values: Tensor, counts: Tensor) -> Tensor:
    return torch.stack([values, counts.to(values.dtype)])


def ndcg_on(
    lists: RankingDataset, ranker: Ranker, config: RunConfig, device: str
) -> Callable[[nn.Module], NDArray[np.float64]]:
    """Return the function from a model to its NDCG (task, query)."""
    which = config.evaluation.cutoffs.index(config.evaluation.select_cutoff)
    same = {name: getattr(ranker, name) for name in ("transform", "feature_ids", "tasks")}

    def measure(model: nn.Module) -> NDArray[np.float64]:
        score = scorer(Ranker(model, **same), torch.device(device))
        values: NDArray[np.float64] = evaluate(score, lists, config.evaluation).counted()[which]
        return values

    return measure
