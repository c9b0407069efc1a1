"""The usual transforms of labels by four arguments."""

from typing import TypedDict

from .._checks import check_at_least
from ._transforms import (
    Binarize,
    Clip,
    Compose,
    GradesPerList,
    Identity,
    Invert,
    LabelTransform,
    QuantileGrades,
)


class LabelOptions(TypedDict, total=False):
    """Arguments of `LabelSpec` from which it makes a transform."""

    cap: float | None
    lower: bool
    threshold: float | None
    grades: int | None
    per_list: bool


def from_options(options: LabelOptions) -> LabelTransform:
    """Return the transform of the arguments, in the order cap, lower, threshold or grades.

    Examples:
        >>> import numpy as np
        >>> from_options({"lower": True, "threshold": 100.0})(np.array([80.0, 120.0]))
        array([1., 0.], dtype=float32)
    """
    cap, lower = options.get("cap"), options.get("lower", False)
    threshold, grades = options.get("threshold"), options.get("grades")
    check_at_least(2, grades=grades)
    if threshold is not None and grades is not None:
        raise ValueError(f"`threshold` and `grades` exclude one another, got {threshold}, {grades}")
    if options.get("per_list", False) and grades is None:
        raise ValueError("`per_list` is for `grades`, got none")
    steps: list[LabelTransform] = []
    if cap is not None:
        steps.append(Clip(-float("inf"), float(cap)))
    if threshold is not None:
        # In the column's own unit: below the threshold is good where a smaller value is better.
        steps.append(Binarize(float(threshold), lower=lower))
    elif lower:
        steps.append(Invert())
    if grades is not None:
        steps.append(
            GradesPerList(grades)
            if options.get("per_list", False)
            else QuantileGrades(grades, separate_minimum=None)
        )
    return Compose(*steps) if len(steps) > 1 else (steps or [Identity()])[0]
