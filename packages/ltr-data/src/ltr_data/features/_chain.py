"""Feature transforms in sequence."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .._columns import Features, LazyMatrix
from ._transform import FeatureTransform

#: From the (document, feature) matrix of the training split and the features' numbers to a fitted
#: transform, as `fit` of the transforms is.
Fit = Callable[[Features, Sequence[int]], FeatureTransform]


class ComposeFeatures(FeatureTransform):
    """Several transforms in sequence, each fitted to the output of the one before.

    `Compose` does the same for labels. A column that is constant for one of them is constant.

    Args:
        feature_ids: (feature,) numbers of the columns.
        transforms: In the order of their application, all of these features.

    Raises:
        ValueError: There are no transforms, or one is of other features.

    Examples:
        >>> from functools import partial
        >>> from ltr_data import ClipOutliers, MinMaxScale
        >>> features = np.array([[0], [1], [2], [3], [900]], dtype=np.float32)
        >>> steps = [partial(ClipOutliers.fit, low=0.0, high=0.8), MinMaxScale.fit]
        >>> transform = ComposeFeatures.fit(features, (1,), steps)
        >>> transform.transform(features).ravel().round(2)
        array([0.  , 0.33, 0.67, 1.  , 1.  ], dtype=float32)
    """

    def __init__(
        self, feature_ids: Sequence[int], transforms: Sequence[FeatureTransform | dict[str, Any]]
    ) -> None:
        super().__init__(feature_ids)
        parts = [t if isinstance(t, nn.Module) else self.from_config(t) for t in transforms]
        if not parts:
            raise ValueError("`transforms` must hold at least one transform, got none")
        for part in parts:
            if part.feature_ids != self.feature_ids:
                raise ValueError(
                    f"`transforms` must be of the features {self.feature_ids}, "
                    f"got {type(part).__name__} of {part.feature_ids}"
                )
        self.transforms = nn.ModuleList(parts)
        varies = torch.stack([part.scale != 0 for part in parts]).all(dim=0)
        self.scale.copy_(varies)

    @classmethod
    def fit(  # type: ignore[override]  # the steps have the options
        cls, features: Features, feature_ids: Sequence[int], steps: Sequence[Fit]
    ) -> Self:
        """Fit each step to the training split as the steps before it transform it.

        Args:
            features: (document, feature); read some rows at a time.
            feature_ids: (feature,) numbers of the columns.
            steps: `fit` of transforms, with their arguments, if any, bound by `functools.partial`.

        Raises:
            ValueError: There are no steps, or one cannot be fitted.
        """
        fitted: list[FeatureTransform] = []
        for step in steps:
            fitted.append(step(features, feature_ids))
            features = _Transformed(features, fitted[-1])
        return cls(feature_ids, fitted)

    def _map(self, features: Tensor) -> Tensor:
        for part in self.transforms:
            features = part(features)
        return features

    def config(self) -> dict[str, Any]:
        """Return what is not in `state_dict`, for JSON."""
        parts = [part.config() for part in self.transforms if isinstance(part, FeatureTransform)]
        return {**super().config(), "transforms": parts}


class _Transformed(LazyMatrix):
    """Transformed features, computed for the rows that are requested."""

    def __init__(self, features: Features, transform: FeatureTransform) -> None:
        self._features = features
        self._transform = transform

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self._features.shape
        return rows, columns

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        return self._transform.transform(self._features[rows])
