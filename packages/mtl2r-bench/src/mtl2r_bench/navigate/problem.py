"""What a navigation stands on: a finished run's ranker, its smooth losses, and its metrics."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ltr_data import RankingBatch, RankingDataset
from mtl2r_models import Ranker

from ..config import RunConfig, load_study, validate
from ..data.splits import Splits, load_splits
from ..distributed import pick_device
from ..evaluation.evaluate import evaluate, evaluation_batches, scorer, task_mask
from ..runs.run_folder import RunFolder
from ..table import LOSSES, METHODS, lookup

DOCUMENTS = 20_000
"""The curvature sample has at most so many documents: what a Hessian-vector product of the study's
transformer holds in a few gigabytes."""

BATCH_TOKENS = 1_024
"""Padded documents of a batch of the sample: what is padded costs as much as what is not, and
Hessian-vector products take half the time that they do in batches of 4,096."""

SMOOTH_LOSSES = (
    *("listnet", "ranknet", "softmax", "binary_listnet", "listmle", "p_listmle"),
    *("poly1_softmax", "approx_ndcg", "approx_mrr", "mse", "bce", "pairwise_mse"),
)
"""Losses with second derivatives that say something. Those that sort or weigh pairs by their ranks
are piecewise: their second derivative leaves out what happens where ranks change."""


@dataclass(frozen=True)
class Neighbour:
    """A finished run of the study, the one that is navigated from among them.

    Attributes:
        name: Its folder's name.
        label: Method and preference, for a legend.
        folder: Of its ranker.
        own: Whether it is the run itself, as it was trained.
        metrics: (task,) on validation.
        errors: (task,) their standard errors.
    """

    name: str
    label: str
    folder: Path
    metrics: NDArray[np.float64]
    errors: NDArray[np.float64]
    own: bool = False


@dataclass(frozen=True, eq=False)
class Problem:
    """A ranker and how it is judged while one moves along the front.

    Attributes:
        name: Of the run.
        path: Of the run's folder; None where there is none.
        tasks: Names of the tasks.
        ranker: As it was trained.
        loss: Code name of the smooth loss whose front is followed.
        documents: How many documents the curvature sample has.
        metric: Name of the validation metric.
        losses: From a scoring model to the losses (task, list) on the curvature sample.
        measure: From a scoring model to the metric per task and validation query, (task, query);
            NaN where a list has no relevant document.
        neighbours: The runs of the study: the front so far.
        notes: What a user should know, in sentences.
    """

    name: str
    path: Path | None
    tasks: tuple[str, ...]
    ranker: Ranker
    loss: str
    documents: int
    metric: str
    losses: Callable[[nn.Module], Tensor]
    measure: Callable[[nn.Module], NDArray[np.float64]]
    neighbours: tuple[Neighbour, ...] = ()
    notes: tuple[str, ...] = ()
    _losses_there: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def neighbour_losses(self, neighbour: Neighbour) -> NDArray[np.float64]:
        """(task,) losses of another run on the curvature sample; computed once."""
        if neighbour.name not in self._losses_there:
            ranker = Ranker.load(neighbour.folder)
            with torch.no_grad():
                found = self.losses(ranker.model).mean(dim=-1)
            self._losses_there[neighbour.name] = found.double().cpu().numpy()
        return self._losses_there[neighbour.name]


def open_run(
    path: str | Path, *, loss: str | None = None, documents: int = DOCUMENTS, device: str = "cpu"
) -> Problem:
    """Makes the problem of a finished run.

    Args:
        path: The run's folder, as `mtl2r-bench train` or a study leaves it.
        loss: Code name of a smooth loss; None takes the run's own where that is smooth, and
            listnet where it is not.
        documents: The curvature sample is that many documents of the training lists at most, in
            whole lists drawn by the run's seed.
        device: Where to compute.

    Raises:
        FileNotFoundError: When there is no finished run in the folder.
        ValueError: When there are fewer than two tasks, the loss is not smooth, or the data are
            not those of the training.
    """
    device = str(pick_device(device))
    run = RunFolder(path)
    if run.trees.is_file():
        raise ValueError(
            f"{run.path} is a run of boosted trees, which have no gradients to move along: choose "
            "a network's run; `predict` scores a file with the trees"
        )
    record = run.finished()
    if record is None:
        raise FileNotFoundError(_what_is_there(run))
    config = validate(RunConfig, load_study(run.config), str(run.config))
    name, notes = _smooth_loss(config, loss)
    if documents < 1:
        raise ValueError(f"`documents` must be at least 1, got {documents}")
    splits = load_splits(config.data, config.evaluation)
    for split, checksum in record["data"].items():
        if splits.checksums.get(split) != checksum:
            raise ValueError(f"{run.path}: the {split} split is not the one of the training")
    ranker = Ranker.load(run.ranker, device=device, dtype=torch.float32)
    tasks = _tasks(ranker, splits)
    if len(tasks) < 2:
        raise ValueError(f"{run.path}: a front needs two tasks or more, got {', '.join(tasks)}")
    sample = _sample(_only(splits.train, tasks), documents, config.seed)
    if len(sample) < len(splits.train):
        notes.append(
            f"The losses are those of {len(sample)} of the {len(splits.train)} training lists."
        )
    options = config.loss.options if name == config.loss.name else {}
    return Problem(
        name=run.path.resolve().name,
        path=run.path,
        tasks=tasks,
        ranker=ranker,
        loss=name,
        documents=sample.num_documents,
        metric=f"ndcg@{config.evaluation.select_cutoff}",
        losses=_losses(name, options, _batches(sample, ranker, device)),
        measure=_measure(_only(splits.validation, tasks), ranker, config, device),
        neighbours=_neighbours(run, record, tasks),
        notes=tuple(notes),
    )


def _what_is_there(run: RunFolder) -> str:
    runs = run.path / "runs"
    if runs.is_dir():
        names = sorted(p.name for p in runs.iterdir() if RunFolder(p).finished() is not None)
        if names:
            return (
                f"{run.path} is a study; choose one of its finished runs, for example "
                f"{runs / names[0]} ({len(names)} in all)"
            )
    if run.is_shared and run.log.is_file():
        users = [path for path in sorted(run.path.parent.iterdir()) if _is_conditioned(path)]
        return (
            f"{run.path} is the one training that the runs of the method `conditioned` share, no "
            "run itself. Each of them has its ranker at a preference: navigate one of these"
            + (f", for example {users[0]}" if users else "")
        )
    return f"{run.path}: no finished run there (expected a folder with record.json)"


def _is_conditioned(path: Path) -> bool:
    record = RunFolder(path).finished()
    return record is not None and METHODS[record["method"]["name"]].draws_preferences


def _smooth_loss(config: RunConfig, name: str | None) -> tuple[str, list[str]]:
    """The loss to follow, and what to say of the choice."""
    own = config.loss.name
    if name is not None:
        lookup(dict.fromkeys(SMOOTH_LOSSES), name, "smooth loss")
    chosen = name or (own if own in SMOOTH_LOSSES else "listnet")
    if chosen == own:
        return chosen, []
    why = "" if own in SMOOTH_LOSSES else ", which has no useful second derivative"
    followed = f"the front followed is that of {chosen} on the training lists"
    return chosen, [f"The run was trained with {own}{why}: {followed}."]


def _tasks(ranker: Ranker, splits: Splits) -> tuple[str, ...]:
    """What the ranker scores for: its tasks, or, where it was trained on one, all labels there are.

    A ranker with a score for each task cannot score for others.
    """
    if len(ranker.tasks) > 1 or getattr(ranker.model, "num_tasks", None) is not None:
        return ranker.tasks
    return splits.tasks


def _only(dataset: RankingDataset, tasks: Sequence[str]) -> RankingDataset:
    """The data set with the labels of these tasks, in their order."""
    rows = [dataset.tasks.index(task) for task in tasks]
    return replace(
        dataset,
        labels=dataset.labels[rows],
        label_specs=tuple(dataset.label_specs[row] for row in rows),
        label_mask=None if dataset.label_mask is None else dataset.label_mask[rows],
    )


def _sample(dataset: RankingDataset, documents: int, seed: int) -> RankingDataset:
    """Whole lists, drawn without replacement, of so many documents together; one list at least."""
    lengths = np.asarray(dataset.lengths)
    if lengths.sum() <= documents:
        return dataset
    order = np.random.default_rng(seed).permutation(len(dataset))
    kept = order[np.cumsum(lengths[order]) <= documents]
    return dataset.subset(np.sort(kept if len(kept) else order[:1]))


def _batches(dataset: RankingDataset, ranker: Ranker, device: str) -> list[RankingBatch]:
    """The sample on the device, its features transformed once and for all."""
    found = []
    for _, batch in evaluation_batches(dataset, max_tokens=BATCH_TOKENS):
        moved = batch.to(torch.device(device))
        if ranker.transform is not None:
            with torch.no_grad():
                moved = replace(moved, features=ranker.transform(moved.features))
        found.append(moved)
    return found


def _losses(
    name: str, options: Mapping[str, Any], batches: Sequence[RankingBatch]
) -> Callable[[nn.Module], Tensor]:
    """(task, list) losses whose means are those over the lists that can teach something."""
    loss = functools.partial(LOSSES[name].function, reduction=_values_and_counts, **options)

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


def _values_and_counts(values: Tensor, counts: Tensor) -> Tensor:
    return torch.stack([values, counts.to(values.dtype)])


def _measure(
    validation: RankingDataset, ranker: Ranker, config: RunConfig, device: str
) -> Callable[[nn.Module], NDArray[np.float64]]:
    """NDCG per task and query of the validation lists."""
    which = config.evaluation.cutoffs.index(config.evaluation.select_cutoff)

    def measure(model: nn.Module) -> NDArray[np.float64]:
        judged = Ranker(
            model,
            transform=ranker.transform,
            feature_ids=ranker.feature_ids,
            tasks=ranker.tasks,
        )
        score = scorer(judged, torch.device(device))
        values: NDArray[np.float64] = evaluate(score, validation, config.evaluation).counted()[
            which
        ]
        return values

    return measure


def _neighbours(
    run: RunFolder, record: Mapping[str, Any], tasks: Sequence[str]
) -> tuple[Neighbour, ...]:
    """The finished runs on the same data of the study whose folder holds this one, and itself."""
    here = run.path.resolve()
    metric = f"ndcg@{record['select_cutoff']}"
    found = []
    for path in sorted(here.parent.iterdir()) if here.parent.name == "runs" else [here]:
        other = RunFolder(path)
        its = other.finished()
        if its is None or its["data"] != record["data"]:
            continue
        metrics = its["metrics"]["validation"].get(metric, {})
        errors = its["standard_errors"]["validation"].get(metric, {})
        if any(task not in metrics for task in tasks):
            continue
        method = its["method"]
        preference = ", ".join(f"{r:g}" for r in method["preference"] or ())
        variant = method.get("variant")
        parts = [method["name"], method["task"] or "", f"({variant})" if variant else ""]
        parts.append(f"({preference})" if preference else "")
        found.append(
            Neighbour(
                name=path.name,
                label=" ".join(filter(None, parts)),
                folder=other.ranker,
                metrics=np.array([metrics[task] for task in tasks]),
                errors=np.array([errors[task] for task in tasks]),
                own=path == here,
            )
        )
    return tuple(found)
