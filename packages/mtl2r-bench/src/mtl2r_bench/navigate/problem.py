"""The problem of a navigation: a finished run's ranker, its smooth losses, and its metric."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mtl2r_models import Ranker

from ..config import RunConfig, load_study, validate
from ..data.splits import Splits, load_splits
from ..distributed import pick_device
from ..runs.run_folder import RunFolder
from ..table import METHODS
from .objectives import losses_on, ndcg_on, only, sample_lists, smooth_loss

DOCUMENTS = 20_000
"""Documents of the curvature sample at most: for these, a Hessian-vector product of the study's
transformer takes a few gigabytes."""


@dataclass(frozen=True)
class Neighbour:
    """A finished run of the study; the navigated run is one of them.

    Attributes:
        name: Its folder's name.
        label: Method and preference, for a legend.
        folder: Of its ranker.
        own: Whether it is the navigated run, as it was trained.
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
    """A ranker, and the losses and metric along its front.

    Attributes:
        name: Of the run.
        path: Of the run's folder; None without one.
        tasks: Names of the tasks.
        ranker: As it was trained.
        loss: Code name of the smooth loss whose front is followed.
        documents: The number of documents of the curvature sample.
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
        """Compute the losses (task,) of another run on the curvature sample, once."""
        if neighbour.name not in self._losses_there:
            ranker = Ranker.load(neighbour.folder)
            with torch.no_grad():
                found = self.losses(ranker.model).mean(dim=-1)
            self._losses_there[neighbour.name] = found.double().cpu().numpy()
        return self._losses_there[neighbour.name]


def open_run(
    path: str | Path, *, loss: str | None = None, documents: int = DOCUMENTS, device: str = "cpu"
) -> Problem:
    """Open a finished run for navigation.

    Args:
        path: The run's folder, as `mtl2r-bench train` or a study leaves it.
        loss: Code name of a smooth loss; None takes the run's own if that is smooth, else listnet.
        documents: Largest number of documents of the curvature sample: whole training lists, drawn
            by the run's seed.
        device: Where to compute.

    Raises:
        FileNotFoundError: When there is no finished run in the folder.
        ValueError: When there are fewer than two tasks, the loss is not smooth, or the data differ
            from those of the training.
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
    name, notes = smooth_loss(config.loss, loss)
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
    sample = sample_lists(only(splits.train, tasks), documents, config.seed)
    if len(sample) < len(splits.train):
        notes.append(
            f"Losses are measured on {len(sample)} of the {len(splits.train)} training lists."
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
        losses=losses_on(sample, ranker, device, name, options),
        measure=ndcg_on(only(splits.validation, tasks), ranker, config, device),
        neighbours=tuple(_neighbours(run, record, tasks)),
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
        users = filter(_uses_shared_training, sorted(run.path.parent.iterdir()))
        example = next((f", for example {user}" for user in users), "")
        return (
            f"{run.path} is a training that several runs share, no run itself. Each of them has "
            f"its ranker at a preference: navigate one of these{example}"
        )
    return f"{run.path}: no finished run there (expected a folder with record.json)"


def _uses_shared_training(path: Path) -> bool:
    record = RunFolder(path).finished()
    return record is not None and METHODS[record["method"]["name"]].draws_preferences


def _tasks(ranker: Ranker, splits: Splits) -> tuple[str, ...]:
    """Return the tasks that a ranker can be judged by.

    A ranker with a score per task has its own tasks only; one trained on a single task may be
    judged by all labels.
    """
    if len(ranker.tasks) > 1 or getattr(ranker.model, "num_tasks", None) is not None:
        return ranker.tasks
    return splits.tasks


def _neighbours(
    run: RunFolder, record: Mapping[str, Any], tasks: Sequence[str]
) -> Iterator[Neighbour]:
    """Find the finished runs of the study on the same data, this one among them."""
    here = run.path.resolve()
    metric = f"ndcg@{record['select_cutoff']}"
    for path in sorted(here.parent.iterdir()) if here.parent.name == "runs" else [here]:
        other = RunFolder(path)
        its = other.finished()
        if its is None or its["data"] != record["data"]:
            continue
        metrics, errors = (
            its[what]["validation"].get(metric, {}) for what in ("metrics", "standard_errors")
        )
        if not set(tasks) <= set(metrics):
            continue
        method = its["method"]
        preference = ", ".join(f"{r:g}" for r in method["preference"] or ())
        inside = [f"({text})" for text in (method.get("variant"), preference) if text]
        yield Neighbour(
            name=path.name,
            label=" ".join([method["name"], *filter(None, [method["task"]]), *inside]),
            folder=other.ranker,
            metrics=np.array([metrics[task] for task in tasks]),
            errors=np.array([errors[task] for task in tasks]),
            own=path == here,
        )
