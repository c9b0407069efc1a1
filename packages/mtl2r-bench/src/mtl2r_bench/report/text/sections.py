"""A task set's part of the report: its analysis and the tables that show it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...analysis.analyse import Analysis
from ...analysis.collapse import collapses
from ...analysis.compare import SIGNIFICANCE
from ...analysis.references import NAMES, References
from .table import Cell, Number, Table
from .weights import weights_table


@dataclass(frozen=True)
class Section:
    """A task set's part of the report.

    Attributes:
        long_tables: Those that are too long for the text.
        warnings: What to know before believing the tables, see `collapses`.
        random_order: The expected values of a random order by metric, one per task.
    """

    analysis: Analysis
    tables: tuple[Table, ...]
    long_tables: tuple[Table, ...]
    warnings: tuple[str, ...]
    random_order: Mapping[str, Sequence[float]]


def section(analysis: Analysis, references: References) -> Section:
    """Describe a task set."""
    warnings = collapses(analysis)
    return Section(
        analysis,
        tuple(_tables(analysis, references, warnings)),
        (_cutoffs(analysis), *([comparisons(analysis)] if analysis.families else [])),
        warnings,
        {
            name: [values[task] for task in analysis.tasks]
            for name, values in references.values["random"][analysis.split].items()
        },
    )


def _tables(analysis: Analysis, references: References, warnings: Sequence[str]) -> Iterator[Table]:
    if analysis.methods:
        yield _methods(analysis, warnings)
    yield _points(analysis, references)
    if len(analysis.methods) > 1:
        yield _differences(analysis)
    if analysis.trades:
        yield _sweeps(analysis)
    if analysis.methods:
        yield weights_table(analysis)
    certificates = _certificates(analysis)
    if certificates.rows:
        yield certificates


def _methods(analysis: Analysis, warnings: Sequence[str]) -> Table:
    """Tabulate by method: hypervolume, what it adds to the baselines' front, Δm."""
    over = "the baselines" if analysis.over_baselines else analysis.against
    front = ("method", "points", "hypervolume", f"HVI over {over}")
    return Table(
        "methods",
        "Methods",
        (*front, "Δm %", "at preference", "seconds a run"),
        tuple(
            (
                row.method,
                Number(len(row.points), 0),
                Number(row.hypervolume),
                None if row.improvement is None else Number(row.improvement),
                None if row.delta_m is None else Number(row.delta_m, 2, signed=True),
                analysis.points[row.chosen].vector,
                Number(row.seconds, 0),
            )
            for row in analysis.methods
        ),
        (
            "Hypervolume: larger is better, one box for all methods. HVI: the hypervolume that a "
            f"method's points add to that of {over}. Δm %: mean relative loss against the "
            "single-task baselines, lower is better, at the preference with the best Δm on "
            f"validation. {' '.join([_intervals(analysis), *warnings])}"
        ),
    )


def _points(analysis: Analysis, references: References) -> Table:
    """Tabulate by point: references, baselines, methods."""
    tasks = analysis.tasks
    rows: list[tuple[Cell, ...]] = []
    for name, title in NAMES:
        values = references.values[name][analysis.split][analysis.metric]
        rows.append((title, "", *(Number(values[task]) for task in tasks), None, None, ""))
    order = sorted(range(len(analysis.points)), key=lambda i: not analysis.points[i].is_baseline)
    rows += [
        (
            analysis.points[i].method,
            analysis.points[i].vector,
            *map(Number, analysis.values[i]),
            Number(analysis.delta_m[i], 2, signed=True) if analysis.delta_m else None,
            Number(analysis.probability_optimal[i], 2),
            "yes" if analysis.optimal[i] else "",
        )
        for i in order
    ]
    return Table(
        "points",
        f"Points: {analysis.metric} on {analysis.split}",
        ("method", "preference", *tasks, "Δm %", "P(front)", "front"),
        tuple(rows),
        (
            "front: no other point is better in one task and no worse in the rest; P(front): the "
            f"share of the resamples in which that holds. {_intervals(analysis)}"
        ),
    )


def _differences(analysis: Analysis) -> Table:
    """Tabulate by method: which others it beats beyond chance, by each quantity."""
    families = analysis.families
    tests = "; ".join(f"{f.quantity}: {f.test}, {len(f.comparisons)} comparisons" for f in families)
    scope = (
        "There is one seed: this compares the trained rankers on other lists of this kind, not the "
        "methods."
        if analysis.seeds < 2
        else "This compares the trained rankers, on average over their seeds: other seeds may "
        "reverse a difference that is small against the spread over seeds."
    )
    names = [row.method for row in analysis.methods]
    beaten = [
        [", ".join(family.beaten_by(one)) or "–" if one in family.methods else "" for one in names]
        for family in families
    ]
    return Table(
        "differences",
        "Which differences hold",
        ("method", *(f"better than, in {family.quantity}" for family in families)),
        tuple(zip(names, *beaten, strict=True)),
        (
            f"Named where Holm's adjusted p-value is below {SIGNIFICANCE}; all pairs, paired over "
            f"lists ({tests}). {scope}"
        ),
    )


