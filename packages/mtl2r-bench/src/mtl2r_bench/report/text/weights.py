"""The table of the weights that the methods gave the tasks."""

from collections.abc import Mapping

import numpy as np

from ...analysis.analyse import Analysis
from ...table import METHODS
from .table import Cell, Number, Table


def weights_table(analysis: Analysis) -> Table:
    """Show how each method's share of weight for the first task changes over the epochs."""
    first = analysis.tasks[0]
    rows: list[tuple[Cell, ...]] = []
    drawn: list[str] = []
    for method in analysis.methods:
        middle = min(
            (analysis.points[i] for i in method.points),
            key=lambda p: 0.0 if p.position is None else abs(p.position - 0.5),
        )
        if not middle.has_epochs:
            continue
        if METHODS[middle.runs[0].record["method"]["name"]].draws_preferences:
            drawn.append(method.method)
            continue
        logs = [run.folder.epochs() for run in middle.runs]
        shares = [
            float(np.mean([_share(log[epoch]["weight"], first) for log in logs]))
            for epoch in range(min(len(log) for log in logs))
        ]
        if np.isnan(shares).any():
            continue
        shown = map(Number, (shares[0], shares[-1], min(shares), max(shares)))
        rows.append((method.method, middle.vector, *shown))
    return Table(
        "weights",
        f"The weight of {first}",
        ("method", "preference", "first epoch", "last epoch", "smallest", "largest"),
        tuple(rows),
        (
            f"The share of {first} in the absolute weights of the tasks, the mean over an epoch "
            "and over runs; for a method with preferences, at the one nearest to equal. Methods "
            "that combine gradients entry by entry have no weights."
            + "".join(
                f" {name} is left out: it is trained at preferences that are drawn for every "
                "step; what its ranker does at the one asked for is in the tables above."
                for name in drawn
            )
        ),
    )


def _share(weights: Mapping[str, float], task: str) -> float:
    total = sum(abs(value) for value in weights.values())
    return abs(weights[task]) / total if total > 0 else float("nan")
