"""The usual transforms of labels by four arguments."""

from collections.abc import Sequence
from typing import Any, TypedDict, cast

from .._checks import check_at_least, did_you_mean
from ._transforms import (
    AutoGrades,
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


def parse_options(options: Sequence[str], text: str) -> LabelTransform:
    """Return the transform of options like ``lower`` and ``grades=5``, of the label `text`."""
    found: dict[str, Any] = {}
    for option in options:
        name, equals, value = (part.strip() for part in option.partition("="))
        if name in _FLAGS and not equals:
            found[name] = True
        elif name in _NUMBERS and equals:
            try:
                found[name] = _NUMBERS[name](value)
            except ValueError as error:
                raise ValueError(
                    f"`{name}` of the label {text!r} must be a number, got {value!r}"
                ) from error
        else:
            known = [*_FLAGS, *(f"{name}=" for name in _NUMBERS)]
            raise ValueError(
                f"a label must be name[=column][:option], with any of {', '.join(known)}, got "
                f"{option!r} in {text!r}{did_you_mean(name, [*_FLAGS, *_NUMBERS])}"
            )
    raw = found.pop("raw", False)
    if raw and {"grades", "threshold"} & set(found):
        raise ValueError(f"`raw` excludes `grades` and `threshold`, got {text!r}")
    if raw or {"grades", "threshold"} & set(found):
        return from_options(cast(LabelOptions, found))
    if found.get("per_list", False):
        return from_options(cast(LabelOptions, {**found, "grades": AutoGrades().levels}))
    given = from_options(cast(LabelOptions, found))
    return AutoGrades() if given == Identity() else _then(given, AutoGrades())


_FLAGS = ("lower", "per_list", "raw")
_NUMBERS = {"cap": float, "threshold": float, "grades": int}


def _then(first: LabelTransform, second: LabelTransform) -> Compose:
    """Return one transform after another, as one sequence."""
    before = first.transforms if isinstance(first, Compose) else (first,)
    return Compose(*before, second)
