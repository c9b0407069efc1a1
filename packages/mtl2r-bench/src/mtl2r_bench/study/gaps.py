"""Adaptive preference vectors, placed in the largest gap of a front."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_optim.pareto import largest_gap

from ..config import RunConfig, StudyConfig
from ..runs.files import DamagedError
from ..runs.run_folder import RunFolder
from ..runs.study_folder import StudyFolder
from .plan import plan, run_name

Record = Mapping[str, Any]


def all_runs(
    study: StudyConfig, labels: Sequence[str], folder: StudyFolder
) -> dict[str, RunConfig]:
    """Return the runs of a study by name: those of its plan, and the known ones that fill gaps.

    The added runs depend only on the runs before them, so a resumed sweep adds the same ones.
    """
    runs = plan(study, labels)
    for _ in range(study.adaptive):
        try:
            records = {name: RunFolder(folder.runs / name).finished() for name in runs}
        except DamagedError:
            break  # a resumed sweep rebuilds the record
        if any(
            record is None and RunFolder(folder.runs / name).failure() is None
            for name, record in records.items()
        ):
            break  # unfinished runs may change the gaps
        runs |= fill_gaps(study, runs, records)
    return runs


def fill_gaps(
    study: StudyConfig, runs: Mapping[str, RunConfig], records: Mapping[str, Record | None]
) -> dict[str, RunConfig]:
    """Return new runs by name: one vector for every task set and method, in its largest gap.

    The front consists of the validation metric that chooses epochs, averaged over folds and seeds
    and scaled to each task's range. The new vector is the mean of the vectors at the gap's ends. It
    is trained for every fold and seed. The record of a failed run is None.
    """
    metric = f"ndcg@{study.evaluation.select_cutoff}"
    groups: dict[tuple[Any, ...], dict[tuple[float, ...], list[str]]] = {}
    for name, config in runs.items():
        if config.method.preference is not None:
            key = (config.tasks, config.method.name, config.method.label)
            groups.setdefault(key, {}).setdefault(config.method.preference, []).append(name)
    added = {}
    for vectors in groups.values():
        done = {
            vector: [record for name in names if (record := records.get(name)) is not None]
            for vector, names in vectors.items()
        }
        found = {vector: _mean(rows, metric) for vector, rows in done.items() if rows}
        vector = _between(found)
        if vector is None or vector in vectors:
            continue
        for name in next(iter(vectors.values())):  # all folds and seeds of one vector
            config = runs[name]
            method = config.method.model_copy(update={"preference": vector})
            new = config.model_copy(update={"method": method})
            added[run_name(new, study)] = new
    return added


def _mean(records: Sequence[Record], metric: str) -> NDArray[np.float64]:
    values = [
        [record["metrics"]["validation"][metric][task] for task in record["tasks"]]
        for record in records
    ]
    mean: NDArray[np.float64] = np.mean(values, axis=0)
    return mean


def _between(found: Mapping[tuple[float, ...], NDArray[np.float64]]) -> tuple[float, ...] | None:
    """Return the vector in the middle of the largest gap between points; None without a gap."""
    if len(found) < 2:
        return None
    vectors, points = np.array(list(found)), np.stack(list(found.values()))
    best, worst = points.max(axis=0), points.min(axis=0)
    if not np.isfinite(points).all() or (best <= worst).any():
        return None
    try:
        gap = largest_gap(points, ideal=best, nadir=worst, maximize=True)
    except ValueError:  # one point dominates all others
        return None
    middle = (vectors[gap.first] + vectors[gap.second]) / 2
    return tuple(middle.round(6).tolist())
