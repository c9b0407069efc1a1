"""Feature transforms, and the two that standardize."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .._checks import build
from .._columns import Features, row_chunks
from .._table import describe_ids


class FeatureTransform(nn.Module, ABC):
    """A function of the features of a document that is fitted to the training split.

    The statistics are buffers, so they move, are saved and are exported with the model they belong
    to. `config` and `state_dict` rebuild a transform::

        twin = FeatureTransform.from_config(transform.config())
        twin.load_state_dict(transform.state_dict())

    Args:
        feature_ids: (feature,) numbers of the columns, 1-based as in the file.
    """

    _statistics: ClassVar[tuple[str, ...]] = ()  # buffers with one number per feature
    _options: ClassVar[tuple[str, ...]] = ()  # the other arguments, which are attributes too
    _types: ClassVar[dict[str, type["FeatureTransform"]]] = {}
    fills_gaps: ClassVar[bool] = False
    """Whether NaN among the features means a gap that the transform fills."""
    scale: Tensor

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        FeatureTransform._types[cls.__name__] = cls

    def __init__(self, feature_ids: Sequence[int]) -> None:
        super().__init__()
        self.feature_ids = tuple(int(feature_id) for feature_id in feature_ids)
        # 0 for a constant column, whatever else a transform uses it for.
        self.register_buffer("scale", torch.ones(len(self.feature_ids)))
        for name in self._statistics:
            self.register_buffer(name, torch.zeros(len(self.feature_ids)))

    @classmethod
    def fit(cls, features: Features, feature_ids: Sequence[int], **options: Any) -> Self:
        """Fit a transform to the training split.

        Args:
            features: (document, feature); read some rows at a time.
            feature_ids: (feature,) numbers of the columns.
            options: The other arguments of the constructor.

        Raises:
            ValueError: There are no documents, or a column has NaN or infinity.
        """
        transform = cls(feature_ids, **options)
        _check_fit(features, transform.feature_ids)
        transform._learn(features)
        return transform

    def forward(self, features: Tensor) -> Tensor:
        """Transform (..., feature) float to (..., feature) float.

        Raises:
            ValueError: The number of features is not that of `feature_ids`.
        """
        if features.shape[-1] != len(self.feature_ids):
            raise ValueError(
                f"`features` must have {len(self.feature_ids)} features "
                f"({describe_ids(self.feature_ids)}) on the last axis, got {features.shape[-1]}"
            )
        return self._map(features)

    def _learn(self, features: Features) -> None:
        """Set the buffers to the statistics of the training split."""

    @abstractmethod
    def _map(self, features: Tensor) -> Tensor:
        """Transform features whose number is right."""

    @property
    def width(self) -> int:
        """Number of outputs per document: one per feature, unless a transform says otherwise."""
        return len(self.feature_ids)

    @property
    def word_sizes(self) -> tuple[int, ...]:
        """Numbers of codes of the last outputs, which are codes of words; mostly there are none."""
        return ()

    def config(self) -> dict[str, Any]:
        """Return what is not in `state_dict`, for JSON."""
        options = {name: getattr(self, name) for name in self._options}
        return {"name": type(self).__name__, "feature_ids": list(self.feature_ids), **options}

    @staticmethod
    def from_config(config: dict[str, Any]) -> "FeatureTransform":
        """Build a transform that still needs its `state_dict`.

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
        """Transform a NumPy matrix, some rows at a time.

        Args:
            features: (document, feature) float32.

        Returns:
            (document, width) float32, a new array.
        """
        result = np.empty((features.shape[0], self.width), dtype=np.float32)
        done = 0
        with torch.no_grad():
            for rows in row_chunks(features):
                # A copy: a mapped file is read only, which tensors cannot be.
                chunk = torch.from_numpy(np.array(rows, order="C")).to(self.scale.device)
                result[done : done + len(rows)] = self(chunk).cpu().numpy()
                done += len(rows)
        if not len(features):
            self(torch.zeros(features.shape))  # the number of features is still checked
        return result

    def extra_repr(self) -> str:
        """Return the features, for `repr`."""
        return f"feature_ids={describe_ids(self.feature_ids)}"


