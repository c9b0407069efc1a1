"""Functions from the values of a column to the labels of a task."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from .._checks import build, check_at_least


@dataclass(frozen=True)
class LabelTransform(ABC):
    """A function from column values to labels, whose free parameters are fitted to training data.

    Transforms are immutable values: `fit` returns a new one, equal parameters compare equal,
    `to_dict` is JSON, and `str` says in words what becomes of a value.
    """

    _types: ClassVar[dict[str, Callable[..., "LabelTransform"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        LabelTransform._types[cls.__name__] = cls._from_parameters

    @abstractmethod
    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Transform (document,) values to (document,) float32 labels.

        Raises:
            RuntimeError: The transform is not fitted.
        """

    def of_lists(
        self, values: npt.NDArray[np.floating], lists: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float32]:
        """Transform values of documents in their (document,) lists; most look at no list."""
        return self(values)

    def fit(self, values: npt.NDArray[np.floating]) -> "LabelTransform":
        """Fit the free parameters to the (document,) values of the training split.

        Returns:
            The fitted transform; the same one if nothing is free or it is fitted already.
        """
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the type's name and the parameters, for JSON."""
        return {"type": type(self).__name__, **dataclasses.asdict(self)}

    @staticmethod
    def from_dict(config: Mapping[str, Any]) -> "LabelTransform":
        """Build a transform from the result of `to_dict`.

        Raises:
            ValueError: The type is unknown, or its parameters are.
        """
        return build("type", config, LabelTransform._types)

    @classmethod
    def _from_parameters(cls, **parameters: Any) -> Self:
        """Build a transform of this type from the parameters of `to_dict`."""
        return cls(**parameters)


@dataclass(frozen=True)
class Identity(LabelTransform):
    """The value itself.

    Examples:
        >>> Identity()(np.array([0.0, 3.0]))
        array([0., 3.], dtype=float32)
    """

    def __str__(self) -> str:
        return "the values"

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        return values.astype(np.float32)


@dataclass(frozen=True)
class Invert(LabelTransform):
    """maximum − value, for columns in which a smaller value is better.

    Args:
        maximum: The value that becomes 0; by default the largest training value.

    Examples:
        >>> Invert(255)(np.array([255.0, 7.0]))
        array([  0., 248.], dtype=float32)
    """

    maximum: float | None = None

    def fit(self, values: npt.NDArray[np.floating]) -> Self:
        if self.maximum is not None:
            return self
        return dataclasses.replace(self, maximum=float(np.max(values)))

    def __str__(self) -> str:
        return "smaller is better"

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        if self.maximum is None:
            raise RuntimeError("`Invert` without a maximum must be fitted before it is called")
        return (self.maximum - values).astype(np.float32)


@dataclass(frozen=True)
class Log1p(LabelTransform):
    """log(1 + value), for counts and times.

    Raises:
        ValueError: On a call with a value of −1 or less.

    Examples:
        >>> Log1p()(np.array([0.0, 1.0]))
        array([0.       , 0.6931472], dtype=float32)
    """

    def __str__(self) -> str:
        return "log(1 + value)"

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        if np.min(values, initial=0) <= -1:
            raise ValueError(f"`values` of Log1p must be above -1, got {np.min(values)}")
        logs: npt.NDArray[np.floating] = np.log1p(values)
        return logs.astype(np.float32)


@dataclass(frozen=True)
class Binarize(LabelTransform):
    """1 where the value is at least the threshold, else 0.

    Args:
        threshold: The least value that becomes 1.
        lower: Whether a smaller value is better: the threshold is then the largest that becomes 1.

    Examples:
        >>> Binarize(2)(np.array([1.0, 2.0]))
        array([0., 1.], dtype=float32)
    """

    threshold: float
    lower: bool = False

    def __str__(self) -> str:
        return f"1 {'up to' if self.lower else 'from'} {self.threshold:g}, else 0"

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        found = values <= self.threshold if self.lower else values >= self.threshold
        return found.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        # The default is left out, so that older configurations equal newer ones.
        config = super().to_dict()
        return config if self.lower else {k: v for k, v in config.items() if k != "lower"}


