"""Parts of configs that others are made of: the base, and the architectures."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from mtl2r_models import LatentCross, ListTransformer, MLPScorer, Network, SetTransformer
from mtl2r_models.feature_layers import FeatureLayers


class Config(BaseModel):
    """Tables whose unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _check_layers(configs: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    FeatureLayers(1, configs)  # says what is wrong
    return configs


FeatureLayerConfigs = Annotated[tuple[dict[str, Any], ...], AfterValidator(_check_layers)]
"""Each a table with a ``kind`` and its options, see `mtl2r_models.feature_layers`."""


class ExpertsConfig(Config):
    """Experts that each task mixes in its own way, see `mtl2r_models.experts`.

    Attributes:
        shared: Experts of all tasks: MMoE's.
        own: Experts of each task alone, as PLE has beside those.
        width: Of an expert's output.
    """

    shared: NonNegativeInt = 4
    own: NonNegativeInt = 0
    width: PositiveInt = 32


Dropout = Annotated[float, Field(ge=0.0, lt=1.0)]


def _layer(config: Mapping[str, Any]) -> str:
    """A feature layer in a label: its kind, and its options where it has any."""
    options = " ".join(f"{key}={value}" for key, value in config.items() if key != "kind")
    return f"{config['kind']}({options})" if options else str(config["kind"])


class NetworkConfig(Config):
    """What the configs of all architectures have, beside the arguments of their own.

    Attributes:
        network: The architecture's class, which takes the config's fields.
        feature_layers: What stands before the first layer.
        members: Members of an ensemble that share the network.
        experts: Of a head ``"per_task"``; None has a linear score each.
        head: One score that all tasks share, or one ``"per_task"``.
    """

    network: ClassVar[Callable[..., Network]]

    feature_layers: FeatureLayerConfigs = ()
    members: PositiveInt = 1
    experts: ExpertsConfig | None = None
    head: Literal["shared", "per_task"] = "shared"

    @model_validator(mode="after")
    def _experts_are_of_scores_per_task(self) -> Self:
        if self.experts is not None and self.head != "per_task":
            raise ValueError(f"`experts` need `head` = 'per_task', got {self.head!r}")
        return self

    @model_serializer(mode="wrap")
    def _own_fields_first(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values = dump(self)
        return {name: values[name] for name in _own_first(type(self)) if name in values}

    @property
    def label(self) -> str:
        """What tells it from others: the architecture, and what differs from its defaults.

        Examples:
            >>> MLPConfig(architecture="mlp", hidden=(64, 32), dropout=0.1).label
            'mlp, hidden=64x32, dropout=0.1'
            >>> layers = ({"kind": "noise", "sigma": 0.1}, {"kind": "cross"})
            >>> MLPConfig(architecture="mlp", feature_layers=layers).label
            'mlp, feature_layers=noise(sigma=0.1)+cross'
        """
        parts = [_name(type(self))]
        for name in _own_first(type(self)):
            value = getattr(self, name)
            if name == "architecture" or value == type(self).model_fields[name].default:
                continue
            if name == "hidden" and isinstance(value, tuple):
                value = "x".join(map(str, value))
            elif name == "feature_layers":
                value = "+".join(map(_layer, value))
            parts.append(f"{name}={value}")
        return ", ".join(parts)


def _own_first(kind: type[NetworkConfig]) -> list[str]:
    """The fields of an architecture in the order of labels and records."""
    return sorted(kind.model_fields, key=NetworkConfig.model_fields.__contains__)


class TransformerConfig(NetworkConfig):
    """The list transformer; the defaults are the WEB30K study's (810,497 parameters).

    Attributes:
        positions: What the ranker knows of the order the documents come in: nothing, or their
            places as fixed waves or learned vectors.
        max_length: The longest list that positions are for.
    """

    network = ListTransformer

    architecture: Literal["transformer"] = "transformer"
    hidden: PositiveInt = 128
    layers: PositiveInt = 4
    heads: PositiveInt = 4
    feedforward: PositiveInt = 512
    dropout: Dropout = 0.3
    norm: Literal["pre", "post"] = "pre"
    attention_scale: Literal["head", "model"] = "head"
    positions: Literal["none", "sinusoidal", "learned"] = "none"
    max_length: PositiveInt = 240


class LatentCrossConfig(NetworkConfig):
    """A multilayer perceptron of each document, times its context in the list.

    Attributes:
        layers: Layers of the perceptron.
        blocks: Transformer blocks of the context.
    """

    network = LatentCross

    architecture: Literal["latent_cross"]
    hidden: PositiveInt = 128
    layers: PositiveInt = 2
    blocks: PositiveInt = 2
    heads: PositiveInt = 4
    feedforward: PositiveInt = 256
    dropout: Dropout = 0.3


class MLPConfig(NetworkConfig):
    """A multilayer perceptron that scores each document by itself: the baseline.

    Attributes:
        hidden: Widths of the layers.
    """

    network = MLPScorer

    architecture: Literal["mlp"]
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (512, 256, 128)
    dropout: Dropout = 0.3


class SetTransformerConfig(NetworkConfig):
    """Attention through induced points, linear in the length of the list.

    Attributes:
        points: Induced points per block.
    """

    network = SetTransformer

    architecture: Literal["set_transformer"]
    hidden: PositiveInt = 128
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    feedforward: PositiveInt = 512
    points: PositiveInt = 32
    dropout: Dropout = 0.3


def _with_architecture(value: Any) -> Any:
    return {"architecture": "transformer", **value} if isinstance(value, dict) else value


ModelConfig = Annotated[
    TransformerConfig | LatentCrossConfig | MLPConfig | SetTransformerConfig,
    Field(discriminator="architecture"),
    BeforeValidator(_with_architecture),
]
"""One of the architectures, the transformer where none is named."""


def _name(kind: type[NetworkConfig]) -> str:
    (name,) = get_args(kind.model_fields["architecture"].annotation)
    return str(name)


ARCHITECTURES: Mapping[str, type[NetworkConfig]] = {
    _name(kind): kind for kind in get_args(get_args(ModelConfig)[0])
}
"""The configs of `ModelConfig` by the names of their architectures."""
