"""The report's text: tables and what they mean, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .analysis import Analysis
from .results import Point, Result

__all__ = ["markdown", "rows"]

REFERENCES = (("random", "random order"), ("single_feature", "best single feature"))
"""Their names in references.json and in tables."""


def markdown(
    analysis: Analysis,
    results: Sequence[Result],
    references: Mapping[str, Any],
    figures: Sequence[tuple[str, str]],
    planned: int,
) -> str:
    """The whole report.

    Args:
        analysis: What the study shows.
        results: Its finished runs.
        references: Random order and single features.
        figures: File (relative to the report) and caption.
        planned: How many runs the study has.
    """
    sections = [
        _head(analysis, results, references, planned),
        _methods(analysis),
        _points(analysis, references),
        _trades(analysis),
        "\n\n".join(["## Figures", *(f"![{text}]({file})\n\n{text}" for file, text in figures)]),
        _cutoffs(results, references),
        _made_with(results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def rows(
    analysis: Analysis, references: Mapping[str, Any], *, errors: bool = True
) -> Iterator[list[str]]:
    """The table of points, a header first: references, baselines, methods.

    Args:
        analysis: What the study shows.
        references: Random order and single features.
        errors: Whether to show standard errors.
    """
    deltas = bool(analysis.delta_m)
    yield [
        "method",
        "preference",
        *analysis.tasks,
        *(["Δm %"] if deltas else []),
        "front",
    ]
    blanks = [""] * deltas + [""]
    for name, title in REFERENCES:
        values = references[name][analysis.split][analysis.metric]
        yield [title, "", *(f"{values[task]:.4f}" for task in analysis.tasks), *blanks]
    order = sorted(range(len(analysis.points)), key=lambda i: not analysis.points[i].is_baseline)
    for i in order:
        point = analysis.points[i]
        yield [
            point.method,
            _vector(point),
            *(
                f"{value:.4f} ± {error:.4f}" if errors else f"{value:.4f}"
                for value, error in zip(point.values, point.standard_errors, strict=True)
            ),
            *([f"{analysis.delta_m[i]:+.2f}"] if deltas else []),
            "yes" if analysis.optimal[i] else "",
        ]


def _head(
    analysis: Analysis, results: Sequence[Result], references: Mapping[str, Any], planned: int
) -> str:
    data = references["data"]
    sizes = ", ".join(
        f"{split} {data['queries'][split]:,} lists ({data['documents'][split]:,} documents)"
        for split in data["queries"]
    )
    lines = [
        f"# {' and '.join(analysis.tasks)} on {data['source']}",
        (
            f"{sizes}; {data['features']} inputs; {results[0].record['parameters']:,} parameters. "
            f"The epoch was chosen on validation; the numbers are **{analysis.metric} on "
            f"{analysis.split}**, larger is better, ± one standard error over its lists."
        ),
    ]
    if analysis.split == "validation":
        lines.append(
            "**There is no test split**: the epoch was chosen on the very lists that are reported, "
            "so the numbers are optimistic."
        )
    if len(results) < planned:
        lines.append(f"**{planned - len(results)} of {planned} runs are not finished.**")
    return "\n\n".join(lines)


def _methods(analysis: Analysis) -> str:
    if not analysis.methods:
        return ""
    box = analysis.box
    where = ", ".join(
        f"{task} {value:.4f}" for task, value in zip(analysis.tasks, box.reference, strict=True)
    )
    if box.ideal is None:
        unit = f"The reference point is the expected {analysis.metric} of a random order ({where})."
    else:
        unit = (
            "It is the share of the box between the reference point and the single-task baselines; "
            "the reference point lies a tenth of the range below the worst that a baseline of "
            f"another task does ({where})."
        )
    table = [["method", "points", "hypervolume", "best Δm %", "seconds a run"]]
    table += [
        [
            row.method,
            str(row.points),
            f"{row.hypervolume:.4f}",
            "–" if row.best_delta_m is None else f"{row.best_delta_m:+.2f}",
            f"{row.seconds:.0f}",
        ]
        for row in analysis.methods
    ]
    return "\n\n".join(
        [
            "## Methods",
            _table(table),
            (
                f"Hypervolume: larger is better, one box for all methods. {unit} A method with "
                "more points has more chances: compare methods with equally many. Δm % is the "
                "mean change against the single-task baselines, lower is better."
            ),
        ]
    )


def _points(analysis: Analysis, references: Mapping[str, Any]) -> str:
    features = "; ".join(
        f"{task}: feature {f['feature_id']}{'' if f['sign'] > 0 else ', small values first'}"
        for task, f in references["features"].items()
    )
    return "\n\n".join(
        [
            "## Points",
            _table(list(rows(analysis, references))),
            (
                f"{analysis.metric} on {analysis.split} ± one standard error. *front*: no other "
                "point is better in one task and no worse in the rest. The best single feature is "
                f"chosen per task on the training lists ({features})."
            ),
        ]
    )


def _trades(analysis: Analysis) -> str:
    if not analysis.trades:
        return ""
    table = [["method", "task", "gain over the sweep", "largest drop on the way", "monotone"]]
    table += [
        [
            trade.method,
            trade.task,
            f"{trade.gain:+.4f} ± {trade.gain_error:.4f}",
            "none"
            if trade.largest_drop == 0
            else f"{trade.largest_drop:.4f} ± {trade.drop_error:.4f}",
            "yes" if trade.largest_drop == 0 else ("up to noise" if trade.is_monotone else "no"),
        ]
        for trade in analysis.trades
    ]
    return "\n\n".join(
        [
            "## Do the sweeps trade?",
            _table(table),
            (
                "How a task's metric moves from the smallest to the largest preference for it. "
                "Differences are paired over lists; ± is one standard error. A drop of at most "
                "two standard errors from one preference to the next counts as noise."
            ),
        ]
    )


def _cutoffs(results: Sequence[Result], references: Mapping[str, Any]) -> str:
    """Every metric of every run and of the references, split by split."""
    sections = ["## All cut-offs"]
    tasks = results[0].record["labels"]
    for split, metrics in results[0].record["metrics"].items():

        def cells(values: Mapping[str, Any], metrics: Mapping[str, Any] = metrics) -> list[str]:
            return [f"{values[metric][task]:.4f}" for task in tasks for metric in metrics]

        table = [["run", "epoch", *(f"{metric} {task}" for task in tasks for metric in metrics)]]
        table += [[title, "", *cells(references[name][split])] for name, title in REFERENCES]
        table += [
            [r.name, str(r.record["epoch"]), *cells(r.record["metrics"][split])] for r in results
        ]
        sections += [f"### {split}", _table(table)]
    return "\n\n".join(sections)


def _made_with(results: Sequence[Result]) -> str:
    made = results[0].record["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    return (
        "## Made with\n\n"
        f"{versions}; Python {made['python']}; {made['platform']}; device {made['device']}; "
        f"revision {made['revision'] or 'unknown'}. Training data SHA-256 "
        f"{results[0].record['data']['train']}."
    )


def _vector(point: Point) -> str:
    if point.preference is None:
        return ""
    return " ".join(f"{value:.3g}" for value in point.preference)


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)
