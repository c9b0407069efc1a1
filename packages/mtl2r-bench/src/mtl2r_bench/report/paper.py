"""The table of all methods over all task sets, as Table 1 of DeepMTL2R."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .analysis import Analysis
from .bootstrap import Estimate
from .table import Cell, Number, Table

__all__ = ["paper_table"]


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
    rows: list[tuple[Cell, ...]] = []
    for is_front in (True, False):
        for name in names:
            if (name in fronts) is not is_front:
                continue
            found: list[Estimate | None] = []
            for methods in by_name:
                row = methods.get(name)
                wanted = None if row is None else row.improvement if is_front else row.delta_m
                found.append(wanted)
            decimals = 4 if is_front else 2
            cells: list[Cell] = [
                None if one is None else Number(one, decimals, signed=not is_front) for one in found
            ]
            if len(analyses) > 1:
                known = [one.value for one in found if one is not None]
                mean = float(np.mean(known)) if len(known) == len(found) else None
                cells.append(None if mean is None else Number(mean, decimals, signed=not is_front))
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
            "over lists. The two indicators are not comparable with one another."
        ),
    )
