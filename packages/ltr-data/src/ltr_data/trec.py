"""Judgements and rankings in the files of TREC: qrels and runs.

They are what trec_eval, ir_measures and ranx read, and `Qrels.to_dict` and `Run.to_dict` give the
dictionaries that pytrec_eval, ir_measures and ranx take in their place. A line of qrels is
``<query> 0 <document> <grade>``, one of a run ``<query> Q0 <document> <rank> <score> <tag>``.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ._checks import check_name
from ._dataset import RankingDataset
from ._strings import Strings
from ._table import Grouped, RankingTable
from .readers._recognise import NUMBER, recognise_line
from .readers._streams import Stream, write_stream
from .readers.svmrank._blocks import read_blocks

_INTEGER = re.compile(rb"[-+]?\d{1,18}")
_WORD = re.compile(r"[^\s]+", re.ASCII)
T = TypeVar("T", int, float)


@dataclass(frozen=True, eq=False)
class Qrels(Grouped):
    """The grades that documents have for queries.

    Attributes:
        query_ids: (query,) names.
        offsets: (query + 1,) int64; query i has the documents offsets[i] to offsets[i + 1].
        document_ids: (document,) names, different within a query.
        grades: (document,) int64, the higher the better.

    Raises:
        ValueError: The shapes do not agree, or a document comes twice for a query.
    """

    query_ids: tuple[str, ...]
    offsets: npt.NDArray[np.int64]
    document_ids: Strings
    grades: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        _check(self, self.query_ids, self.document_ids, grades=self.grades)

    def to_dict(self) -> dict[str, dict[str, int]]:
        """Return query to document to grade."""
        return _to_dict(self, self.query_ids, self.document_ids, self.grades.tolist())


@dataclass(frozen=True, eq=False)
class Run(Grouped):
    """The scores that a ranker gave to documents; a higher one ranks first.

    Attributes:
        query_ids: (query,) names.
        offsets: (query + 1,) int64; query i has the documents offsets[i] to offsets[i + 1].
        document_ids: (document,) names, different within a query.
        scores: (document,) float64.

    Raises:
        ValueError: The shapes do not agree, a document comes twice for a query, or a score is not
            finite.
    """

    query_ids: tuple[str, ...]
    offsets: npt.NDArray[np.int64]
    document_ids: Strings
    scores: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        _check(self, self.query_ids, self.document_ids, scores=self.scores)
        if not np.isfinite(self.scores).all():
            raise ValueError("`scores` must be finite, got NaN or infinity")

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Return query to document to score."""
        return _to_dict(self, self.query_ids, self.document_ids, self.scores.tolist())


def read_qrels(path: str | os.PathLike[str]) -> Qrels:
    r"""Read judgements; the second field of a line is ignored.

    Args:
        path: The file, plain or compressed as those of `ltr_data.read`.

    Returns:
        The queries in the order in which they first occur, whose lines need not be together.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is wrong, or judges a document again: the message has file and line.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "qrels.txt")
        ...     _ = path.write_text("301 0 a 2\n302 0 a 0\n301 0 b 1\n")
        ...     read_qrels(path).to_dict()
        {'301': {'a': 2, 'b': 1}, '302': {'a': 0}}
    """
    lists = _read(Path(path), ("query", "0", "document", "grade"), _INTEGER, int)
    query_ids, offsets, documents = _flat(lists)
    grades = chain.from_iterable(found.values() for found in lists.values())
    return Qrels(query_ids, offsets, documents, np.fromiter(grades, dtype=np.int64))


def read_run(path: str | os.PathLike[str]) -> Run:
    r"""Read a ranking. As in trec_eval, scores make the order; ranks and tags are ignored.

    Args:
        path: The file, plain or compressed as those of `ltr_data.read`.

    Returns:
        The queries in the order in which they first occur, whose lines need not be together.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is wrong, or ranks a document again: the message has file and line.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "run.txt")
        ...     _ = path.write_text("301 Q0 b 1 2.5 bm25\n301 Q0 a 2 1e-1 bm25\n")
        ...     read_run(path).to_dict()
        {'301': {'b': 2.5, 'a': 0.1}}
    """
    fields = ("query", "Q0", "document", "rank", "score", "tag")
    lists = _read(Path(path), fields, NUMBER, float)
    query_ids, offsets, documents = _flat(lists)
    scores = chain.from_iterable(found.values() for found in lists.values())
    return Run(query_ids, offsets, documents, np.fromiter(scores, dtype=np.float64))


