"""Parts of configs that others are made of: the base, the architectures, the methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveInt,
    Tag,
    model_validator,
)

from mtl2r_models.feature_layers import FeatureLayers

__all__ = [
    "ARCHITECTURES",
    "Config",
    "ExpertsConfig",
    "LatentCrossConfig",
    "MLPConfig",
    "MethodConfig",
    "ModelConfig",
    "SetTransformerConfig",
    "StudyMethodConfig",
    "TransformerConfig",
]


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


def _layer(config: Mapping[str, Any]) -> str:
    """A feature layer in a label: its kind, and its options where it has any."""
    options = " ".join(f"{key}={value}" for key, value in config.items() if key != "kind")
    return f"{config['kind']}({options})" if options else str(config["kind"])


class _Network(Config):
    """What all architectures check."""

    @model_validator(mode="after")
    def _experts_are_of_scores_per_task(self) -> _Network:
        head, experts = getattr(self, "head", None), getattr(self, "experts", None)
        if experts is not None and head != "per_task":
            raise ValueError(f"`experts` need `head` = 'per_task', got {head!r}")
        return self

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
        parts = [_architecture(self)]
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name == "architecture" or value == field.default:
                continue
            if name == "hidden" and isinstance(value, tuple):
                value = "x".join(map(str, value))
            elif name == "feature_layers":
                value = "+".join(map(_layer, value))
            parts.append(f"{name}={value}")
        return ", ".join(parts)


class TransformerConfig(_Network):
    """The list transformer; the defaults are the WEB30K study's (810,497 parameters).

    Attributes:
        head: One score that all tasks share, or one ``"per_task"``.
        positions: What the ranker knows of the order the documents come in: nothing, or their
            places as fixed waves or learned vectors.
        max_length: The longest list that positions are for.
        feature_layers: What stands before the first layer.
        members: Members of an ensemble that share the network.
        experts: Of a head ``"per_task"``; None has a linear score each.
    """

    architecture: Literal["transformer"] = "transformer"
    hidden: PositiveInt = 128
    layers: PositiveInt = 4
    heads: PositiveInt = 4
    feedforward: PositiveInt = 512
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    norm: Literal["pre", "post"] = "pre"
    attention_scale: Literal["head", "model"] = "head"
    positions: Literal["none", "sinusoidal", "learned"] = "none"
    max_length: PositiveInt = 240
    feature_layers: FeatureLayerConfigs = ()
    members: PositiveInt = 1
    experts: ExpertsConfig | None = None
    head: Literal["shared", "per_task"] = "shared"


class MLPConfig(_Network):
    """A multilayer perceptron that scores each document by itself: the baseline.

    Attributes:
        hidden: Widths of the layers.
        feature_layers: What stands before the first layer.
        members: Members of an ensemble that share the network.
        experts: Of a head ``"per_task"``; None has a linear score each.
        head: One score that all tasks share, or one ``"per_task"``.
    """

    architecture: Literal["mlp"]
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (512, 256, 128)
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    feature_layers: FeatureLayerConfigs = ()
    members: PositiveInt = 1
    experts: ExpertsConfig | None = None
    head: Literal["shared", "per_task"] = "shared"


class LatentCrossConfig(_Network):
    """A multilayer perceptron of each document, times its context in the list.

    Attributes:
        layers: Layers of the perceptron.
        blocks: Transformer blocks of the context.
        feature_layers: What stands before the first layer.
        members: Members of an ensemble that share the network.
        experts: Of a head ``"per_task"``; None has a linear score each.
        head: One score that all tasks share, or one ``"per_task"``.
    """

    architecture: Literal["latent_cross"]
    hidden: PositiveInt = 128
    layers: PositiveInt = 2
    blocks: PositiveInt = 2
    heads: PositiveInt = 4
    feedforward: PositiveInt = 256
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    feature_layers: FeatureLayerConfigs = ()
    members: PositiveInt = 1
    experts: ExpertsConfig | None = None
    head: Literal["shared", "per_task"] = "shared"


class SetTransformerConfig(_Network):
    """Attention through induced points, linear in the length of the list.

    Attributes:
        points: Induced points per block.
        feature_layers: What stands before the first layer.
        members: Members of an ensemble that share the network.
        experts: Of a head ``"per_task"``; None has a linear score each.
        head: One score that all tasks share, or one ``"per_task"``.
    """

    architecture: Literal["set_transformer"]
    hidden: PositiveInt = 128
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    feedforward: PositiveInt = 512
    points: PositiveInt = 32
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    feature_layers: FeatureLayerConfigs = ()
    members: PositiveInt = 1
    experts: ExpertsConfig | None = None
    head: Literal["shared", "per_task"] = "shared"


def _architecture(value: Any) -> str:
    if isinstance(value, Config):
        return str(value.architecture)  # type: ignore[attr-defined]  # those of ModelConfig
    return str(value.get("architecture", "transformer")) if isinstance(value, dict) else ""


ModelConfig = Annotated[
    Annotated[TransformerConfig, Tag("transformer")]
    | Annotated[LatentCrossConfig, Tag("latent_cross")]
    | Annotated[MLPConfig, Tag("mlp")]
    | Annotated[SetTransformerConfig, Tag("set_transformer")],
    Discriminator(_architecture),
]
"""One of the architectures, the transformer where none is named."""

ARCHITECTURES: Mapping[str, type[Config]] = {
    "transformer": TransformerConfig,
    "latent_cross": LatentCrossConfig,
    "mlp": MLPConfig,
    "set_transformer": SetTransformerConfig,
}


class MethodConfig(Config):
    """A multi-task method: a code name of `mtl2r-bench list methods` and its options.

    Attributes:
        name: The code name.
        preference: On the simplex, for the methods that take one, and for those with bounds that
            are derived from it.
        task: For ``stl`` only: the task that is trained.
        rule: How ``options.bounds`` came about, where a study set them, see `mtl2r_bench.bounds`.
        position: Where the run stands along its method's sweep, from 0 to 1, where no preference
            says so: 1 is all for the main task.
        variant: What tells it from the same method with the study's model, see `StudyMethodConfig`.
        options: Further arguments of the method's constructor.
    """

    name: str
    preference: tuple[float, ...] | None = None
    task: str | None = None
    rule: Literal["payoff", "bits_per_pair"] | None = None
    position: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    variant: Annotated[str, Field(min_length=1)] | None = None
    options: dict[str, Any] = {}

    @property
    def label(self) -> str:
        """What a legend shows: the code name, the task of a baseline, the variant, the options.

        Bounds are left out: as preferences, they tell the runs of one method's sweep apart.

        Examples:
            >>> MethodConfig(name="nashmtl", variant="mlp", options={"update_every": 5}).label
            'nashmtl (mlp, update_every=5)'
        """
        shown = {key: value for key, value in self.options.items() if key != "bounds"}
        variant = [] if self.variant is None else [self.variant]
        inside = ", ".join([*variant, *(f"{key}={value}" for key, value in shown.items())])
        task = f" {self.task}" if self.task else ""
        return f"{self.name}{task}" + (f" ({inside})" if inside else "")


class StudyMethodConfig(MethodConfig):
    """A method of a study, which may have a model of its own.

    The model is whole: what it leaves out has its architecture's default, not the study's value.
    Single-task baselines, and so the bounds that are derived from them, are of the study's model.

    Attributes:
        model: Instead of the study's. `variant` is then the model's label, such as ``mlp``, unless
            it is given.
    """

    model: ModelConfig | None = None

    def of_run(self) -> MethodConfig:
        """The method as the config of a run has it, beside its model."""
        return MethodConfig(**{name: getattr(self, name) for name in MethodConfig.model_fields})
