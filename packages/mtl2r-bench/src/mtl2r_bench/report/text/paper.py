"""The table of all methods over all task sets, like Table 1 of DeepMTL2R."""

import functools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...analysis.analyse import Analysis
from ...analysis.bootstrap import IntervalEstimate, estimate
from .table import Cell, Number, Table

_Found: TypeAlias = tuple[IntervalEstimate | None, NDArray[np.float64] | None]
"""An indicator of a method in a task set, and its draws."""


def paper_table(analyses: Sequence[Analysis]) -> Table | None:
    """Tabulate HVI for the methods that find a front, Δm for the others; one column a task set.

    None where no task set has a method.
    """
    names = list(dict.fromkeys(row.method for a in analyses for row in a.methods))
    if not names:
        return None
    by_name = [{row.method: row for row in analysis.methods} for analysis in analyses]
    fronts = {name for name in names if any(len(m[name].points) > 1 for m in by_name if name in m)}
    narrow = [" + ".join(analysis.tasks) for analysis in analyses if analysis.narrow]
    rows: list[tuple[Cell, ...]] = []
    for name in sorted(names, key=lambda name: name not in fronts):
        is_front = name in fronts
        found: list[_Found] = [(None, None)] * len(analyses)
        for i, row in enumerate(methods.get(name) for methods in by_name):
            if row is not None:
                front, single = (row.improvement, row.improvements), (row.delta_m, row.deltas)
                found[i] = front if is_front else single
        shown: list[IntervalEstimate | float | None] = [one for one, _ in found]
        if len(analyses) > 1:
            floor = 0.0 if is_front else -np.inf
            shown.append(None if is_front and narrow else _mean(analyses, found, floor=floor))
        numbers = (
            None if one is None else Number(one, 4 if is_front else 2, signed=not is_front)
            for one in shown
        )
        rows.append((name, "HVI" if is_front else "Δm %", *numbers))
    sets, first = [" + ".join(analysis.tasks) for analysis in analyses], analyses[0]
    over = "the single-task baselines" if first.over_baselines else first.against
    return Table(
        "table1",
        "All methods",
        ("method", "indicator", *sets, *(["mean"] if len(sets) > 1 else [])),
        tuple(rows),
        (
            f"Of {first.metric} on {first.split}. HVI (methods that find a front; larger is "
            f"better): the hypervolume that their points add to that of {over}, in the box of the "
            "task set. Δm % (methods with one point; lower is better): mean relative loss against "
            f"the single-task baselines. Brackets: {first.level:.0%} intervals by the bootstrap "
            "over lists; of the mean by the same draws in all task sets. The two indicators are "
            "not comparable with one another." + _unmeant(narrow)
        ),
    )


def _unmeant(narrow: Sequence[str]) -> str:
    """Say why hypervolumes have no mean: those of a box within the noise would dominate it."""
    if not narrow:
        return ""
    return (
        f" In {' and in '.join(narrow)} the box is as narrow as the noise, so hypervolumes "
        "are large by chance: they have no mean."
    )


def _mean(
    analyses: Sequence[Analysis], found: Sequence[_Found], *, floor: float
) -> IntervalEstimate | float | None:
    """Average over task sets; None where one of them is missing.

    The lists are the same in all task sets, so a draw of lists is one draw for all, and the
    interval is that of the mean of each draw: sets that share lists and baselines are not
    independent. Where some set lacks a fold, the lists differ, and there is no interval.
    """
    known = [one for one, _ in found if one is not None]
    resampled = [drawn for _, drawn in found if drawn is not None]
    if len(known) < len(analyses) or len(resampled) < len(analyses):
        return None
    value = float(np.mean([one.value for one in known]))
    strata = [analysis.strata for analysis in analyses]
    if not all(np.array_equal(one, strata[0]) for one in strata):
        return value
    draws = functools.reduce(np.intersect1d, [analysis.draws for analysis in analyses])
    of_sets = zip(resampled, analyses, strict=True)
    means = np.mean([one[np.isin(analysis.draws, draws)] for one, analysis in of_sets], axis=0)
    return estimate(value, means, analyses[0].level, floor=floor)
