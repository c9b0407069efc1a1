"""A stack of feature layers, from their configs."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..checks import as_options, check_options, nearest
from ._base import FeatureLayer
from ._cross import Cross
from ._log_scale import LogScale
from ._noise import FeatureNoise
from ._periodic import Periodic
from ._piecewise_linear import PiecewiseLinear

KINDS: Mapping[str, type[FeatureLayer]] = {
    "cross": Cross,
    "log_scale": LogScale,
    "noise": FeatureNoise,
    "periodic": Periodic,
    "piecewise_linear": PiecewiseLinear,
}
"""The layers by the names that configs use."""


class FeatureLayers(nn.Sequential):
    """The layers of some configs in their order; without any, the features stay as they are.

    Args:
        num_features: Inputs per document.
        configs: One dict per layer: its ``kind`` and the options of its class.

    Attributes:
        width: Outputs per document: the inputs of the ranker's first layer.

    Raises:
        ValueError: For an unknown kind or option, or a bad value.
        TypeError: For a config that is not a dict.

    Examples:
        >>> layers = FeatureLayers(3, [{"kind": "log_scale"}, {"kind": "periodic", "embedding": 4}])
        >>> layers(torch.zeros(2, 3)).shape
        torch.Size([2, 12])
    """

    def __init__(self, num_features: int, configs: Sequence[Mapping[str, Any]] = ()) -> None:
        if isinstance(configs, str | Mapping) or not isinstance(configs, Sequence):
            raise TypeError(
                "`feature_layers` must be a list of dicts, e.g. [{'kind': 'noise'}], "
                f"got {configs!r}"
            )
        options = [as_options(f"feature_layers[{i}]", config) for i, config in enumerate(configs)]
        layers: list[FeatureLayer] = []
        width = num_features
        for of_one in options:
            layers.append(_build(width, of_one))
            width = layers[-1].width
        super().__init__(*layers)
        self.width = width

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Fit each layer to training documents (document, feature) as the ones before map them.

        Noise is left out.
        """
        training = self.training
        self.eval()
        for layer in self._layers():
            layer.fit(features)
            features = layer(features)
        self.train(training)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the layers' own initial weights."""
        for layer in self._layers():
            layer.reset_parameters(generator)

    def _layers(self) -> list[FeatureLayer]:
        return [layer for layer in self if isinstance(layer, FeatureLayer)]


def _build(width: int, options: dict[str, Any]) -> FeatureLayer:
    kind = options.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(
            f"`kind` of a feature layer must be one of {', '.join(KINDS)}, got {kind!r}"
            f"{nearest(kind, KINDS)}"
        )
    try:
        check_options(KINDS[kind], options)
        return KINDS[kind](width, **options)
    except TypeError as error:
        raise ValueError(f"feature layer {kind!r}: {error}") from error
