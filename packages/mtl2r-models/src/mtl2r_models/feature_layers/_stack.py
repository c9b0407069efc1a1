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
from ._words import WordEmbeddings

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

    Words, the last inputs, go by the layers to embeddings of their own.

    Args:
        num_features: Inputs per document, words included.
        configs: One dict per layer: its ``kind`` and the options of its class.
        words: Numbers of codes of the last inputs, which are codes of words.

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

    def __init__(
        self,
        num_features: int,
        configs: Sequence[Mapping[str, Any]] = (),
        words: Sequence[int] = (),
    ) -> None:
        if isinstance(configs, str | Mapping) or not isinstance(configs, Sequence):
            raise TypeError(
                "`feature_layers` must be a list of dicts, e.g. [{'kind': 'noise'}], "
                f"got {configs!r}"
            )
        options = [as_options(f"feature_layers[{i}]", config) for i, config in enumerate(configs)]
        if len(words) > num_features or (configs and len(words) == num_features):
            raise ValueError(
                f"`words` must be fewer than the {num_features} inputs, got {len(words)}"
            )
        layers: list[FeatureLayer] = []
        width = num_features - len(words)
        for of_one in options:
            layers.append(_build(width, of_one))
            width = layers[-1].width
        super().__init__(*layers)
        self.words = WordEmbeddings(words) if words else None
        self.width = width + (0 if self.words is None else self.words.width)

    def forward(self, features: Tensor) -> Tensor:
        """Map (..., feature) to (..., width)."""
        numbers, codes = features, None
        if self.words is not None:
            numbers, codes = self._parts(features)
        for layer in self._layers():
            numbers = layer(numbers)
        if self.words is None or codes is None:
            return numbers
        return torch.cat([numbers, self.words(codes).to(numbers.dtype)], dim=-1)

    def _parts(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the numbers and the codes."""
        count = 0 if self.words is None else len(self.words.sizes)
        return features[..., : features.shape[-1] - count], features[..., -count:]

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Fit each layer to training documents (document, feature) as the ones before map them.

        Noise is left out.
        """
        training = self.training
        self.eval()
        if self.words is not None:
            features, _ = self._parts(features)
        for layer in self._layers():
            layer.fit(features)
            features = layer(features)
        self.train(training)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the layers' own initial weights."""
        for layer in self._layers():
            layer.reset_parameters(generator)
        if self.words is not None:
            self.words.reset_parameters(generator)

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