class Standardize(FeatureTransform):
    """(x − mean) / standard deviation, column by column; 0 where the column is constant.

    Examples:
        >>> features = np.array([[1, 5], [3, 5]], dtype=np.float32)
        >>> transform = Standardize.fit(features, feature_ids=(1, 2))
        >>> transform.transform(features)
        array([[-1.,  0.], [ 1.,  0.]], dtype=float32)
        >>> transform.constant_columns
        (2,)
    """

    _statistics = ("mean",)
    mean: Tensor

    def _learn(self, features: Features) -> None:
        _set_moments(self, features, lambda chunk: chunk)

    def _map(self, features: Tensor) -> Tensor:
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
        >>> features = np.array([[0, -2], [99.99, 2]], dtype=np.float32)
        >>> transform = LogStandardize.fit(features, feature_ids=(1, 2))
        >>> transform.transform(features).round(4)
        array([[-1., -1.], [ 1.,  1.]], dtype=float32)
        >>> transform.log_columns
        tensor([ True, False])
    """

    _statistics = ("mean",)
    _options = ("eps",)
    mean: Tensor
    log_columns: Tensor

    def __init__(self, feature_ids: Sequence[int], eps: float = 0.01) -> None:
        if not eps > 0:
            raise ValueError(f"`eps` must be positive, got {eps}")
        super().__init__(feature_ids)
        self.eps = eps
        self.register_buffer("log_columns", torch.ones(len(self.feature_ids), dtype=torch.bool))

    def _learn(self, features: Features) -> None:
        logged = np.min([chunk.min(axis=0) for chunk in row_chunks(features)], axis=0) >= 0
        self.log_columns.copy_(torch.from_numpy(logged))
        _set_moments(
            self,
            features,
            lambda chunk: np.where(logged, np.log(np.maximum(chunk, 0) + self.eps), chunk),
        )

    def _map(self, features: Tensor) -> Tensor:
        logged = torch.log(features.clamp(min=0) + self.eps)
        return (torch.where(self.log_columns, logged, features) - self.mean) * self.scale


def _check_fit(features: Features, feature_ids: tuple[int, ...]) -> None:
    if features.ndim != 2 or features.shape[1] != len(feature_ids) or not len(features):
        raise ValueError(
            f"`features` must be (document, feature) with {len(feature_ids)} features and at least "
            f"one document, got shape {features.shape}"
        )
    before = 0
    for chunk in row_chunks(features):
        wrong = np.argwhere(~np.isfinite(chunk))
        if len(wrong):
            row, column = wrong[0]
            raise ValueError(
                f"`features` must be finite, got {chunk[row, column]} in feature "
                f"{feature_ids[column]}, row {before + row}"
            )
        before += len(chunk)


def _set_moments(
    transform: Standardize | LogStandardize,
    features: Features,
    function: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
) -> None:
    """Set mean and 1 / standard deviation (0 for a constant), in float64, of function(column)."""

    def average(of: Callable[[Any], Any]) -> Any:
        chunks = (function(chunk.astype(np.float64)) for chunk in row_chunks(features))
        return sum(of(chunk).sum(axis=0) for chunk in chunks) / len(features)

    mean = average(lambda chunk: chunk)
    variance = average(lambda chunk: (chunk - mean) ** 2)
    deviation = np.sqrt(variance)
    # Less than float32 resolves around the mean is rounding, not variation; and the inverse of what
    # is below its normal numbers is infinite there.
    single = np.finfo(np.float32)
    varies = deviation > np.maximum(single.eps * np.abs(mean), single.tiny)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)
    transform.mean.copy_(torch.from_numpy(mean))
    transform.scale.copy_(torch.from_numpy(scale))
