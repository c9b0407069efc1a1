"""Sweeps of Chebyshev methods that train one task alone at most of their preferences."""

from collections.abc import Sequence

import numpy as np

from ..table import METHODS
from .analyse import Analysis
from .points import Point

ALONE = 0.99
"""A task with at least this share of the weight in every epoch was trained alone."""

REMEDY = "average = 0.99, mu = 1.0"
"""Options of ``soft_wc`` that put losses into units of their running means."""


def collapses(analysis: Analysis) -> tuple[str, ...]:
    """Describe each Chebyshev method that trained one task alone at half of its preferences.

    The weights are r_k on the task with the largest r_k L_k, or r_k softmax(r L / μ)_k. Where the
    losses differ much in size (against μ), the same task leads in every step. Such runs are
    single-task trainings, and the sweep is the ends of the front: a property of the method, not a
    fault of the run.
    """
    found = []
    for row in analysis.methods:
        points = [analysis.points[i] for i in row.points if analysis.points[i].has_epochs]
        if not points:
            continue
        method = points[0].runs[0].record["method"]
        trait = METHODS[method["name"]]
        alone = [point for point in points if trait.weighs_largest and _trains_one(point)]
        if len(alone) < 2 or 2 * len(alone) < len(points):
            continue
        middle = min(alone, key=lambda point: max(point.preference or (1.0,)))
        losses = ", ".join(f"{task} {middle.losses[task]:.3g}" for task in analysis.tasks)
        at = " ".join(f"{r:.3g}" for r in middle.preference or ())
        options = {**trait.options, **method["options"]}
        unit = "them" if options.get("average") is None else "their spread, in units of their means"
        small = f", and μ = {options['mu']:g} is small against {unit}" if "mu" in options else ""
        found.append(
            f"{row.method} trained one task alone at {len(alone)} of its {len(points)} preferences "
            f"(over {ALONE:.0%} of the weight in every epoch): its r·L is the largest throughout. "
            f"The losses at {at} are {losses}{small}. Use soft_wc with the options {REMEDY}: it "
            "divides losses by their running means."
        )
    return tuple(found)


def _trains_one(point: Point) -> bool:
    return all(_largest_shares(run.folder.epochs()) > ALONE for run in point.runs)


def _largest_shares(log: Sequence[dict[str, dict[str, float]]]) -> float:
    """Return the least share over the epochs of the task that leads in the first."""
    weights = np.array([list(line["weight"].values()) for line in log])
    shares = weights / weights.sum(axis=1, keepdims=True)
    return float(shares[:, shares[0].argmax()].min())
