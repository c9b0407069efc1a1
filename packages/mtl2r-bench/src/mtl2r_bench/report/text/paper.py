"""The table of all methods over all task sets, as Table 1 of DeepMTL2R."""

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...analysis.analyse import Analysis
from ...analysis.bootstrap import Estimate, estimates
from .table import Cell, Number, Table


def paper_table(analyses: Sequence[Analysis]) -> Table | None:
    """HVI for the methods that find a front, Δm for the others; one column a task set.

    Args:
        analyses: One per task set.

    Returns:
        The table; None where no task set has a method.
    """
    names = list(dict.fromkeys(row.method for a in analyses for row in a.methods))
    if not names:
        return None
    by_name = [{row.method: row for row in analysis.methods} for analysis in analyses]
    fronts = {name for name in names if any(len(m[name].points) > 1 for m in by_name if name in m)}
    narrow = [" + ".join(analysis.tasks) for analysis in analyses if analysis.narrow]
    rows: list[tuple[Cell, ...]] = []
    for is_front in (True, False):
        for name in names:
            if (name in fronts) is not is_front:
                continue
            found = [methods.get(name) for methods in by_name]
            known = [None if r is None else r.improvement if is_front else r.delta_m for r in found]
            decimals = 4 if is_front else 2
            shown: list[Estimate | float | None] = [*known]
            if len(analyses) > 1 and is_front and narrow:
                shown.append(None)
            elif len(analyses) > 1:
                drawn = [
                    None if r is None else r.improvements if is_front else r.deltas for r in found
                ]
                shown.append(_mean(analyses, known, drawn, floor=0.0 if is_front else -np.inf))
            cells: list[Cell] = [
                None if one is None else Number(one, decimals, signed=not is_front) for one in shown
            ]
            rows.append((name, "HVI" if is_front else "Δm %", *cells))
    sets = [" + ".join(analysis.tasks) for analysis in analyses]
    over = "the single-task baselines" if analyses[0].against == "stl" else analyses[0].against
    first = analyses[0]
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
    """Why hypervolumes have no mean: of a box as narrow as the noise they would outweigh all."""
    if not narrow:
        return ""
    return (
        f" In {' and in '.join(narrow)} the box is as narrow as the noise, so hypervolumes "
        "are large by chance: they have no mean."
    )


def _mean(
    analyses: Sequence[Analysis],
    found: Sequence[Estimate | None],
    drawn: Sequence[NDArray[np.float64] | None],
    *,
    floor: float,
) -> Estimate | float | None:
    """The mean over task sets; None where it is of one of them not known.

    The lists are the same in all task sets, so a draw of lists is one draw for all, and the
    interval is that of the mean of each draw: sets that share lists and baselines are not
    independent. Where some set lacks a fold, the lists differ, and there is no interval.
    """
    known = [one for one in found if one is not None]
    resampled = [one for one in drawn if one is not None]
    if len(known) < len(analyses) or len(resampled) < len(analyses):
        return None
    value = float(np.mean([one.value for one in known]))
    strata = [analysis.measured.strata for analysis in analyses]
    if not all(np.array_equal(one, strata[0]) for one in strata):
        return value
    draws = functools.reduce(np.intersect1d, [analysis.draws for analysis in analyses])
    of_sets = zip(resampled, analyses, strict=True)
    means = np.mean([one[np.isin(analysis.draws, draws)] for one, analysis in of_sets], axis=0)
    return estimates(np.array([value]), means[:, None], analyses[0].level, floor=floor)[0]
