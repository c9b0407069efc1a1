"""Score a whole file with a trained ranker."""

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
"""Number of lines per write."""


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
    """Score every document of a ranking file; return the number of documents.

    The file is converted once and mapped into memory, so it may be larger than the memory.

    Args:
        model: Folder of a run or of a ranker. Boosted trees are supported.
        data: A ranking file that `ltr_data.open` reads, with the columns the model was trained on.
        out: The file to write, atomically.
        form: ``"scores"`` is one score per line, in the order of the documents. ``"trec"`` is a
            TREC run, ``query Q0 document rank score tag``, best first; the name of a document is
            its position in the query's list, from 1.
        task: Task of the scores, if the ranker has a score per task.
        cache: Folder for the converted file; None is the user's cache folder.
        device: Device of the computation.
        on_progress: Called after every batch with the numbers of scored and of all documents.

    Raises:
        FileNotFoundError: The model or the file does not exist.
        ValueError: The model is damaged, the file is malformed or has other columns, `task` is not
            a task of the ranker, or a score is not finite.
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
    """Load the ranker from the folder of a run or of the ranker.

    Raises:
        FileNotFoundError: The folder has no ranker.
        ValueError: The ranker is damaged, or consists of boosted trees.
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
    """Return the scores (document,) of a data set, in its order.

    `task` chooses the scores if the ranker has a score per task.

    Raises:
        ValueError: A score is not finite; the message names the query.
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
    """Return the index of a task; None if the ranker has one score for all tasks."""
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