@dataclass(frozen=True)
class Clip(LabelTransform):
    """The value, clipped to [low, high].

    Args:
        low: The least label.
        high: The greatest label.

    Raises:
        ValueError: `low` is above `high`.

    Examples:
        >>> Clip(0, 4)(np.array([-1.0, 9.0]))
        array([0., 4.], dtype=float32)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"`low` must not be above `high`, got {self.low} and {self.high}")

    def __str__(self) -> str:
        return f"from {self.low:g} to {self.high:g}"

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        return values.clip(self.low, self.high).astype(np.float32)


@dataclass(frozen=True)
class QuantileGrades(LabelTransform):
    """Grades 0, ..., levels − 1 by quantiles of the training values.

    With `separate_minimum` the smallest training value (the zeros of counts and times) has grade 0,
    and so has what is below; the values above are cut into levels − 1 bins of equal size. Otherwise
    all values are cut into `levels` bins of equal size. The grade of a value is the number of
    `edges` below it. Equal values share a grade, so bins are unequal, or fewer, if values repeat.

    Args:
        levels: Number of grades, at least 2.
        separate_minimum: Whether grade 0 is for the minimum alone; None decides it by the training
            values: where the minimum is at least a bin of them, as of counts with many zeros.
        edges: Ascending upper bounds (inclusive) of all grades but the last; from `fit`.

    Raises:
        ValueError: `levels` is below 2, or `edges` do not rise or are too many.

    Examples:
        >>> clicks = np.array([0, 0, 0, 0, 1, 1, 2, 3, 8, 9], dtype=np.float32)
        >>> grades = QuantileGrades(levels=4).fit(clicks)
        >>> grades.edges
        (0.0, 1.0, 3.0)
        >>> grades(clicks)
        array([0., 0., 0., 0., 1., 1., 2., 2., 3., 3.], dtype=float32)
    """

    levels: int = 5
    separate_minimum: bool | None = True
    edges: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_at_least(2, levels=self.levels)
        if self.edges is not None and (
            len(self.edges) >= self.levels or np.any(np.diff(self.edges) <= 0)
        ):
            raise ValueError(
                f"`edges` must be fewer than {self.levels} levels and rise, got {self.edges}"
            )

    def fit(self, values: npt.NDArray[np.floating]) -> Self:
        if self.edges is not None:
            return self
        edges: list[float] = []
        bins = self.levels
        separate = self.separate_minimum
        if separate is None:
            separate = bool(np.mean(values == np.min(values)) >= 1 / bins)
        if separate:
            edges.append(float(np.min(values)))
            values = values[values > edges[0]]
            bins -= 1
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) > 1:
            # A cut comes after the value, not the last, that is nearest to the wanted share.
            shares = np.cumsum(counts[:-1]) / len(values)
            wanted = np.arange(1, bins) / bins
            cuts = np.abs(shares - wanted[:, None]).argmin(axis=1)
            edges.extend(float(distinct[cut]) for cut in np.unique(cuts))
        return dataclasses.replace(self, separate_minimum=separate, edges=tuple(edges))

    def __str__(self) -> str:
        return f"{self.levels if self.edges is None else len(self.edges) + 1} grades by quantiles"

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        if self.edges is None:
            raise RuntimeError("`QuantileGrades` must be fitted before it is called")
        return np.searchsorted(np.array(self.edges), values, side="left").astype(np.float32)

    @classmethod
    def _from_parameters(cls, *, edges: Sequence[float] | None = None, **parameters: Any) -> Self:
        return cls(**parameters, edges=None if edges is None else tuple(edges))


@dataclass(frozen=True)
class GradesPerList(LabelTransform):
    """Grades 0, ..., levels − 1 by the place of a value among those of its list.

    The grade is the whole part of levels · share, where the share is that of the list's values
    below the value. Equal values share a grade. What is compared are the documents of one list, so
    that a list of expensive items has its cheap ones too.

    Args:
        levels: Number of grades, at least 2.

    Examples:
        >>> grades = GradesPerList(levels=2)
        >>> grades.of_lists(np.array([1.0, 9.0, 10.0, 90.0]), np.array([0, 0, 1, 1]))
        array([0., 1., 0., 1.], dtype=float32)
    """

    levels: int = 5

    def __post_init__(self) -> None:
        check_at_least(2, levels=self.levels)

    def __str__(self) -> str:
        return f"{self.levels} grades within each list"

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Grade the values of one list."""
        return self.of_lists(values, np.zeros(len(values), dtype=np.int64))

    def of_lists(
        self, values: npt.NDArray[np.floating], lists: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float32]:
        order = np.lexsort((values, lists))
        own, sorted_values = lists[order], values[order]
        begins = np.flatnonzero(np.diff(own, prepend=-1))
        lengths = np.diff(np.append(begins, len(own)))
        place = np.arange(len(own)) - np.repeat(begins, lengths)
        # The place of the first of equal values in the list is the number of those below.
        new = np.concatenate(([True], (np.diff(own) != 0) | (np.diff(sorted_values) != 0)))[
            : len(own)
        ]
        below = np.maximum.accumulate(np.where(new, np.arange(len(own)), 0))
        below = place - (np.arange(len(own)) - below)
        grades = np.empty(len(values), dtype=np.float32)
        grades[order] = below * self.levels // np.repeat(lengths, lengths)
        return grades