def write_qrels(path: str | os.PathLike[str], qrels: Qrels) -> None:
    r"""Write judgements to a file, which appears only when complete.

    Args:
        path: The file, compressed with gzip if its name ends in ``.gz``.
        qrels: What to write.

    Raises:
        ValueError: The id of a query or document is empty or has blanks.

    Examples:
        >>> import tempfile
        >>> qrels = Qrels(("301",), np.array([0, 2]), Strings.of(["a", "b"]), np.array([2, 0]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "qrels.txt")
        ...     write_qrels(path, qrels)
        ...     path.read_text()
        '301 0 a 2\n301 0 b 0\n'
    """
    lists = qrels.to_dict()
    _check_words(lists, qrels.document_ids)
    _write(
        path,
        (
            f"{query} 0 {document} {grade}\n"
            for query, grades in lists.items()
            for document, grade in grades.items()
        ),
    )


def write_run(path: str | os.PathLike[str], run: Run, *, tag: str = "mtl2r") -> None:
    r"""Write a ranking to a file, which appears only when complete.

    The documents of a query come by falling score, those of equal score in their order. (Tools for
    such files order equal scores as they like: trec_eval by falling document id.)

    Args:
        path: The file, compressed with gzip if its name ends in ``.gz``.
        run: What to write.
        tag: The name of the ranker, without blanks.

    Raises:
        ValueError: The tag, or the id of a query or document, is empty or has blanks.

    Examples:
        >>> import tempfile
        >>> run = Run(("301",), np.array([0, 2]), Strings.of(["a", "b"]), np.array([0.1, 2.5]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "run.txt")
        ...     write_run(path, run, tag="bm25")
        ...     path.read_text()
        '301 Q0 b 1 2.5 bm25\n301 Q0 a 2 0.1 bm25\n'
    """
    lists = run.to_dict()
    _check_words(lists, run.document_ids)
    if not _WORD.fullmatch(tag):
        raise ValueError(f"`tag` must be text without blanks, got {tag!r}")
    _write(
        path,
        (
            f"{query} Q0 {document} {rank} {scores[document]!r} {tag}\n"
            for query, scores in lists.items()
            for rank, document in enumerate(sorted(scores, key=scores.__getitem__, reverse=True), 1)
        ),
    )


def qrels_of(data: RankingTable | RankingDataset, task: str | None = None) -> Qrels:
    """Return the labels of a task as judgements; documents without a label are left out.

    Args:
        data: A table, with its label, or a data set; it has the ids of its documents.
        task: Which of the data set's; it may be left out if there is one.

    Raises:
        ValueError: There are no ids or no labels, a label is no whole number, the task is unknown,
            or a document comes twice for a query.

    Examples:
        >>> from ltr_data import from_numpy
        >>> import dataclasses
        >>> table = from_numpy([[1], [2], [3]], labels=[2, 0, 1], query_ids=[7, 7, 8])
        >>> table = dataclasses.replace(table, document_ids=Strings.of(["a", "b", "a"]))
        >>> qrels_of(table).to_dict()
        {'7': {'a': 2, 'b': 0}, '8': {'a': 1}}
    """
    ids = _ids(data)
    labels, known = _labels(data, task)
    rows = np.flatnonzero(known)
    whole = labels[rows].astype(np.int64)
    wrong = np.flatnonzero(whole != labels[rows])
    if len(wrong):
        raise ValueError(
            "`data` must have whole numbers as labels to be judgements, got "
            f"{labels[rows[wrong[0]]]} for document {ids[int(rows[wrong[0]])]!r}"
        )
    counts = np.add.reduceat(known, data.offsets[:-1], dtype=np.int64)
    judged = np.flatnonzero(counts)
    offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts[judged])))
    query_ids = tuple(data.query_ids[query] for query in judged)
    return Qrels(query_ids, offsets, ids.take(rows), whole)


def run_of(data: RankingTable | RankingDataset, scores: npt.ArrayLike) -> Run:
    """Return (document,) scores as a ranking of the data's documents, which have ids.

    Raises:
        ValueError: There are no ids, not a finite score per document, or a document comes twice for
            a query.
    """
    return Run(data.query_ids, data.offsets, _ids(data), np.asarray(scores, dtype=np.float64))


def _ids(data: RankingTable | RankingDataset) -> Strings:
    if data.document_ids is None:
        raise ValueError(
            "`data` must have the ids of its documents, got none; `Columns(id=...)` names their "
            "column, and LETOR text has them as comments, #docid = <id>"
        )
    return data.document_ids


