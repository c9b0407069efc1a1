"""Scores of a trained ranker for a whole file."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ltr_data import RankingDataset
from ltr_data.files import atomic_write
from mtl2r_models import Ranker

from ..data.splits import open_inputs
from ..distributed import pick_device
from ..runs.run_folder import TREES_FILE
from .evaluate import evaluation_batches, scorer
from .tree_ranker import TreeRanker

Format = Literal["scores", "trec"]

_LINES = 100_000
"""Lines that are written at a time."""


def predict(
    model: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    form: Format = "scores",
    task: str | None = None,
    cache: Path | None = None,
    device: str = "cpu",
    on_progress: Callable[[int, int], None] = lambda done, documents: None,
) -> int:
    """Scores every document of a ranking file.

    The file is converted once and mapped into memory, so that it may be larger than that.

    Args:
        model: A run's folder, or a ranker's, boosted trees among them.
        data: A ranking file that `ltr_data.open` reads, with the columns the model was trained on.
        out: The file to write; it is there when it is complete.
        form: ``"scores"`` is one score per line, in the order of the documents; ``"trec"`` is a
            TREC run, ``query Q0 document rank score tag``, best first, where a document's name is
            its place in the query's list, from 1.
        task: Whose scores, where the ranker has a score per task.
        cache: Folder for the converted file; None is the user's cache folder.
        device: Where the model computes.
        on_progress: Called after every batch with the documents done and all there are.

    Returns:
        The number of documents.

    Raises:
        FileNotFoundError: When there is no such model or file.
        ValueError: When the model is damaged, the file malformed or of other columns, `task` is
            not a task of the ranker, or a score is not finite.
    """
    place = pick_device(device)
    if (file_of_trees := Path(model) / TREES_FILE).is_file():
        if task is not None:
            raise ValueError(f"`task` must be left out: trees have one score, got {task!r}")
        trees = TreeRanker.read(file_of_trees)
        dataset = open_inputs(Path(data), trees.feature_ids, cache)
        scores = trees.predict(dataset)
    else:
        ranker = load_ranker(model)
        which = _which(ranker, task)
        width = ranker.metadata.get("training", {}).get("columns")
        dataset = open_inputs(Path(data), ranker.feature_ids, cache, width)
        scores = score_dataset(ranker.to(place), dataset, place, which, on_progress)
    lines = _trec(dataset, scores) if form == "trec" else (f"{score:.9g}" for score in scores)
    with atomic_write(Path(out)) as file:
        while chunk := list(islice(lines, _LINES)):
            file.write(("\n".join(chunk) + "\n").encode())
    return len(scores)


def load_ranker(model: str | Path) -> Ranker:
    """The ranker of a run's folder, or of its own.

    Raises:
        FileNotFoundError: When there is none.
        ValueError: When it is damaged, or no network but boosted trees.
    """
    folder = Path(model)
    if (trees := folder / TREES_FILE).is_file():
        raise ValueError(
            f"{folder} holds boosted trees, not a network: {trees} is LightGBM's own format, which "
            f'lightgbm.Booster(model_file="{trees}") reads, and any program with LightGBM; '
            "`predict` scores a file with them"
        )
    return Ranker.load(folder / "ranker" if (folder / "ranker").is_dir() else folder)


def score_dataset(
    ranker: Ranker,
    dataset: RankingDataset,
    device: torch.device,
    task: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, documents: None,
) -> NDArray[np.float32]:
    """(document,) the scores of a data set's documents, in its order.

    `task` says whose, where the ranker has a score per task.

    Raises:
        ValueError: When a score is not finite; the query is named.
    """
    score = scorer(ranker, device)
    found = np.empty(dataset.num_documents, dtype=np.float32)
    done = 0
    for indices, batch in evaluation_batches(dataset):
        scores = (score(batch) if task is None else score(batch)[task]).numpy()
        for query, row in zip(indices, scores, strict=True):
            start, stop = dataset.offsets[query], dataset.offsets[query + 1]
            found[start:stop] = row[: stop - start]
            if not np.isfinite(found[start:stop]).all():
                raise ValueError(f"a score of query {dataset.query_ids[query]!r} is not finite")
            done += int(stop - start)
        on_progress(done, len(found))
    return found


def _which(ranker: Ranker, task: str | None) -> int | None:
    """The index of the task whose scores are wanted; None where there is one score for all."""
    if getattr(ranker.model, "num_tasks", None) is None:
        if task is not None:
            raise ValueError(f"`task` must be left out: one score is for all tasks, got {task!r}")
        return None
    if task not in ranker.tasks:
        raise ValueError(f"`task` must be one of {', '.join(ranker.tasks)}, got {task!r}")
    return ranker.tasks.index(task)


def _trec(dataset: RankingDataset, scores: NDArray[np.float32]) -> Iterator[str]:
    for query, name in enumerate(dataset.query_ids):
        own = scores[dataset.offsets[query] : dataset.offsets[query + 1]]
        for rank, place in enumerate(np.argsort(-own, kind="stable"), start=1):
            yield f"{name} Q0 {place + 1} {rank} {own[place]:.9g} mtl2r"
