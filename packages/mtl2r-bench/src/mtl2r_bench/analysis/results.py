"""The finished runs of a study, gathered from their folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..runs.run_folder import RunFolder
from ..runs.study_folder import StudyFolder


@dataclass(frozen=True)
class Result:
    """One finished run: its name, its folder, and the record that `training.run.train` returned."""

    name: str
    record: Mapping[str, Any]
    folder: RunFolder

    @property
    def method(self) -> str:
        """Code name, with task of a baseline, variant and options: what a legend shows."""
        return str(self.record["label"])

    @property
    def variant(self) -> str | None:
        """Its difference from the method with the study's model; records may lack it."""
        variant = self.record["method"].get("variant")
        return None if variant is None else str(variant)

    @property
    def preference(self) -> tuple[float, ...] | None:
        """The preference vector, for methods that take one."""
        preference = self.record["method"]["preference"]
        return None if preference is None else tuple(preference)

    @property
    def position(self) -> float | None:
        """Its place in its method's sweep: the weight of the first of two tasks."""
        position = self.record["position"]
        return None if position is None else float(position)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The labels it was trained on."""
        return tuple(self.record["tasks"])

    @property
    def baseline_of(self) -> str | None:
        """The task of a single-task baseline; None for a method."""
        task = self.record["method"]["task"]
        return None if task is None else str(task)

    @property
    def fold(self) -> int | None:
        """The fold of the data, where the study names folds."""
        fold = self.record["fold"]
        return None if fold is None else int(fold)

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return int(self.record["seed"])

    def measured(
        self, split: str, tasks: Sequence[str], empty: str | float
    ) -> tuple[NDArray[np.str_], dict[str, NDArray[np.float64]]]:
        """Read the lists of a split, and by metric the values (task, query).

        A list without a relevant document has the value `empty`; NaN for ``"skip"``.
        """
        table = pq.read_table(self.folder.queries, filters=[("split", "==", split)])

        def values(metric: str, task: str) -> NDArray[np.float64]:
            rows = pc.and_(pc.equal(table["metric"], metric), pc.equal(table["task"], task))
            found = table.filter(rows)["value"].to_numpy().astype(np.float64)
            return found if isinstance(empty, str) else np.where(np.isnan(found), empty, found)

        metrics = {
            metric: np.stack([values(metric, task) for task in tasks])
            for metric in self.record["metrics"][split]
        }
        queries = next(iter(metrics.values())).shape[1]
        return table["query"][:queries].to_numpy().astype(np.str_), metrics


def standard_error(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the standard error of the mean over the last axis, without NaN."""
    count = (~np.isnan(values)).sum(axis=-1)
    spread = np.nanstd(values, axis=-1, ddof=1)
    error: NDArray[np.float64] = spread / np.sqrt(count)
    return error


def collect(folder: StudyFolder) -> list[Result]:
    """Read all finished runs, ordered by tasks, method, preference, fold and seed."""
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
    first = results[0]
    for result in results:
        if result.record["labels"] != first.record["labels"]:
            raise ValueError(
                f"{folder.path}: expected runs of one data set; the labels of {first.name} are "
                f"{', '.join(first.record['labels'])}, those of {result.name} "
                f"{', '.join(result.record['labels'])}"
            )
    return sorted(results, key=_order)


def _order(run: Result) -> tuple[Any, ...]:
    """Return the sort key of `collect`."""
    numbers = run.position or 0.0, run.fold or 0, run.seed
    return run.tasks, run.method, run.preference or (), *numbers


def table(results: Sequence[Result]) -> pa.Table:
    """Return every number of every run in long form, as results.parquet holds it."""
    rows = [
        {
            "run": result.name,
            "tasks": list(result.tasks),
            "method": result.method,
            "preference": result.preference,
            "fold": result.fold,
            "seed": result.seed,
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
    text, number, count = pa.string(), pa.float64(), pa.int64()
    types = {
        "run": text,
        "tasks": pa.list_(text),
        "method": text,
        "preference": pa.list_(number),
        "fold": count,
        "seed": count,
        "epoch": count,
        **dict.fromkeys(("split", "task", "metric"), text),
        **dict.fromkeys(("value", "standard_error", "seconds"), number),
    }
    return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))
