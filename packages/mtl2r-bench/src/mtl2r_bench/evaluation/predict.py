"""Score a whole file with a trained ranker."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import torch
from numpy.typing import NDArray

from ltr_data import RankingDataset, TableTransform
from ltr_data.files import atomic_write
from mtl2r_models import Ranker

from ..data.splits import InputColumns, open_inputs
from ..distributed import pick_device
from ..runs.run_folder import TREES_FILE
from .evaluate import evaluation_batches, scorer
from .tree_ranker import TreeRanker

Format = Literal["scores", "trec", "csv", "parquet"]

_ROWS = 100_000
"""Number of documents per write."""


def predict(
    model: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    form: Format = "scores",
    task: str | None = None,
    query: str | None = None,
    document: str | None = None,
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
            TREC run, ``query Q0 document rank score tag``, best first. ``"csv"`` and ``"parquet"``
            are tables of query, document, rank and a score per task (or one ``score``), best first.
            A document without an id is named by its position in the query's list, from 1.
        task: Task of the scores and ranks, if the ranker has a score per task. Tables may leave it
            out: the first ranks.
        query: Name of the column that identifies the query; None is that of the training.
        document: Name of the column that identifies the document; None is that of the training.
        cache: Folder for the converted file; None is the user's cache folder.
        device: Device of the computation.
        on_progress: Called after every batch with the numbers of scored and of all documents.

    Raises:
        FileNotFoundError: The model or the file does not exist.
        ValueError: The model is damaged, the file is malformed or has other columns, `task` is not
            a task of the ranker, or a score is not finite.
    """
    place = pick_device(device)
    tabular = form in ("csv", "parquet")
    tasks: tuple[str, ...] = ("score",)
    if (file_of_trees := Path(model) / TREES_FILE).is_file():
        if task is not None:
            raise ValueError(f"`task` must be left out: trees have one score, got {task!r}")
        trees = TreeRanker.read(file_of_trees)
        dataset = open_inputs(data, _named(trees.inputs, query, document), cache)
        scores, which = trees.predict(dataset)[None], 0
    else:
        ranker = load_ranker(model)
        per_task = getattr(ranker.model, "num_tasks", None) is not None
        given = ranker.tasks[0] if task is None and tabular and per_task else task
        chosen = _which(ranker, given)
        which = chosen or 0
        if per_task:
            tasks = ranker.tasks
        training = ranker.metadata.get("training", {})
        inputs = _named(inputs_of(ranker), query, document)
        dataset = open_inputs(data, inputs, cache, training.get("columns"))
        scores = score_dataset(ranker.to(place), dataset, place, on_progress)
    with atomic_write(Path(out)) as file:
        if form == "scores":
            _write_lines(file, (f"{score:.9g}" for score in scores[which]))
        elif form == "trec":
            _write_lines(file, _trec(dataset, scores[which]))
        else:
            _write_table(file, dataset, scores, tasks, which, form)
    return dataset.num_documents


def inputs_of(ranker: Ranker) -> InputColumns:
    """Return the columns that a ranker takes."""
    training = ranker.metadata.get("training", {})
    kinds: dict[int, str] = {}
    words: dict[int, tuple[str, ...]] = {}
    if isinstance(ranker.transform, TableTransform):
        kinds, words = ranker.transform.kinds, ranker.transform.words
    return InputColumns(
        ranker.feature_ids,
        ranker.feature_names,
        kinds,
        words,
        training.get("query", "qid"),
        training.get("id"),
        training.get("clip", False),
        training.get("zero_based", False),
    )


def _named(inputs: InputColumns, query: str | None, document: str | None) -> InputColumns:
    return replace(inputs, query=query or inputs.query, id=document or inputs.id)


def _write_lines(file: IO[bytes], lines: Iterator[str]) -> None:
    while chunk := list(islice(lines, _ROWS)):
        file.write(("\n".join(chunk) + "\n").encode())


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
    on_progress: Callable[[int, int], None] = lambda done, documents: None,
) -> NDArray[np.float32]:
    """Return the scores (score, document) of a data set, in its order: one, or one per task.

    Raises:
        ValueError: A score is not finite; the message names the query.
    """
    score = scorer(ranker, device)
    count = getattr(ranker.model, "num_tasks", None) or 1
    found = np.empty((count, dataset.num_documents), dtype=np.float32)
    done = 0
    for indices, batch in evaluation_batches(dataset):
        scores = score(batch).numpy()
        scores = scores[None] if scores.ndim == 2 else scores
        for at, query in enumerate(indices):
            start, stop = dataset.offsets[query], dataset.offsets[query + 1]
            found[:, start:stop] = scores[:, at, : stop - start]
            if not np.isfinite(found[:, start:stop]).all():
                raise ValueError(f"a score of query {dataset.query_ids[query]!r} is not finite")
            done += int(stop - start)
        on_progress(done, dataset.num_documents)
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


def _ranked(
    dataset: RankingDataset, scores: NDArray[np.float32]
) -> Iterator[tuple[str, NDArray[np.int64], list[str]]]:
    """Yield each query, its documents best first, and their names in that order."""
    ids = dataset.document_ids
    for query, name in enumerate(dataset.query_ids):
        start = int(dataset.offsets[query])
        own = scores[start : dataset.offsets[query + 1]]
        order = start + np.argsort(-own, kind="stable")
        places = [str(row - start + 1) for row in order] if ids is None else list(ids.take(order))
        yield name, order, places


def _trec(dataset: RankingDataset, scores: NDArray[np.float32]) -> Iterator[str]:
    for name, order, documents in _ranked(dataset, scores):
        for text in (name, *documents):
            if not text or len(text.split()) != 1:
                raise ValueError(
                    f"a TREC run needs ids without blanks, got {text!r}; `--format csv` takes any"
                )
        for rank, (row, document) in enumerate(zip(order, documents, strict=True), start=1):
            yield f"{name} Q0 {document} {rank} {scores[row]:.9g} mtl2r"


def _write_table(
    file: IO[bytes],
    dataset: RankingDataset,
    scores: NDArray[np.float32],
    tasks: Sequence[str],
    which: int,
    form: Format,
) -> None:
    """Write query, document, rank and scores, some queries at a time."""
    taken = {"query", "document", "rank"}
    names = [f"score of {task}" if task in taken else task for task in tasks]
    schema = pa.schema(
        [("query", pa.string()), ("document", pa.string()), ("rank", pa.int32())]
        + [(name, pa.float32()) for name in names]
    )
    opened = pa.csv.CSVWriter if form == "csv" else pa.parquet.ParquetWriter
    with opened(file, schema) as writer:
        ranked = _ranked(dataset, scores[which])
        while some := list(islice(ranked, _QUERIES)):
            rows = np.concatenate([order for _, order, _ in some])
            columns = [
                [name for name, order, _ in some for _ in order],
                [document for _, _, documents in some for document in documents],
                np.concatenate([np.arange(1, len(o) + 1, dtype=np.int32) for _, o, _ in some]),
                *(scores[i, rows] for i in range(len(tasks))),
            ]
            writer.write_table(pa.table(columns, schema=schema))


_QUERIES = 1_000
"""Queries per write of a table."""