def _labels(
    data: RankingTable | RankingDataset, task: str | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return the (document,) labels of a task, and which are known."""
    if isinstance(data, RankingTable):
        if task is not None or data.labels is None:
            raise ValueError(
                "`data` must have labels, got a table without them"
                if task is None
                else f"`task` must be None for a table, which has one label, got {task!r}"
            )
        return data.labels, ~np.isnan(data.labels)
    if task is None and len(data.tasks) > 1:
        raise ValueError(f"`task` must be one of {', '.join(data.tasks)}, got None")
    name = data.tasks[0] if task is None else task
    check_name("task", name, data.tasks)
    at = data.tasks.index(name)
    labels = data.labels[at]
    mask = np.ones(len(labels), dtype=np.bool_) if data.label_mask is None else data.label_mask[at]
    return labels, mask


def _check(
    lists: Grouped, query_ids: tuple[str, ...], ids: Strings, **values: npt.NDArray[np.generic]
) -> None:
    """Raise ValueError unless the shapes agree and the documents of each query differ."""
    for name, array in values.items():
        if array.shape != (len(ids),) or lists.offsets.shape != (len(query_ids) + 1,):
            raise ValueError(
                f"`offsets` and `{name}` must have shapes ({len(query_ids) + 1},) and "
                f"({len(ids)},), got {lists.offsets.shape} and {array.shape}"
            )
    if lists.offsets[0] != 0 or lists.offsets[-1] != len(ids) or (lists.lengths < 0).any():
        raise ValueError(f"`offsets` must rise from 0 to {len(ids)}, got {lists.offsets}")
    if len(set(query_ids)) != len(query_ids):
        raise ValueError("`query_ids` must be different, got one twice")
    bounds = lists.offsets.tolist()
    for query, start, end in zip(query_ids, bounds[:-1], bounds[1:], strict=True):
        found = list(ids[start:end])
        if len(set(found)) != len(found):
            twice = next(name for name in found if found.count(name) > 1)
            raise ValueError(
                f"`document_ids` must differ within a query, got {twice!r} twice for {query!r}"
            )


def _to_dict(
    lists: Grouped, query_ids: tuple[str, ...], ids: Strings, values: list[T]
) -> dict[str, dict[str, T]]:
    bounds = lists.offsets.tolist()
    return {
        query: dict(zip(ids[start:end], values[start:end], strict=True))
        for query, start, end in zip(query_ids, bounds[:-1], bounds[1:], strict=True)
    }


def _read(
    path: Path, fields: tuple[str, ...], form: re.Pattern[bytes], parse: Callable[[bytes], T]
) -> dict[str, dict[str, T]]:
    """Return query to document to the value of the field before last, or of the last of four."""
    value_at = 3 if len(fields) == 4 else 4
    lists: dict[str, dict[str, T]] = {}
    for line, text in _lines(path):
        found = text.split()
        if not found:
            continue
        where = f"{path}:{line}"
        if len(found) != len(fields):
            other = None if lists else recognise_line(text)
            raise ValueError(
                f"{where}: expected the {len(fields)} fields {', '.join(fields)}, "
                f"got {len(found)}{f'; {other.message}' if other else ''}"
            )
        try:
            query, document = found[0].decode(), found[2].decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{where}: ids must be UTF-8, got {error.object!r}") from error
        number = found[value_at]
        value = parse(number) if form.fullmatch(number) else None
        if value is None or not np.isfinite(value):
            shown = number[:40].decode(errors="backslashreplace")
            kind = "a whole number" if parse is int else "a finite number"
            raise ValueError(f"{where}: the {fields[value_at]} must be {kind}, got {shown!r}")
        documents = lists.setdefault(query, {})
        if document in documents:
            raise ValueError(f"{where}: document {document!r} comes again for query {query!r}")
        documents[document] = value
    if not lists:
        raise ValueError(f"{path}: there are no documents in the file")
    return lists


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with Stream(path) as stream:
        for block in read_blocks(stream):
            yield from enumerate(block.text.split(b"\n")[:-1], start=block.first_line)


def _flat(lists: dict[str, dict[str, T]]) -> tuple[tuple[str, ...], npt.NDArray[np.int64], Strings]:
    """Return the queries, where their documents begin, and the documents."""
    offsets = np.cumsum([0, *map(len, lists.values())], dtype=np.int64)
    return tuple(lists), offsets, Strings.of(chain.from_iterable(lists.values()))


def _check_words(query_ids: Iterable[str], document_ids: Strings) -> None:
    for name, ids in (("query_ids", query_ids), ("document_ids", document_ids)):
        for word in ids:
            if not _WORD.fullmatch(word):
                raise ValueError(f"`{name}` must be text without blanks, got {word!r}")


def _write(path: str | os.PathLike[str], lines: Iterable[str]) -> None:
    with write_stream(Path(path)) as file:
        for line in lines:
            file.write(line.encode())
