"""The finished runs of a study, gathered from their folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..record import RunFolder
from ..sweep import StudyFolder

__all__ = ["Point", "Result", "collect", "load_references", "points", "table"]


@dataclass(frozen=True)
class Result:
    """One finished run.

    Attributes:
        name: Its folder's name.
        record: What `mtl2r_bench.train.train` returned.
        folder: Where it is.
    """

    name: str
    record: Mapping[str, Any]
    folder: RunFolder

    @property
    def method(self) -> str:
        """Code name, with the task of a baseline and with options: what a legend shows."""
        config = self.record["method"]
        options = ", ".join(f"{key}={value}" for key, value in config["options"].items())
        task = f" {config['task']}" if config["task"] else ""
        return f"{config['name']}{task}" + (f" ({options})" if options else "")

    @property
    def preference(self) -> tuple[float, ...] | None:
        """The preference vector, for methods that take one."""
        preference = self.record["method"]["preference"]
        return None if preference is None else tuple(preference)

    def query_values(self, split: str, metric: str) -> NDArray[np.float64]:
        """(task, query) values of a metric; NaN where a list has no relevant document."""
        queries = pq.read_table(
            self.folder.queries, filters=[("split", "==", split), ("metric", "==", metric)]
        )
        rows = [
            queries.filter(pc.equal(queries["task"], task))["value"].to_numpy()
            for task in self.record["labels"]
        ]
        return np.stack(rows).astype(np.float64)


@dataclass(frozen=True)
class Point:
    """A method at a preference: the mean of its runs over seeds.

    Attributes:
        method: As in legends.
        preference: None for methods that take none.
        values: (task,) means over queries and seeds.
        queries: (task, query) means over seeds.
        losses: Training losses at the chosen epochs by task; those that were trained.
        seeds: How many runs it averages.
        seconds: Mean time of a run.
    """

    method: str
    preference: tuple[float, ...] | None
    values: NDArray[np.float64]
    queries: NDArray[np.float64]
    losses: Mapping[str, float]
    seeds: int
    seconds: float

    @property
    def standard_errors(self) -> NDArray[np.float64]:
        """(task,) standard errors of `values` over queries."""
        return standard_error(self.queries)

    @property
    def is_baseline(self) -> bool:
        """Whether it was trained on a single task."""
        return self.method.startswith("stl ")


def standard_error(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the mean over the last axis, NaN left out."""
    count = (~np.isnan(values)).sum(axis=-1)
    spread = np.nanstd(values, axis=-1, ddof=1)
    error: NDArray[np.float64] = spread / np.sqrt(count)
    return error


def collect(folder: StudyFolder) -> list[Result]:
    """All finished runs, ordered by method, preference and seed.

    Raises:
        FileNotFoundError: When there is no study, or no finished run.
    """
    if not folder.study.is_file():
        raise FileNotFoundError(f"{folder.path}: expected a study's folder, found no study.toml")
    results = []
    for path in sorted(folder.runs.iterdir()) if folder.runs.is_dir() else []:
        run = RunFolder(path)
        record = run.finished()
        if record is not None:
            results.append(Result(path.name, record, run))
    if not results:
        raise FileNotFoundError(f"{folder.path}: no finished run to report")
    return sorted(results, key=lambda r: (r.method, r.preference or (), r.record["seed"]))


def load_references(folder: StudyFolder) -> dict[str, Any]:
    """Random order, single features, and the data's size."""
    references: dict[str, Any] = json.loads(folder.references_of(None).read_text(encoding="utf-8"))
    return references


def points(results: Sequence[Result], split: str, metric: str) -> list[Point]:
    """Runs that differ in nothing but their seed, as one point."""
    groups: dict[tuple[str, tuple[float, ...] | None], list[Result]] = {}
    for result in results:
        groups.setdefault((result.method, result.preference), []).append(result)
    found = []
    for (method, preference), runs in groups.items():
        queries = np.mean([run.query_values(split, metric) for run in runs], axis=0)
        tasks = runs[0].record["labels"]
        means = [[run.record["metrics"][split][metric][task] for task in tasks] for run in runs]
        losses = {
            task: float(np.mean([run.record["loss"][task] for run in runs]))
            for task in runs[0].record["loss"]
        }
        found.append(
            Point(
                method=method,
                preference=preference,
                values=np.mean(means, axis=0),
                queries=queries,
                losses=losses,
                seeds=len(runs),
                seconds=float(np.mean([run.record["seconds"] for run in runs])),
            )
        )
    return found


def table(results: Sequence[Result]) -> pa.Table:
    """Every number of every run in long form, as results.parquet holds it."""
    rows = [
        {
            "run": result.name,
            "method": result.method,
            "preference": result.preference,
            "seed": result.record["seed"],
            "epoch": result.record["epoch"],
            "split": split,
            "task": task,
            "metric": metric,
            "value": value,
            "standard_error": result.record["standard_errors"][split][metric][task],
            "seconds": result.record["seconds"],
        }
        for result in results
        for split, metrics in result.record["metrics"].items()
        for metric, values in metrics.items()
        for task, value in values.items()
    ]
    schema = pa.schema(
        [
            ("run", pa.string()),
            ("method", pa.string()),
            ("preference", pa.list_(pa.float64())),
            ("seed", pa.int64()),
            ("epoch", pa.int64()),
            ("split", pa.string()),
            ("task", pa.string()),
            ("metric", pa.string()),
            ("value", pa.float64()),
            ("standard_error", pa.float64()),
            ("seconds", pa.float64()),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)