@dataclass(frozen=True)
class AutoGrades(LabelTransform):
    """The values if they are grades already, else grades by quantiles; decided by the training.

    Grades are whole numbers from 0 to 10.

    Args:
        levels: Number of quantile grades.

    Examples:
        >>> AutoGrades().fit(np.array([0.0, 1.0, 2.0, 1.0]))
        Identity()
        >>> AutoGrades(levels=3).fit(np.array([0.5, 4.0, 2.0, 1.0])).edges
        (0.5, 2.0)
    """

    levels: int = 5

    def __str__(self) -> str:
        return f"the grades, or {self.levels} by quantiles"

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        raise RuntimeError("`AutoGrades` must be fitted before it is called")

    def fit(self, values: npt.NDArray[np.floating]) -> LabelTransform:
        graded = bool(
            (values >= 0).all() and (values <= _LARGEST_GRADE).all() and (values % 1 == 0).all()
        )
        if graded:
            return Identity()
        return QuantileGrades(self.levels, separate_minimum=None).fit(values)


_LARGEST_GRADE = 10


@dataclass(frozen=True, init=False)
class Compose(LabelTransform):
    """Several transforms in sequence, each fitted to the output of the one before.

    Args:
        transforms: In the order in which they are applied.

    Examples:
        >>> badness = np.array([255, 200, 7, 0], dtype=np.float32)
        >>> Compose(Invert(255), QuantileGrades(levels=3)).fit(badness)(badness)
        array([0., 1., 1., 2.], dtype=float32)
    """

    transforms: tuple[LabelTransform, ...]

    def __init__(self, *transforms: LabelTransform) -> None:
        object.__setattr__(self, "transforms", transforms)

    def fit(self, values: npt.NDArray[np.floating]) -> Self:
        fitted = []
        for transform in self.transforms:
            fitted.append(transform.fit(values))
            # No transform that follows one of lists has anything to fit.
            values = fitted[-1](values)
        return type(self)(*fitted)

    def __str__(self) -> str:
        return ", ".join(map(str, self.transforms))

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        for transform in self.transforms:
            values = transform(values)
        return values.astype(np.float32)

    def of_lists(
        self, values: npt.NDArray[np.floating], lists: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float32]:
        for transform in self.transforms:
            values = transform.of_lists(values, lists)
        return values.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        return {"type": "Compose", "transforms": [t.to_dict() for t in self.transforms]}

    @classmethod
    def _from_parameters(cls, **parameters: Any) -> Self:
        return cls(*map(LabelTransform.from_dict, parameters["transforms"]))
