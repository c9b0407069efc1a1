"""Feature transforms: fitted to the training split, kept with the model, equal everywhere."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .._checks import build
from .._columns import Features
from .._table import describe_ids

_CHUNK_ROWS = 16_384  # rows in float64 at a time, to bound the memory


class FeatureTransform(nn.Module, ABC):
    """A function of the features of one document, column by column, with training statistics.

    The statistics are buffers, so they move, are saved and are exported with the model they are
    part of. `config` and `state_dict` rebuild a transform::

        twin = FeatureTransform.from_config(transform.config())
        twin.load_state_dict(transform.state_dict())

    Args:
        feature_ids: (feature,) numbers of the columns, 1-based as in the file.
    """

    _types: ClassVar[dict[str, type["FeatureTransform"]]] = {}
    scale: Tensor

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        FeatureTransform._types[cls.__name__] = cls

    def __init__(self, feature_ids: Sequence[int]) -> None:
        super().__init__()
        self.feature_ids = tuple(int(feature_id) for feature_id in feature_ids)
        # 0 for a constant column, whatever else a transform uses it for.
        self.register_buffer("scale", torch.ones(len(self.feature_ids)))

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """(..., feature) float to (..., feature) float.

        Raises:
            ValueError: The number of features is not that of `feature_ids`.
        """

    def config(self) -> dict[str, Any]:
        """What is not in `state_dict`, as JSON holds it."""
        return {"name": type(self).__name__, "feature_ids": list(self.feature_ids)}

    @staticmethod
    def from_config(config: dict[str, Any]) -> "FeatureTransform":
        """An unfitted transform, to be given a `state_dict`.

        Raises:
            ValueError: The name is unknown, or a parameter is.
        """
        return build("name", config, FeatureTransform._types)

    @property
    def constant_columns(self) -> tuple[int, ...]:
        """Numbers of the features that did not vary in the training split."""
        return tuple(
            feature_id
            for feature_id, scale in zip(self.feature_ids, self.scale.tolist(), strict=True)
            if scale == 0
        )

    def transform(self, features: Features) -> npt.NDArray[np.float32]:
        """`forward` for a NumPy matrix, in chunks.

        Args:
            features: (document, feature) float32.

        Returns:
            (document, feature) float32, a new array.
        """
        result = np.empty(features.shape, dtype=np.float32)
        with torch.no_grad():
            for start in range(0, len(features), _CHUNK_ROWS):
                rows = slice(start, start + _CHUNK_ROWS)
                # A copy: a mapped file is read only, which tensors cannot be.
                chunk = torch.from_numpy(np.array(features[rows], order="C"))
                result[rows] = self(chunk.to(self.scale.device)).cpu().numpy()
        if not len(features):
            self(torch.from_numpy(result))  # the number of features is still checked
        return result

    def extra_repr(self) -> str:
        """The features, for `repr`."""
        return f"feature_ids={describe_ids(self.feature_ids)}"

    def _check(self, features: Tensor) -> None:
        if features.shape[-1] != len(self.feature_ids):
            raise ValueError(
                f"`features` must have {len(self.feature_ids)} features "
                f"({describe_ids(self.feature_ids)}) on the last axis, got {features.shape[-1]}"
            )


class Standardize(FeatureTransform):
    """(x − mean) / standard deviation, column by column; 0 where the column is constant.

    Examples:
        >>> import numpy as np
        >>> features = np.array([[1, 5], [3, 5]], dtype=np.float32)
        >>> transform = Standardize.fit(features, feature_ids=(1, 2))
        >>> transform.transform(features)
        array([[-1.,  0.], [ 1.,  0.]], dtype=float32)
        >>> transform.constant_columns
        (2,)
    """

    mean: Tensor

    def __init__(self, feature_ids: Sequence[int]) -> None:
        super().__init__(feature_ids)
        self.register_buffer("mean", torch.zeros(len(self.feature_ids)))

    @classmethod
    def fit(cls, features: Features, feature_ids: Sequence[int]) -> Self:
        """Take the statistics of the training split, in float64.

        Args:
            features: (document, feature).
            feature_ids: (feature,) numbers of the columns.

        Raises:
            ValueError: There are no documents, or a column has NaN or infinity.
        """
        transform = cls(feature_ids)
        check_fit(features, transform.feature_ids)
        _set_moments(transform, features, lambda chunk: chunk)
        return transform

    def forward(self, features: Tensor) -> Tensor:
        """(..., feature) to (..., feature)."""
        self._check(features)
        return (features - self.mean) * self.scale


class LogStandardize(FeatureTransform):
    """Standardised logarithms: z = log(max(x, 0) + eps), then (z − mean) / standard deviation.

    Columns with a negative value in the training split (the logarithms of language models in MSLR)
    are not logged. Constant columns become 0.

    Args:
        feature_ids: (feature,) numbers of the columns.
        eps: Added before the logarithm.

    Raises:
        ValueError: `eps` is not positive.

    Examples:
        >>> import numpy as np
        >>> features = np.array([[0, -2], [99.99, 2]], dtype=np.float32)
        >>> transform = LogStandardize.fit(features, feature_ids=(1, 2))
        >>> transform.transform(features).round(4)
        array([[-1., -1.], [ 1.,  1.]], dtype=float32)
        >>> transform.log_columns
        tensor([ True, False])
    """

    mean: Tensor
    log_columns: Tensor

    def __init__(self, feature_ids: Sequence[int], eps: float = 0.01) -> None:
        if not eps > 0:
            raise ValueError(f"`eps` must be positive, got {eps}")
        super().__init__(feature_ids)
        self.eps = eps
        self.register_buffer("mean", torch.zeros(len(self.feature_ids)))
        self.register_buffer("log_columns", torch.ones(len(self.feature_ids), dtype=torch.bool))

    @classmethod
    def fit(cls, features: Features, feature_ids: Sequence[int], *, eps: float = 0.01) -> Self:
        """Take the statistics of the training split, in float64.

        Args:
            features: (document, feature).
            feature_ids: (feature,) numbers of the columns.
            eps: Added before the logarithm.

        Raises:
            ValueError: There are no documents, or a column has NaN or infinity.
        """
        transform = cls(feature_ids, eps)
        check_fit(features, transform.feature_ids)
        logged = np.min([chunk.min(axis=0) for chunk in row_chunks(features)], axis=0) >= 0
        transform.log_columns.copy_(torch.from_numpy(logged))
        _set_moments(
            transform,
            features,
            lambda chunk: np.where(logged, np.log(np.maximum(chunk, 0) + eps), chunk),
        )
        return transform

    def forward(self, features: Tensor) -> Tensor:
        """(..., feature) to (..., feature)."""
        self._check(features)
        logged = torch.log(features.clamp(min=0) + self.eps)
        return (torch.where(self.log_columns, logged, features) - self.mean) * self.scale

    def config(self) -> dict[str, Any]:
        """What is not in `state_dict`, as JSON holds it."""
        return {**super().config(), "eps": self.eps}


def row_chunks(features: Features) -> Iterator[npt.NDArray[np.float32]]:
    """The rows, some at a time, to bound the memory."""
    for start in range(0, len(features), _CHUNK_ROWS):
        yield features[start : start + _CHUNK_ROWS]


def check_fit(features: Features, feature_ids: tuple[int, ...]) -> None:
    if features.ndim != 2 or features.shape[1] != len(feature_ids) or not len(features):
        raise ValueError(
            f"`features` must be (document, feature) with {len(feature_ids)} features and at least "
            f"one document, got shape {features.shape}"
        )
    for number, chunk in enumerate(row_chunks(features)):
        wrong = np.argwhere(~np.isfinite(chunk))
        if len(wrong):
            row, column = wrong[0]
            value = chunk[row, column]
            raise ValueError(
                f"`features` must be finite, got {value} in feature {feature_ids[column]}, "
                f"row {number * _CHUNK_ROWS + row}"
            )


def _set_moments(transform: Standardize | LogStandardize, features: Features, map_: Any) -> None:
    """Set mean and 1 / standard deviation (0 for a constant) of the mapped columns."""

    def chunks() -> Any:
        for chunk in row_chunks(features):
            yield map_(chunk.astype(np.float64))

    mean = sum(chunk.sum(axis=0) for chunk in chunks()) / len(features)
    variance = sum(((chunk - mean) ** 2).sum(axis=0) for chunk in chunks()) / len(features)
    deviation = np.sqrt(variance)
    # Less than float32 resolves around the mean is rounding, not variation; and the inverse of what
    # is below its normal numbers is infinite there.
    single = np.finfo(np.float32)
    varies = deviation > np.maximum(single.eps * np.abs(mean), single.tiny)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)
    transform.mean.copy_(torch.from_numpy(mean))
    transform.scale.copy_(torch.from_numpy(scale))
