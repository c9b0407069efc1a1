"""From the values of a column to the labels of a task."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from .._checks import build


@dataclass(frozen=True)
class LabelTransform(ABC):
    """A function from column values to labels, whose free parameters are fitted on training data.

    Transforms are immutable values: `fit` returns a new one, equal parameters compare equal, and
    `to_dict` is JSON.
    """

    _types: ClassVar[dict[str, Callable[..., "LabelTransform"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        LabelTransform._types[cls.__name__] = cls._from_parameters

    @abstractmethod
    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """(document,) values to (document,) float32 labels.

        Raises:
            RuntimeError: The transform has to be fitted first.
        """

    def fit(self, values: npt.NDArray[np.floating]) -> Self:
        """Fit the parameters that are free to the (document,) values of the training split.

        Returns:
            The fitted transform; the same one when nothing is free, or it was fitted before.
        """
        return self

    def to_dict(self) -> dict[str, Any]:
        """The type's name and the parameters, as JSON holds them."""
        return {"type": type(self).__name__, **dataclasses.asdict(self)}

    @staticmethod
    def from_dict(config: Mapping[str, Any]) -> "LabelTransform":
        """The inverse of `to_dict`.

        Raises:
            ValueError: The type is unknown, or its parameters are.
        """
        return build("type", config, LabelTransform._types)

    @classmethod
    def _from_parameters(cls, **parameters: Any) -> Self:
        """Build a transform from what `to_dict` gives."""
        return cls(**parameters)


@dataclass(frozen=True)
class Identity(LabelTransform):
    """The value itself.

    Examples:
        >>> import numpy as np
        >>> Identity()(np.array([0.0, 3.0]))
        array([0., 3.], dtype=float32)
    """

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        return values.astype(np.float32)


@dataclass(frozen=True)
class Invert(LabelTransform):
    """maximum − value, for columns in which less is better.

    Args:
        maximum: What becomes 0; the largest training value when not given.

    Examples:
        >>> import numpy as np
        >>> Invert(255)(np.array([255.0, 7.0]))
        array([  0., 248.], dtype=float32)
    """

    maximum: float | None = None

    def fit(self, values: npt.NDArray[np.floating]) -> Self:
        if self.maximum is not None:
            return self
        return dataclasses.replace(self, maximum=float(np.max(values)))

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        if self.maximum is None:
            raise RuntimeError("`Invert` without a maximum must be fitted before it is called")
        return (self.maximum - values).astype(np.float32)


@dataclass(frozen=True)
class Log1p(LabelTransform):
    """log(1 + value), natural, for counts and times.

    Raises:
        ValueError: On a call with a value of −1 or less.

    Examples:
        >>> import numpy as np
        >>> Log1p()(np.array([0.0, 1.0]))
        array([0.       , 0.6931472], dtype=float32)
    """

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        if np.min(values, initial=0) <= -1:
            raise ValueError(f"`values` of Log1p must be above -1, got {np.min(values)}")
        logs: npt.NDArray[np.floating] = np.log1p(values)
        return logs.astype(np.float32)


@dataclass(frozen=True)
class Binarize(LabelTransform):
    """1 where the value is at least the threshold, else 0.

    Args:
        threshold: The least value that is 1.

    Examples:
        >>> import numpy as np
        >>> Binarize(2)(np.array([1.0, 2.0]))
        array([0., 1.], dtype=float32)
    """

    threshold: float

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        return (values >= self.threshold).astype(np.float32)


@dataclass(frozen=True)
class Clip(LabelTransform):
    """The value, moved into [low, high].

    Args:
        low: The least label.
        high: The greatest label.

    Raises:
        ValueError: `low` is above `high`.

    Examples:
        >>> import numpy as np
        >>> Clip(0, 4)(np.array([-1.0, 9.0]))
        array([0., 4.], dtype=float32)
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"`low` must not be above `high`, got {self.low} and {self.high}")

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        return values.clip(self.low, self.high).astype(np.float32)


@dataclass(frozen=True, init=False)
class Compose(LabelTransform):
    """One transform after the other, each fitted to what the one before gives.

    Args:
        transforms: In the order of their application.

    Examples:
        >>> import numpy as np
        >>> from ltr_data import QuantileGrades
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
            values = fitted[-1](values)
        return type(self)(*fitted)

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        for transform in self.transforms:
            values = transform(values)
        return values.astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        return {"type": "Compose", "transforms": [t.to_dict() for t in self.transforms]}

    @classmethod
    def _from_parameters(cls, **parameters: Any) -> Self:
        return cls(*map(LabelTransform.from_dict, parameters["transforms"]))