def comparisons(analysis: Analysis) -> Table:
    """List every comparison with its interval and p-values."""
    return Table(
        "comparisons",
        "All comparisons",
        ("quantity", "first", "second", "difference", "low", "high", "p", "Holm p"),
        tuple(
            (
                *(family.quantity, one.first, one.second),
                *(Number(v, signed=True) for v in (one.difference, one.low, one.high)),
                *(Number(one.p), Number(one.adjusted)),
            )
            for family in analysis.families
            for one in family.comparisons
        ),
        f"Difference: first less second, with its {analysis.level:.0%} interval.",
    )


def _cutoffs(analysis: Analysis) -> Table:
    """Tabulate every metric of every point."""
    names = list(analysis.points[0].metrics)
    return Table(
        "cutoffs",
        f"All metrics on {analysis.split}",
        ("method", "preference", *(f"{name} {task}" for name in names for task in analysis.tasks)),
        tuple(
            (
                point.method,
                point.vector,
                *(Number(float(v)) for m in names for v in np.nanmean(point.metrics[m], axis=1)),
            )
            for point in analysis.points
        ),
    )


def _sweeps(analysis: Analysis) -> Table:
    """Tabulate by method and task: whether its sweep trades."""
    return Table(
        "sweeps",
        "Do the sweeps trade?",
        ("method", "task", "Spearman's ρ", "gain over the sweep", "largest drop", "monotone"),
        tuple(
            (
                trade.method,
                trade.task,
                Number(trade.rank_correlation, 2, signed=True),
                f"{trade.gain:+.4f} ± {trade.gain_error:.4f}".replace("-", "−"),
                f"{trade.largest_drop:.4f} ± {trade.drop_error:.4f}" if trade.drops else "none",
                ("up to noise" if trade.is_monotone else "no") if trade.drops else "yes",
            )
            for trade in analysis.trades
        ),
        (
            "How a task's metric changes from the smallest to the largest preference for it; ρ is "
            "between the two. Differences are paired over lists; ± is one standard error. A drop "
            "of at most two standard errors from one preference to the next counts as noise."
        ),
    )


def _certificates(analysis: Analysis) -> Table:
    """Tabulate by point: how near its ranker is to Pareto criticality."""
    rows: list[tuple[Cell, ...]] = []
    for point in analysis.points:
        found = [c for run in point.runs if (c := run.record.get("certificate")) is not None]
        if point.is_baseline or not found:
            continue
        slack = [s for c in found if (s := c["constraint_slack"]) is not None]
        slacks = {task: np.mean([s[task] for s in slack]) for task in (slack[0] if slack else ())}
        alphas = (np.mean([c["alpha"][task] for c in found]) for task in analysis.tasks)
        rows.append(
            (
                point.method,
                point.vector,
                _mean([c["kkt_relative"] for c in found]),
                " ".join(f"{alpha:.2f}" for alpha in alphas),
                _mean([c["ray_error"] for c in found]),
                " ".join(f"{t} {mean:+.4f}".replace("-", "−") for t, mean in slacks.items()),
            )
        )
    return Table(
        "certificates",
        "Certificates",
        ("method", "preference", "KKT residual", "α", "ray error", "slack"),
        tuple(rows),
        (
            "Of the chosen epoch's ranker on a fixed sample of training lists, mean over runs. KKT "
            "residual: the norm of the shortest convex combination (weights α) of the tasks' "
            "gradients, over the longest gradient's, dropout off; 0 at a Pareto-critical point. "
            "Of the losses in training, dropout on: ray error, their distance from the ray of the "
            "preference; slack, bound less loss, negative where a constraint is violated."
        ),
    )


def _mean(values: Sequence[float | None]) -> Number | None:
    known = [value for value in values if value is not None]
    return Number(float(np.mean(known)), 3) if known else None


def _intervals(analysis: Analysis) -> str:
    seeds = analysis.seeds
    spread = f" ±: standard deviation over {seeds} seeds." if seeds > 1 else ""
    return (
        f"Brackets: {analysis.level:.0%} intervals by the bootstrap over lists "
        f"({analysis.resamples:,} resamples); they do not contain the spread over seeds.{spread}"
    )
