"""Feature transforms by the range and the quantiles of the training values."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .._checks import check_at_least
from .._columns import Features, row_chunks
from ._transform import FeatureTransform

_MOST_ROWS = 100_000  # quantiles of more rows differ by less than a thousandth


class MinMaxScale(FeatureTransform):
    """(x − low) / (high − low) with the training range, clipped to [0, 1]; 0 for a constant column.

    Examples:
        >>> features = np.array([[1, 5], [3, 5]], dtype=np.float32)
        >>> transform = MinMaxScale.fit(features, feature_ids=(1, 2))
        >>> transform.transform(np.array([[2, 5], [9, 6]], dtype=np.float32))
        array([[0.5, 0. ], [1. , 0. ]], dtype=float32)
        >>> transform.constant_columns
        (2,)
    """

    _statistics = ("low",)
    low: Tensor

    def _learn(self, features: Features) -> None:
        low = np.min([chunk.min(axis=0) for chunk in row_chunks(features)], axis=0)
        high = np.max([chunk.max(axis=0) for chunk in row_chunks(features)], axis=0)
        span = high.astype(np.float64) - low
        # The inverse of what is below float32's normal numbers is infinite there.
        wide = span > np.finfo(np.float32).tiny
        scale = np.divide(1.0, span, out=np.zeros_like(span), where=wide)
        self.low.copy_(torch.from_numpy(low))
        self.scale.copy_(torch.from_numpy(scale))

    def _map(self, features: Tensor) -> Tensor:
        return ((features - self.low) * self.scale).clamp(0, 1)


class ClipOutliers(FeatureTransform):
    """x, clipped to the range between two quantiles of the training values.

    The quantiles are those of evenly spaced rows if there are more than 100,000.

    Args:
        feature_ids: (feature,) numbers of the columns.
        low: Share of the training values below the range.
        high: Share of the training values up to its end.

    Raises:
        ValueError: Not 0 ≤ low < high ≤ 1.

    Examples:
        >>> features = np.arange(101, dtype=np.float32)[:, None]
        >>> transform = ClipOutliers.fit(features, (1,), low=0.05, high=0.9)
        >>> transform.transform(np.array([[-7], [50], [1e9]], dtype=np.float32)).ravel()
        array([ 5., 50., 90.], dtype=float32)
    """

    _statistics = ("least", "most")
    _options = ("low", "high")
    least: Tensor
    most: Tensor

    def __init__(self, feature_ids: Sequence[int], low: float = 0.01, high: float = 0.99) -> None:
        if not 0 <= low < high <= 1:
            raise ValueError(f"`low` and `high` must be 0 ≤ low < high ≤ 1, got {low} and {high}")
        super().__init__(feature_ids)
        self.low = low
        self.high = high

    def _learn(self, features: Features) -> None:
        rows = some_rows(features)
        least, most = np.quantile(rows, (self.low, self.high), axis=0, method="nearest")
        self.least.copy_(torch.from_numpy(least))
        self.most.copy_(torch.from_numpy(most))
        self.scale.copy_(torch.from_numpy(rows.max(axis=0) > rows.min(axis=0)))

    def _map(self, features: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(features, self.least), self.most)


class QuantileTransform(FeatureTransform):
    """The share of the training values below x, and half of those equal to it: in [0, 1].

    `num_quantiles` of the training values, evenly spaced by rank, represent them (those of evenly
    spaced rows if there are more than 100,000); the result is a multiple of half their inverse.
    Constant columns become 0.

    Args:
        feature_ids: (feature,) numbers of the columns.
        num_quantiles: Number of training values that are kept per column.

    Raises:
        ValueError: `num_quantiles` is below 2.

    Examples:
        >>> features = np.array([[0], [0], [0], [8]], dtype=np.float32)
        >>> transform = QuantileTransform.fit(features, (1,), num_quantiles=4)
        >>> transform.transform(np.array([[-1], [0], [1], [8], [9]], dtype=np.float32)).ravel()
        array([0.   , 0.375, 0.75 , 0.875, 1.   ], dtype=float32)
    """

    _options = ("num_quantiles",)
    quantiles: Tensor

    def __init__(self, feature_ids: Sequence[int], num_quantiles: int = 1000) -> None:
        check_at_least(2, num_quantiles=num_quantiles)
        super().__init__(feature_ids)
        self.num_quantiles = num_quantiles
        self.register_buffer("quantiles", torch.zeros(len(self.feature_ids), num_quantiles))

    def _learn(self, features: Features) -> None:
        rows = some_rows(features)
        levels = (np.arange(self.num_quantiles) + 0.5) / self.num_quantiles
        values = np.quantile(rows, levels, axis=0, method="inverted_cdf").astype(np.float32)
        self.quantiles.copy_(torch.from_numpy(np.ascontiguousarray(values.T)))
        self.scale.copy_(torch.from_numpy(rows.max(axis=0) > rows.min(axis=0)))

    def _map(self, features: Tensor) -> Tensor:
        columns = features.reshape(-1, len(self.feature_ids)).T.contiguous()
        below = torch.searchsorted(self.quantiles, columns, right=False)
        up_to = torch.searchsorted(self.quantiles, columns, right=True)
        share = (below + up_to).to(self.scale.dtype) / (2 * self.num_quantiles)
        return share.T.reshape(features.shape) * self.scale


def some_rows(features: Features) -> npt.NDArray[np.float32]:
    """Return evenly spaced rows, or all of them if they are few."""
    step = max(1, -(-len(features) // _MOST_ROWS))
    return features[::step]
