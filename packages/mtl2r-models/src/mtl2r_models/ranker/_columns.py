"""The data columns that a ranker was trained on, and the choice of them from other data."""

import difflib
from collections.abc import Iterable, Sequence
from numbers import Integral

from ..checks import check_names

_MOST = 8  # names in a message


class Columns:
    """The inputs of a ranker, in their order: numbers (1-based) and names of data columns."""

    def __init__(self, feature_ids: Sequence[int], feature_names: Sequence[str] = ()) -> None:
        self.feature_ids = tuple(_number(feature_id) for feature_id in _several(feature_ids))
        self.feature_names = check_names("feature_names", feature_names)
        check_distinct("feature_ids", self.feature_ids)
        check_distinct("feature_names", self.feature_names)
        if self.feature_names and len(self.feature_names) != len(self.feature_ids):
            raise ValueError(
                f"`feature_names` must be {len(self.feature_ids)} names, one per feature, "
                f"got {len(self.feature_names)}"
            )

    def __len__(self) -> int:
        return len(self.feature_ids)

    def __str__(self) -> str:
        """Return their number and which they are, e.g. ``4 columns (1..3, 7)``."""
        return f"{len(self)} columns ({describe(self.feature_ids)})"

    def positions(self, given: Sequence[int | str]) -> list[int]:
        """Return where the inputs stand among the columns at hand, given by number or name."""
        given = _several(given)
        wanted: Sequence[int | str] = self.feature_ids
        if given and isinstance(given[0], str):
            if not self.feature_names:
                raise ValueError(
                    f"`feature_ids` must be numbers: the ranker was trained on {self} without "
                    f"names, got {given[0]!r}"
                )
            wanted = self.feature_names
        check_distinct("feature_ids", given)
        where = {column: position for position, column in enumerate(given)}
        missing = [column for column in wanted if column not in where]
        if missing:
            raise ValueError(
                f"`feature_ids` must have all the {self} the ranker was trained on, got "
                f"{len(where)} without {_some(missing)}{_nearest(missing[0], given)}"
            )
        return [where[column] for column in wanted]


def _several(values: Iterable[int | str]) -> tuple[int | str, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"`feature_ids` must be a sequence of columns, got {values!r}")
    return tuple(values)


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"`feature_ids` must be numbers of columns, got {value!r} among them")
    if value < 1:
        raise ValueError(f"`feature_ids` must be numbers of columns from 1, got {int(value)}")
    return int(value)


def check_distinct(name: str, values: Sequence[int | str]) -> None:
    """Raise for a value that occurs twice."""
    seen: set[int | str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"`{name}` must be distinct, got {value!r} twice")
        seen.add(value)


def describe(feature_ids: Sequence[int]) -> str:
    """Return numbers of columns as text, with runs shortened: ``1..3, 5, 8..9``."""
    runs: list[list[int]] = []
    for feature_id in feature_ids:
        if runs and feature_id == runs[-1][-1] + 1:
            runs[-1][1:] = [feature_id]
        else:
            runs.append([feature_id])
    return _some(["..".join(map(str, run)) for run in runs])


def _some(values: Sequence[int | str]) -> str:
    shown = ", ".join(str(value) for value in values[:_MOST])
    return shown if len(values) <= _MOST else f"{shown}, and {len(values) - _MOST} more"


def _nearest(missing: int | str, given: Sequence[int | str]) -> str:
    near = difflib.get_close_matches(str(missing), [str(value) for value in given], n=1)
    return f"; is it {near[0]!r}?" if near and isinstance(missing, str) else ""
